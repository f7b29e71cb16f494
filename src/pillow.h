/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The resize of Pillow (Resample.c, 8 bits a channel, bilinear), to the last bit: columns first, rounded to 8 bits,
 * then rows. (Pillow 13 takes the other order where more than twice as many rows as columns go away.) */
#ifndef RESNET18_PILLOW_H
#define RESNET18_PILLOW_H

#include "resample.h"

typedef struct r18_pillow r18_pillow;

/* Where one channel's samples lie. */
typedef struct {
  const uint8_t *first; /* sample 0 of row 0 */
  ptrdiff_t stride;     /* bytes to the next row */
  size_t step;          /* bytes to the next sample */
} r18_pillow_channel;

/* NULL: out of memory. */
r18_pillow *r18_pillow_new(const r18_axis *across, const r18_axis *down);
/* NULL is allowed. */
void r18_pillow_free(r18_pillow *p);

/* Writes across.count x down.count samples: `out` is the first one's place, the next lie 3 bytes on, the next row's
 * `pitch` bytes on. */
void r18_pillow_run(r18_pillow *p, const r18_pillow_channel *in, uint8_t *out, size_t pitch);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads, decodes and prepares many pictures in threads of its own, a few ahead of who takes them, in order. */
#ifndef RESNET18_TOOLS_PREFETCH_H
#define RESNET18_TOOLS_PREFETCH_H

#include "resnet18.h"

#include <glib.h>
#include <stdbool.h>

typedef struct prefetch prefetch;

/* One input. Clear with prepared_clear. */
typedef struct {
  size_t index;
  uint8_t *rgb;      /* RESNET18_RGB_BYTES of a still picture, or NULL */
  int width, height; /* of that picture, in pixels */
  char *uri;         /* where it is not a still picture: for stream_open */
  GError *error;     /* where it could not be read or decoded */
} prepared;

/* `names` are as for input_open and must stay until the end. */
prefetch *prefetch_new(const char *const *names, size_t count, const resnet18_preprocess_options *options,
                       bool upright);

/* The next input, waiting for it. False after the last. */
bool prefetch_next(prefetch *p, prepared *out);
void prepared_clear(prepared *p);

/* Inputs that were not taken are given up. NULL is allowed. */
void prefetch_free(prefetch *p);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* IEEE 754 binary16 to float. */
#ifndef RESNET18_HALF_H
#define RESNET18_HALF_H

#include <stddef.h>

/* Converts `count` values; `data` may be unaligned. Exact; a NaN stays a NaN. */
typedef void (*r18_half_reader)(const unsigned char *data, size_t count, float *out);

void r18_read_halves(const unsigned char *data, size_t count, float *out);
void r18_read_halves_avx2(const unsigned char *data, size_t count, float *out); /* x86-64 only */

/* The best one that this CPU may use. */
r18_half_reader r18_best_half_reader(void);

#endif

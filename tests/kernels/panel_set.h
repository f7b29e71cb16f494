/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The multiplication of src/kernels/panel.h, compiled for one instruction set. */
#ifndef TESTS_KERNELS_PANEL_SET_H
#define TESTS_KERNELS_PANEL_SET_H

#include <stdbool.h>

typedef struct {
  unsigned set, lanes, most_rows[3]; /* `most_rows` that are multiplied at once, by `wide` */
  void (*multiply)(unsigned wide, unsigned rows, unsigned blocks, const float *panel, const float *weights, bool more,
                   float *product);
} panel_set;

extern const panel_set panel_avx2, panel_avx512, panel_neon;

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compiled once for each instruction set; PANEL_SET is the name of its entry. */
#include "panel_set.h"

#include "kernels/panel.h"

static void multiply(unsigned wide, unsigned rows, unsigned blocks, const float *panel, const float *weights, bool more,
                     float *product) {
  const panel_weights use = weights_in_order(weights, wide);
  panel_multiply(wide, rows, blocks, panel, &use, more, product);
}

const panel_set PANEL_SET = {SIMD_SET, LANES, {0, MAX_ROWS_1, MAX_ROWS_2}, multiply};

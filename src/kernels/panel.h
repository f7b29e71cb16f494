/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matrix multiplication on panels, the inner loop of the float convolutions.
 *
 * A panel holds `rows` rows of the left matrix (pixels or Winograd tiles, `depth` = LANES * blocks values each) as
 * [block][row][LANES], which is both how a transform writes it and how the multiplication reads it: one straight run
 * through memory. Weights lie as [depth][wide * LANES], the product as [row][wide * LANES]. */
#ifndef RESNET18_PANEL_H
#define RESNET18_PANEL_H

#include "simd.h"

#include <stdbool.h>

/* Weights come from memory: all layers together do not fit the caches. While some are used, others are called into the
 * second-level cache: those at `ahead`, `step` floats further on with each row of weights. */
typedef struct {
  const float *at, *ahead;
  size_t step;
} panel_weights;

/* Those that follow are the next ones needed. */
static inline panel_weights weights_in_order(const float *at, unsigned wide) {
  enum { DISTANCE = 1024 };
  return (panel_weights){at, at + DISTANCE, (size_t)wide * LANES};
}

/* One block of the sums: LANES values of each row. `rows` and `wide` are constants at every call, so that the sums are
 * registers. */
#if defined(__aarch64__)
/* A value of the left matrix is a lane of a vector that is loaded once. */
__attribute__((always_inline)) static inline void panel_block(unsigned rows, unsigned wide, const float *panel,
                                                              const panel_weights *use, vec sum[][2]) {
  vec w[LANES][2];
#pragma GCC unroll 4
  for (unsigned k = 0; k < LANES; k++)
#pragma GCC unroll 2
    for (unsigned n = 0; n < wide; n++)
      w[k][n] = vec_load(use->at + (k * wide + n) * LANES);
#pragma GCC unroll 4
  for (unsigned k = 0; k < LANES; k++)
    __builtin_prefetch(use->ahead + k * use->step, 0, 2);
#pragma GCC unroll 28
  for (unsigned m = 0; m < rows; m++) {
    const vec x = vec_load(panel + m * LANES);
#pragma GCC unroll 4
    for (unsigned k = 0; k < LANES; k++)
#pragma GCC unroll 2
      for (unsigned n = 0; n < wide; n++)
        sum[m][n] += w[k][n] * x[k];
  }
}
#else
__attribute__((always_inline)) static inline void panel_block(unsigned rows, unsigned wide, const float *panel,
                                                              const panel_weights *use, vec sum[][2]) {
  const float *weights = use->at, *ahead = use->ahead;
#pragma GCC unroll 1
  for (unsigned k = 0; k < LANES; k++, weights += wide * LANES, ahead += use->step) {
    vec w[2];
#pragma GCC unroll 2
    for (unsigned n = 0; n < wide; n++) {
      w[n] = vec_load(weights + n * LANES);
      if (n * LANES % 16 == 0)
        __builtin_prefetch(ahead + n * LANES, 0, 2);
    }
#pragma GCC unroll 28
    for (unsigned m = 0; m < rows; m++) {
      vec x = vec_all(panel[m * LANES + k]);
#pragma GCC unroll 2
      for (unsigned n = 0; n < wide; n++)
        sum[m][n] += x * w[n];
    }
  }
}
#endif

__attribute__((always_inline)) static inline void panel_tile(unsigned rows, unsigned wide, unsigned blocks,
                                                             size_t block_stride, const float *panel,
                                                             const panel_weights *weights, bool more, float *product) {
  vec sum[MAX_ROWS_1][2];
#pragma GCC unroll 28
  for (unsigned m = 0; m < rows; m++)
#pragma GCC unroll 2
    for (unsigned n = 0; n < wide; n++)
      sum[m][n] = more ? vec_load(product + (m * wide + n) * LANES) : vec_all(0);
  panel_weights use = *weights;
  for (unsigned block = 0; block < blocks; block++, panel += block_stride) {
    panel_block(rows, wide, panel, &use, sum);
    use.at += LANES * wide * LANES;
    use.ahead += LANES * use.step;
  }
#pragma GCC unroll 28
  for (unsigned m = 0; m < rows; m++)
#pragma GCC unroll 2
    for (unsigned n = 0; n < wide; n++)
      vec_store(product + (m * wide + n) * LANES, sum[m][n]);
}

static inline void panel_rows_1(unsigned rows, unsigned blocks, size_t block_stride, const float *panel,
                                const panel_weights *weights, bool more, float *product) {
  switch (rows) {
  case 1:
    panel_tile(1, 1, blocks, block_stride, panel, weights, more, product);
    break;
  case 2:
    panel_tile(2, 1, blocks, block_stride, panel, weights, more, product);
    break;
  case 3:
    panel_tile(3, 1, blocks, block_stride, panel, weights, more, product);
    break;
  case 4:
    panel_tile(4, 1, blocks, block_stride, panel, weights, more, product);
    break;
  case 5:
    panel_tile(5, 1, blocks, block_stride, panel, weights, more, product);
    break;
  case 6:
    panel_tile(6, 1, blocks, block_stride, panel, weights, more, product);
    break;
  case 7:
    panel_tile(7, 1, blocks, block_stride, panel, weights, more, product);
    break;
  case 8:
    panel_tile(8, 1, blocks, block_stride, panel, weights, more, product);
    break;
  case 9:
    panel_tile(9, 1, blocks, block_stride, panel, weights, more, product);
    break;
  case 10:
    panel_tile(10, 1, blocks, block_stride, panel, weights, more, product);
    break;
  case 11:
    panel_tile(11, 1, blocks, block_stride, panel, weights, more, product);
    break;
  case 12:
    panel_tile(12, 1, blocks, block_stride, panel, weights, more, product);
    break;
#if defined(__AVX512F__)
  case 13:
    panel_tile(13, 1, blocks, block_stride, panel, weights, more, product);
    break;
  case 14:
    panel_tile(14, 1, blocks, block_stride, panel, weights, more, product);
    break;
  case 15:
    panel_tile(15, 1, blocks, block_stride, panel, weights, more, product);
    break;
  case 16:
    panel_tile(16, 1, blocks, block_stride, panel, weights, more, product);
    break;
  case 17:
    panel_tile(17, 1, blocks, block_stride, panel, weights, more, product);
    break;
  case 18:
    panel_tile(18, 1, blocks, block_stride, panel, weights, more, product);
    break;
  case 19:
    panel_tile(19, 1, blocks, block_stride, panel, weights, more, product);
    break;
  case 20:
    panel_tile(20, 1, blocks, block_stride, panel, weights, more, product);
    break;
  case 21:
    panel_tile(21, 1, blocks, block_stride, panel, weights, more, product);
    break;
  case 22:
    panel_tile(22, 1, blocks, block_stride, panel, weights, more, product);
    break;
  case 23:
    panel_tile(23, 1, blocks, block_stride, panel, weights, more, product);
    break;
  case 24:
    panel_tile(24, 1, blocks, block_stride, panel, weights, more, product);
    break;
  case 25:
    panel_tile(25, 1, blocks, block_stride, panel, weights, more, product);
    break;
  case 26:
    panel_tile(26, 1, blocks, block_stride, panel, weights, more, product);
    break;
  case 27:
    panel_tile(27, 1, blocks, block_stride, panel, weights, more, product);
    break;
  case 28:
    panel_tile(28, 1, blocks, block_stride, panel, weights, more, product);
    break;
#endif
  }
}

static inline void panel_rows_2(unsigned rows, unsigned blocks, size_t block_stride, const float *panel,
                                const panel_weights *weights, bool more, float *product) {
  switch (rows) {
  case 1:
    panel_tile(1, 2, blocks, block_stride, panel, weights, more, product);
    break;
  case 2:
    panel_tile(2, 2, blocks, block_stride, panel, weights, more, product);
    break;
  case 3:
    panel_tile(3, 2, blocks, block_stride, panel, weights, more, product);
    break;
  case 4:
    panel_tile(4, 2, blocks, block_stride, panel, weights, more, product);
    break;
  case 5:
    panel_tile(5, 2, blocks, block_stride, panel, weights, more, product);
    break;
  case 6:
    panel_tile(6, 2, blocks, block_stride, panel, weights, more, product);
    break;
#if defined(__AVX512F__) || defined(__aarch64__)
  case 7:
    panel_tile(7, 2, blocks, block_stride, panel, weights, more, product);
    break;
  case 8:
    panel_tile(8, 2, blocks, block_stride, panel, weights, more, product);
    break;
#endif
#if defined(__AVX512F__)
  case 9:
    panel_tile(9, 2, blocks, block_stride, panel, weights, more, product);
    break;
  case 10:
    panel_tile(10, 2, blocks, block_stride, panel, weights, more, product);
    break;
  case 11:
    panel_tile(11, 2, blocks, block_stride, panel, weights, more, product);
    break;
  case 12:
    panel_tile(12, 2, blocks, block_stride, panel, weights, more, product);
    break;
  case 13:
    panel_tile(13, 2, blocks, block_stride, panel, weights, more, product);
    break;
  case 14:
    panel_tile(14, 2, blocks, block_stride, panel, weights, more, product);
    break;
#endif
  }
}

/* product = panel x weights, or `more` to what is there; `wide` is 1 or 2 vectors. */
static inline void panel_multiply(unsigned wide, unsigned rows, unsigned blocks, const float *panel,
                                  const panel_weights *weights, bool more, float *product) {
  const unsigned most = wide == 1 ? MAX_ROWS_1 : MAX_ROWS_2;
  const size_t block_stride = (size_t)rows * LANES;
  for (unsigned parts = (rows + most - 1) / most; parts > 0; parts--) {
    const unsigned count = (rows + parts - 1) / parts;
    if (wide == 1)
      panel_rows_1(count, blocks, block_stride, panel, weights, more, product);
    else
      panel_rows_2(count, blocks, block_stride, panel, weights, more, product);
    panel += count * LANES;
    product += count * wide * LANES;
    rows -= count;
  }
}

#endif

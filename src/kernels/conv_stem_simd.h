/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first convolution (7x7, stride 2, 3 -> 64 channels) with ReLU and the 3x3/2 max pooling, in floats. Included by
 * one file for each instruction set.
 *
 * Along a row, stride 2 splits into two convolutions with stride 1: the even columns with taps 0, 2, 4, 6 and the odd
 * ones with taps 1, 3, 5. Both are computed by Winograd's F(4,4) on the points 0, 1, -1, 1/2, -2, 2, infinity (the odd
 * one with a fourth tap of 0), and summed before the output transform: 14 multiplications for 4 outputs and one row of
 * taps, where the direct way takes 28. Rows are direct. A tile is 4 outputs of one row; transformed inputs are kept for
 * 8 input rows, [tile][point][phase and channel, 6 filled up to 8]. */
#ifndef RESNET18_CONV_STEM_SIMD_H
#define RESNET18_CONV_STEM_SIMD_H

#include "kernels.h"
#include "simd.h"

#include <string.h>

enum {
  STEM_IN = RESNET18_SIZE,
  STEM_OUT = STEM_IN / 2,
  STEM_POOLED = STEM_OUT / 2,
  STEM_CHANNELS = 64,
  STEM_TAPS = 7,
  STEM_POINTS = 7,
  STEM_INNER = 6, /* phases times input channels */
  STEM_INNER_PAD = 8,
  STEM_TILE = 4, /* outputs of a tile */
  STEM_TILES = STEM_OUT / STEM_TILE,
  STEM_GROUP = 4, /* tiles computed at once */
  STEM_RING = 8,  /* input rows */
  STEM_ROW_FLOATS = STEM_TILES * STEM_POINTS * STEM_INNER_PAD,
  /* With 32 registers the sums of all points of a group are kept there, for one vector of channels; with fewer, those
   * of one point after the other, for two vectors. Packed weights lie in the order of use. */
  STEM_FUSED = MAX_ROWS_1 >= 28,
  STEM_WIDE = STEM_FUSED ? LANES : 2 * LANES, /* channels in a block */
  STEM_POINT_STRIDE = STEM_FUSED ? LANES : STEM_TAPS * STEM_INNER * STEM_WIDE,
  STEM_INNER_STRIDE = STEM_FUSED ? STEM_POINTS * LANES : STEM_WIDE,
  STEM_BLOCK_FLOATS = STEM_TAPS * STEM_INNER * STEM_POINTS * STEM_WIDE
};

typedef float stem_inner __attribute__((vector_size(4 * STEM_INNER_PAD)));
typedef float stem_inner_anywhere __attribute__((vector_size(4 * STEM_INNER_PAD), aligned(4), may_alias));

/* A thread's memory. Input row y, halo included, is in the ring at y modulo STEM_RING. */
typedef struct {
  float ring[STEM_RING][STEM_ROW_FLOATS];
  float product[STEM_GROUP][STEM_POINTS][STEM_WIDE];
  float line[STEM_OUT + 1][STEM_WIDE];         /* one row of outputs after ReLU, behind a zero */
  float pooled[3][STEM_POOLED][STEM_CHANNELS]; /* rows of outputs, pooled horizontally */
} stem_scratch;

static inline bool stem_accepts(const r18_conv *conv) {
  return conv->kernel == STEM_TAPS && conv->stride == 2 && conv->pad == 3 && conv->in_channels == 3 &&
         conv->in_size == STEM_IN && conv->out_channels == STEM_CHANNELS && conv->relu && !conv->residual;
}

/* Packed: the bias, then the blocks of STEM_WIDE channels. */
static inline size_t stem_packed_bytes(const r18_conv *conv) {
  return sizeof(float) * (STEM_CHANNELS + STEM_CHANNELS / STEM_WIDE * STEM_BLOCK_FLOATS);
}

static inline void stem_transform_weights(const float taps[4], float *to) {
  static const float matrix[STEM_POINTS][4] = {
      {-1.0f / 2, 0, 0, 0},
      {-1.0f / 3, -1.0f / 3, -1.0f / 3, -1.0f / 3},
      {1.0f / 9, -1.0f / 9, 1.0f / 9, -1.0f / 9},
      {32.0f / 45, 16.0f / 45, 8.0f / 45, 4.0f / 45},
      {-1.0f / 60, 1.0f / 30, -1.0f / 15, 2.0f / 15},
      {1.0f / 36, 1.0f / 18, 1.0f / 9, 2.0f / 9},
      {0, 0, 0, 1},
  };
  for (unsigned p = 0; p < STEM_POINTS; p++)
    to[p * STEM_POINT_STRIDE] =
        matrix[p][0] * taps[0] + matrix[p][1] * taps[1] + matrix[p][2] * taps[2] + matrix[p][3] * taps[3];
}

static inline bool stem_pack(const r18_conv *conv, unsigned first, const float *weights, const float *bias,
                             void *packed) {
  float *to = packed;
  memcpy(to, bias, sizeof(float) * STEM_CHANNELS);
  to += STEM_CHANNELS;
  for (unsigned o = 0; o < STEM_CHANNELS; o++)
    for (unsigned ky = 0; ky < STEM_TAPS; ky++)
      for (unsigned inner = 0; inner < STEM_INNER; inner++) {
        const unsigned phase = inner / 3, channel = inner % 3;
        const float *row = weights + ((o * 3 + channel) * STEM_TAPS + ky) * STEM_TAPS + phase;
        const float taps[4] = {row[0], row[2], row[4], phase == 0 ? row[6] : 0.0f};
        stem_transform_weights(taps, to + o / STEM_WIDE * STEM_BLOCK_FLOATS +
                                         (ky * STEM_INNER + inner) * STEM_INNER_STRIDE + o % STEM_WIDE);
      }
  return true;
}

static inline size_t stem_scratch_bytes(const r18_conv *conv) {
  return sizeof(stem_scratch);
}

static inline unsigned stem_units(const r18_conv *conv) {
  return STEM_POOLED;
}

/* One input row, from its halo on. The last load reaches two floats past the row, which is inside the tensor's memory:
 * there is another row, or at the end what fills its last cache line up. */
static inline void stem_transform_row(const float *in, float *to) {
  for (unsigned tile = 0; tile < STEM_TILES; tile++) {
    stem_inner d[STEM_POINTS];
    stem_inner_anywhere *v = (void *)(to + tile * STEM_POINTS * STEM_INNER_PAD);
#pragma GCC unroll 7
    for (unsigned s = 0; s < STEM_POINTS; s++)
      d[s] = *(const stem_inner_anywhere *)(in + (tile * STEM_TILE + s) * STEM_INNER);
    const stem_inner f0 = d[4] - 0.5f * d[3] - 4.0f * d[2] + 2.0f * d[1];
    const stem_inner f1 = d[5] - 0.5f * d[4] - 4.0f * d[3] + 2.0f * d[2];
    const stem_inner g0 = d[4] - 0.5f * d[3] - d[2] + 0.5f * d[1];
    const stem_inner g1 = d[5] - 0.5f * d[4] - d[3] + 0.5f * d[2];
    const stem_inner h0 = d[4] - 5.0f * d[2] + 4.0f * d[0];
    const stem_inner h1 = d[5] - 5.0f * d[3] + 4.0f * d[1];
    const stem_inner h2 = d[6] - 5.0f * d[4] + 4.0f * d[2];
    v[0] = h1 - 0.5f * h0;
    v[1] = f1 + f0;
    v[2] = f1 - f0;
    v[3] = h1;
    v[4] = g1 - 2.0f * g0;
    v[5] = g1 + 2.0f * g0;
    v[6] = h2 - 0.5f * h1;
  }
}

/* Output transform, bias and ReLU of one tile for LANES channels. */
__attribute__((always_inline)) static inline void stem_finish(const vec m[STEM_POINTS], vec bias, float *line) {
  const vec s1 = m[1] + m[2], d1 = m[1] - m[2], s2 = m[5] + m[4], d2 = m[5] - m[4];
  vec_store(line, vec_relu((m[0] + bias) + (s1 + s2) + m[3]));
  vec_store(line + STEM_WIDE, vec_relu((d1 + bias) + 0.5f * m[3] + 2.0f * d2));
  vec_store(line + 2 * STEM_WIDE, vec_relu((s1 + bias) + 0.25f * m[3] + 4.0f * s2));
  vec_store(line + 3 * STEM_WIDE, vec_relu((d1 + bias) + (m[6] + 0.125f * m[3]) + 8.0f * d2));
}

static inline const float *stem_ring_row(const stem_scratch *scratch, unsigned row, unsigned ky, unsigned tile) {
  return scratch->ring[(2 * row + ky) % STEM_RING] + tile * STEM_POINTS * STEM_INNER_PAD;
}

/* A group of tiles, from `tile` on, of output row `row`: all points at once. */
__attribute__((always_inline)) static inline void stem_group_fused(const stem_scratch *scratch, unsigned row,
                                                                   unsigned tile, const float *weights, vec bias,
                                                                   float *line) {
  vec sum[STEM_GROUP][STEM_POINTS];
#pragma GCC unroll 4
  for (unsigned t = 0; t < STEM_GROUP; t++)
#pragma GCC unroll 7
    for (unsigned p = 0; p < STEM_POINTS; p++)
      sum[t][p] = vec_all(0);
  for (unsigned ky = 0; ky < STEM_TAPS; ky++) {
    const float *v = stem_ring_row(scratch, row, ky, tile);
#pragma GCC unroll 1
    for (unsigned inner = 0; inner < STEM_INNER; inner++, weights += STEM_INNER_STRIDE, v++)
#pragma GCC unroll 7
      for (unsigned p = 0; p < STEM_POINTS; p++) {
        const vec w = vec_load(weights + p * STEM_POINT_STRIDE);
#pragma GCC unroll 4
        for (unsigned t = 0; t < STEM_GROUP; t++)
          sum[t][p] += w * v[(t * STEM_POINTS + p) * STEM_INNER_PAD];
      }
  }
#pragma GCC unroll 4
  for (unsigned t = 0; t < STEM_GROUP; t++)
    stem_finish(sum[t], bias, line + t * STEM_TILE * STEM_WIDE);
}

/* The products of one row of taps at one point; v: of the first tile. */
#if defined(__aarch64__)
/* Two vectors hold the inputs of a tile, each of which is a lane of the multiplication. */
__attribute__((always_inline)) static inline void stem_taps(const float *v, const float *weights,
                                                            vec sum[STEM_GROUP][2]) {
  vec w[STEM_INNER][2];
#pragma GCC unroll 6
  for (unsigned inner = 0; inner < STEM_INNER; inner++)
    for (unsigned n = 0; n < 2; n++)
      w[inner][n] = vec_load(weights + inner * STEM_INNER_STRIDE + n * LANES);
#pragma GCC unroll 4
  for (unsigned t = 0; t < STEM_GROUP; t++, v += STEM_POINTS * STEM_INNER_PAD) {
    const vec x[2] = {vec_load(v), vec_load(v + LANES)};
#pragma GCC unroll 6
    for (unsigned inner = 0; inner < STEM_INNER; inner++)
      for (unsigned n = 0; n < 2; n++)
        sum[t][n] += w[inner][n] * x[inner / LANES][inner % LANES];
  }
}
#else
__attribute__((always_inline)) static inline void stem_taps(const float *v, const float *weights,
                                                            vec sum[STEM_GROUP][2]) {
#pragma GCC unroll 1
  for (unsigned inner = 0; inner < STEM_INNER; inner++, weights += STEM_INNER_STRIDE, v++) {
    const vec w0 = vec_load(weights), w1 = vec_load(weights + LANES);
#pragma GCC unroll 4
    for (unsigned t = 0; t < STEM_GROUP; t++) {
      const vec x = vec_all(v[t * STEM_POINTS * STEM_INNER_PAD]);
      sum[t][0] += x * w0;
      sum[t][1] += x * w1;
    }
  }
}
#endif

/* The products at point p for a group of tiles. */
static inline void stem_multiply(stem_scratch *scratch, unsigned row, unsigned tile, unsigned p, const float *weights) {
  vec sum[STEM_GROUP][2];
#pragma GCC unroll 4
  for (unsigned t = 0; t < STEM_GROUP; t++)
    sum[t][0] = sum[t][1] = vec_all(0);
  for (unsigned ky = 0; ky < STEM_TAPS; ky++, weights += STEM_INNER * STEM_INNER_STRIDE)
    stem_taps(stem_ring_row(scratch, row, ky, tile) + p * STEM_INNER_PAD, weights, sum);
#pragma GCC unroll 4
  for (unsigned t = 0; t < STEM_GROUP; t++) {
    vec_store(scratch->product[t][p], sum[t][0]);
    vec_store(scratch->product[t][p] + LANES, sum[t][1]);
  }
}

/* A group of tiles, point after point. */
static inline void stem_group_split(stem_scratch *scratch, unsigned row, unsigned tile, const float *weights,
                                    const float *bias, float *line) {
  for (unsigned p = 0; p < STEM_POINTS; p++)
    stem_multiply(scratch, row, tile, p, weights + p * STEM_POINT_STRIDE);
  for (unsigned t = 0; t < STEM_GROUP; t++)
    for (unsigned lane = 0; lane < STEM_WIDE; lane += LANES) {
      vec m[STEM_POINTS];
#pragma GCC unroll 7
      for (unsigned p = 0; p < STEM_POINTS; p++)
        m[p] = vec_load(scratch->product[t][p] + lane);
      stem_finish(m, vec_load(bias + lane), line + t * STEM_TILE * STEM_WIDE + lane);
    }
}

/* One row of the convolution, pooled horizontally into `pooled`. */
static inline void stem_row(const r18_step *step, stem_scratch *scratch, unsigned row, float (*pooled)[STEM_CHANNELS]) {
  const float *bias = (const float *)(const void *)step->weights;
  for (unsigned channel = 0; channel < STEM_CHANNELS; channel += STEM_WIDE) {
    const float *weights = bias + STEM_CHANNELS + channel / STEM_WIDE * STEM_BLOCK_FLOATS;
    for (unsigned tile = 0; tile < STEM_TILES; tile += STEM_GROUP) {
      float *line = scratch->line[1 + tile * STEM_TILE];
      if (STEM_FUSED)
        stem_group_fused(scratch, row, tile, weights, vec_load(bias + channel), line);
      else
        stem_group_split(scratch, row, tile, weights, bias + channel, line);
    }
    for (unsigned x = 0; x < STEM_POOLED; x++)
      for (unsigned lane = 0; lane < STEM_WIDE; lane += LANES) {
        const float *at = scratch->line[2 * x] + lane;
        vec_store(pooled[x] + channel + lane,
                  vec_max(vec_max(vec_load(at), vec_load(at + STEM_WIDE)), vec_load(at + 2 * STEM_WIDE)));
      }
  }
}

/* Fills the ring with input rows [from, to), counted from the halo's first. */
static inline void stem_fill(const r18_step *step, const r18_run *run, unsigned image, unsigned from, unsigned to,
                             stem_scratch *scratch) {
  for (unsigned y = from; y < to; y++)
    stem_transform_row(r18_at_f32(run, &step->in, image, (int)y - 3, -3), scratch->ring[y % STEM_RING]);
}

static inline void stem_pool(const r18_step *step, const r18_run *run, unsigned image, unsigned y,
                             float (*const pooled[3])[STEM_CHANNELS]) {
  for (unsigned x = 0; x < STEM_POOLED; x++) {
    float *out = r18_at_f32(run, &step->out, image, (int)y, (int)x);
    for (unsigned c = 0; c < STEM_CHANNELS; c += LANES)
      vec_store(out + c,
                vec_max(vec_max(vec_load(pooled[0][x] + c), vec_load(pooled[1][x] + c)), vec_load(pooled[2][x] + c)));
  }
}

/* A unit is one pooled row; it needs output rows 2y - 1, which the unit before it leaves where it is in the same range,
 * 2y and 2y + 1. */
static inline void stem_run(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  stem_scratch *scratch = (stem_scratch *)(void *)run->scratch;
  float(*pooled[3])[STEM_CHANNELS] = {scratch->pooled[0], scratch->pooled[1], scratch->pooled[2]};
  memset(scratch->line[0], 0, sizeof scratch->line[0]);
  for (unsigned unit = begin; unit < end; unit++) {
    const unsigned image = unit / step->units, y = unit % step->units, row = 2 * y;
    if (y == 0) {
      memset(pooled[0], 0, sizeof scratch->pooled[0]);
      stem_fill(step, run, image, 0, STEM_TAPS, scratch);
    } else if (unit == begin) {
      stem_fill(step, run, image, 2 * (row - 1), 2 * (row - 1) + STEM_TAPS, scratch);
      stem_row(step, scratch, row - 1, pooled[0]);
      stem_fill(step, run, image, 2 * (row - 1) + STEM_TAPS, 2 * row + STEM_TAPS, scratch);
    } else {
      stem_fill(step, run, image, 2 * row + STEM_TAPS - 2, 2 * row + STEM_TAPS, scratch);
    }
    stem_row(step, scratch, row, pooled[1]);
    stem_fill(step, run, image, 2 * row + STEM_TAPS, 2 * row + 2 + STEM_TAPS, scratch);
    stem_row(step, scratch, row + 1, pooled[2]);
    stem_pool(step, run, image, y, pooled);
    float(*swap)[STEM_CHANNELS] = pooled[0];
    pooled[0] = pooled[2];
    pooled[2] = swap;
  }
}

#endif

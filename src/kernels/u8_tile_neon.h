/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Register tile of the u8 convolutions for 64-bit ARM: with the dot product where the file is compiled for it, with
 * plain NEON otherwise.
 *
 * There is no product of u8 and int8 before ARMv8.6, so activations are multiplied less 128, which is their highest bit
 * turned over; the sums start with 128 times the weights' sum to make up for it. */
#ifndef RESNET18_U8_TILE_NEON_H
#define RESNET18_U8_TILE_NEON_H

#include "u8_tile.h"
#include "u8_vector.h"

enum { BLOCK = 2 * LANES, TAKEN_OFF = 128 };
typedef int8_t tile_weight;

/* A pair of quads of one pixel, less 128. */
static inline int8x8_t pair_at(const uint8_t *p) {
  return vreinterpret_s8_u8(veor_u8(vld1_u8(p), vdup_n_u8(0x80)));
}

#if defined(__ARM_FEATURE_DOTPROD)

/* Where channel `k` of quad `quad` of output channel `lane` lies. */
static inline size_t weight_index(size_t quad, size_t lane, size_t k) {
  return (quad * BLOCK + lane) * 4 + k;
}

/* One pair of quads of one pixel into the sums of BLOCK channels. */
static inline void tile_step(int8x8_t x, const int8x16_t w[4], int32x4_t sum[2]) {
  sum[0] = vdotq_lane_s32(sum[0], w[0], x, 0);
  sum[1] = vdotq_lane_s32(sum[1], w[1], x, 0);
  sum[0] = vdotq_lane_s32(sum[0], w[2], x, 1);
  sum[1] = vdotq_lane_s32(sum[1], w[3], x, 1);
}

#else

/* [quad][first or last two channels][lane][two channels] */
static inline size_t weight_index(size_t quad, size_t lane, size_t k) {
  return ((quad * 2 + k / 2) * BLOCK + lane) * 2 + k % 2;
}

/* Two channels of a pixel with the weights of four lanes, twice: at most 2 * 128 * 127 in 16 bits, which hold 32767. */
static inline int16x8_t four_lanes(int8x8_t w0, int8x8_t x0, int8x8_t w1, int8x8_t x1) {
  return vmlal_s8(vmull_s8(w0, x0), w1, x1);
}

/* One quad, of which x0 and x1 repeat the first and the last two channels. */
static inline void quad_step(int8x8_t x0, int8x8_t x1, const int8x16_t w[2], int32x4_t sum[2]) {
  sum[0] = vpadalq_s16(sum[0], four_lanes(vget_low_s8(w[0]), x0, vget_low_s8(w[1]), x1));
  sum[1] = vpadalq_s16(sum[1], four_lanes(vget_high_s8(w[0]), x0, vget_high_s8(w[1]), x1));
}

static inline void tile_step(int8x8_t x, const int8x16_t w[4], int32x4_t sum[2]) {
  const int16x4_t two = vreinterpret_s16_s8(x);
  quad_step(vreinterpret_s8_s16(vdup_lane_s16(two, 0)), vreinterpret_s8_s16(vdup_lane_s16(two, 1)), w, sum);
  quad_step(vreinterpret_s8_s16(vdup_lane_s16(two, 2)), vreinterpret_s8_s16(vdup_lane_s16(two, 3)), w + 2, sum);
}

#endif

/* `count` is a constant wherever this is inlined. */
static inline __attribute__((always_inline)) void tile_pixels(const tile_source *t, const uint8_t *x,
                                                              const size_t count, const void *weights,
                                                              const int32_t *start, int32_t *out) {
  const int8_t *w = weights;
  int32x4_t sum[8][2];
#pragma GCC unroll 8
  for (size_t i = 0; i < count; i++)
    for (size_t v = 0; v < 2; v++)
      sum[i][v] = vld1q_s32(start + v * LANES);
  for (unsigned row = 0; row < t->rows; row++, x += t->row) {
    const uint8_t *pair = x;
    for (unsigned n = 0; n < t->pairs; n++, w += 4 * VECTOR_BYTES, pair += t->pair) {
      int8x16_t each[4];
      for (size_t v = 0; v < 4; v++)
        each[v] = vld1q_s8(w + v * VECTOR_BYTES);
#pragma GCC unroll 8
      for (size_t i = 0; i < count; i++)
        tile_step(pair_at(pair + i * t->step), each, sum[i]);
    }
  }
#pragma GCC unroll 8
  for (size_t i = 0; i < count; i++)
    for (size_t v = 0; v < 2; v++)
      vst1q_s32(out + i * BLOCK + v * LANES, sum[i][v]);
}

static inline void tile_7(const tile_source *t, const void *weights, const int32_t *start, int32_t *out) {
  tile_pixels(t, t->x[0], 7, weights, start, out);
}

static inline void tile_14(const tile_source *t, const void *weights, const int32_t *start, int32_t *out) {
  tile_pixels(t, t->x[0], 7, weights, start, out);
  tile_pixels(t, t->x[1], 7, weights, start, out + 7 * BLOCK);
}

static inline void tile_8(const tile_source *t, const void *weights, const int32_t *start, int32_t *out) {
  tile_pixels(t, t->x[0], 8, weights, start, out);
}

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Register tile of the u8 convolutions without VNNI, on the vectors of the set that was included before.
 *
 * Products in 16 bits: channels 0 and 2 of a quad of u8 are its low bytes as 16-bit numbers, channels 1 and 3 its high
 * bytes, and pmaddwd adds two products of 255 * 127 at most in 32 bits. pmaddubsw would need weights of 7 bits so as
 * not to saturate, and another pmaddwd for each of its results: no faster, and less exact. */
#ifndef RESNET18_U8_TILE_MADD_H
#define RESNET18_U8_TILE_MADD_H

#include <string.h>

#include "u8_tile.h"
#include "u8_vector.h"

enum { BLOCK = 2 * LANES, TAKEN_OFF = 0 };
typedef int16_t tile_weight;

/* Where channel `k` of quad `quad` of output channel `lane` lies: [quad][odd channels][lane][two channels]. */
static inline size_t weight_index(size_t quad, size_t lane, size_t k) {
  return ((quad * 2 + k % 2) * BLOCK + lane) * 2 + k / 2;
}

static inline int quad_at(const uint8_t *p) {
  int quad;
  memcpy(&quad, p, sizeof quad);
  return quad;
}

/* One quad of one pixel into the sums of BLOCK channels. */
static inline void tile_step(const uint8_t *x, const vector_i w[4], vector_i sum[2]) {
  vector_i quad = spread32(quad_at(x)), even = low_bytes(quad), odd = high_bytes(quad);
  sum[0] = add32(sum[0], multiply_pairs(even, w[0]));
  sum[1] = add32(sum[1], multiply_pairs(even, w[1]));
  sum[0] = add32(sum[0], multiply_pairs(odd, w[2]));
  sum[1] = add32(sum[1], multiply_pairs(odd, w[3]));
}

/* `count` is a constant wherever this is inlined. */
static inline __attribute__((always_inline)) void tile_pixels(const tile_source *t, const uint8_t *x,
                                                              const size_t count, const void *weights,
                                                              const int32_t *start, int32_t *out) {
  const char *w = weights;
  vector_i sum[8][2];
  for (size_t i = 0; i < count; i++)
    for (size_t v = 0; v < 2; v++)
      sum[i][v] = load_bytes((const uint8_t *)(start + v * LANES));
  for (unsigned row = 0; row < t->rows; row++, x += t->row) {
    const uint8_t *quad = x;
    for (unsigned n = 0; n < 2 * t->pairs; n++, w += 4 * VECTOR_BYTES) {
      vector_i each[4];
      for (size_t v = 0; v < 4; v++)
        each[v] = load_bytes((const uint8_t *)w + v * VECTOR_BYTES);
      for (size_t i = 0; i < count; i++)
        tile_step(quad + i * t->step, each, sum[i]);
      quad += n % 2 ? t->pair - 4 : 4;
    }
  }
  for (size_t i = 0; i < count; i++)
    for (size_t v = 0; v < 2; v++)
      store_bytes((uint8_t *)(out + i * BLOCK + v * LANES), sum[i][v]);
}

/* As many pixels at a time as the registers hold. */
static inline void tile_7(const tile_source *t, const void *weights, const int32_t *start, int32_t *out) {
  if (LANES == 16) {
    tile_pixels(t, t->x[0], 7, weights, start, out);
  } else {
    tile_pixels(t, t->x[0], 4, weights, start, out);
    tile_pixels(t, t->x[0] + 4 * t->step, 3, weights, start, out + 4 * BLOCK);
  }
}

static inline void tile_14(const tile_source *t, const void *weights, const int32_t *start, int32_t *out) {
  tile_source second = *t;
  second.x[0] = t->x[1];
  tile_7(t, weights, start, out);
  tile_7(&second, weights, start, out + 7 * BLOCK);
}

static inline void tile_8(const tile_source *t, const void *weights, const int32_t *start, int32_t *out) {
  if (LANES == 16) {
    tile_pixels(t, t->x[0], 8, weights, start, out);
  } else {
    tile_pixels(t, t->x[0], 4, weights, start, out);
    tile_pixels(t, t->x[0] + 4 * t->step, 4, weights, start, out + 4 * BLOCK);
  }
}

#endif

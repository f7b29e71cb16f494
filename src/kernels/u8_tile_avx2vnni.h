/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Register tile of the u8 convolutions with AVX-VNNI, the 256-bit form. */
#ifndef RESNET18_U8_TILE_AVX2VNNI_H
#define RESNET18_U8_TILE_AVX2VNNI_H

#include <string.h>

#include "u8_tile.h"
#include "u8_vector.h"

enum { BLOCK = 2 * LANES, TAKEN_OFF = 0 };
typedef int8_t tile_weight;

/* Where channel `k` of quad `quad` of output channel `lane` lies. */
static inline size_t weight_index(size_t quad, size_t lane, size_t k) {
  return (quad * BLOCK + lane) * 4 + k;
}

static inline int quad_at(const uint8_t *p) {
  int quad;
  memcpy(&quad, p, sizeof quad);
  return quad;
}

/* `count` is a constant wherever this is inlined. */
static inline __attribute__((always_inline)) void tile_pixels(const tile_source *t, const uint8_t *x,
                                                              const size_t count, const void *weights,
                                                              const int32_t *start, int32_t *out) {
  const char *w = weights;
  vector_i sum[4][2];
  for (size_t i = 0; i < count; i++)
    for (size_t v = 0; v < 2; v++)
      sum[i][v] = load_bytes((const uint8_t *)(start + v * LANES));
  for (unsigned row = 0; row < t->rows; row++, x += t->row) {
    const uint8_t *quad = x;
    for (unsigned n = 0; n < 2 * t->pairs; n++, w += 2 * VECTOR_BYTES) {
      vector_i each[2] = {load_bytes((const uint8_t *)w), load_bytes((const uint8_t *)w + VECTOR_BYTES)};
      for (size_t i = 0; i < count; i++) {
        vector_i pixel = _mm256_set1_epi32(quad_at(quad + i * t->step));
        sum[i][0] = _mm256_dpbusd_avx_epi32(sum[i][0], pixel, each[0]);
        sum[i][1] = _mm256_dpbusd_avx_epi32(sum[i][1], pixel, each[1]);
      }
      quad += n % 2 ? t->pair - 4 : 4;
    }
  }
  for (size_t i = 0; i < count; i++)
    for (size_t v = 0; v < 2; v++)
      store_bytes((uint8_t *)(out + i * BLOCK + v * LANES), sum[i][v]);
}

static inline void tile_7(const tile_source *t, const void *weights, const int32_t *start, int32_t *out) {
  tile_pixels(t, t->x[0], 4, weights, start, out);
  tile_pixels(t, t->x[0] + 4 * t->step, 3, weights, start, out + 4 * BLOCK);
}

static inline void tile_14(const tile_source *t, const void *weights, const int32_t *start, int32_t *out) {
  tile_source second = *t;
  second.x[0] = t->x[1];
  tile_7(t, weights, start, out);
  tile_7(&second, weights, start, out + 7 * BLOCK);
}

static inline void tile_8(const tile_source *t, const void *weights, const int32_t *start, int32_t *out) {
  tile_pixels(t, t->x[0], 4, weights, start, out);
  tile_pixels(t, t->x[0] + 4 * t->step, 4, weights, start, out + 4 * BLOCK);
}

#endif

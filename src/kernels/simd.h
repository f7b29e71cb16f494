/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The float vector of the instruction set that this file is compiled for, for kernels that are written once and
 * compiled for each set. */
#ifndef RESNET18_SIMD_H
#define RESNET18_SIMD_H

#include "../cpu.h"

#include <stddef.h>

#if defined(__AVX512F__) && defined(__AVX512VL__)
#include <immintrin.h>
#define SIMD_SET R18_CPU_AVX512
enum { LANES = 16, MAX_ROWS_1 = 28, MAX_ROWS_2 = 14 };
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define SIMD_SET R18_CPU_AVX2
enum { LANES = 8, MAX_ROWS_1 = 12, MAX_ROWS_2 = 6 };
#elif defined(__aarch64__)
#include <arm_neon.h>
#define SIMD_SET R18_CPU_NEON
enum { LANES = 4, MAX_ROWS_1 = 12, MAX_ROWS_2 = 8 };
#else
#define SIMD_SET R18_CPU_C
enum { LANES = 4, MAX_ROWS_1 = 12, MAX_ROWS_2 = 6 };
#endif

/* LANES floats. Loads and stores need no alignment, but are faster on whole cache lines. */
typedef float vec __attribute__((vector_size(4 * LANES)));
typedef float vec_anywhere __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

static inline vec vec_load(const float *from) {
  return *(const vec_anywhere *)from;
}

static inline void vec_store(float *to, vec value) {
  *(vec_anywhere *)to = value;
}

static inline vec vec_all(float value) {
  return value - (vec){0};
}

static inline vec vec_max(vec a, vec b) {
#if defined(__AVX512F__)
  return (vec)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (vec)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__aarch64__)
  return (vec)vmaxq_f32((float32x4_t)a, (float32x4_t)b);
#else
  typedef int mask __attribute__((vector_size(4 * LANES)));
  const mask first = (mask)(a > b);
  return (vec)((first & (mask)a) | (~first & (mask)b));
#endif
}

/* NaN stays NaN. */
static inline vec vec_relu(vec value) {
  return vec_max(vec_all(0), value);
}

#endif

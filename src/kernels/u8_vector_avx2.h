/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The vectors that u8_blocked.h is written in: AVX2 and FMA. */
#ifndef RESNET18_U8_VECTOR_AVX2_H
#define RESNET18_U8_VECTOR_AVX2_H

#include <immintrin.h>
#include <stdint.h>

typedef __m256i vector_i;
typedef __m256 vector_f;

enum { LANES = 8, WIDE = 16, VECTOR_BYTES = 32 };

/* WIDE bytes, each in 16 bits. */
static inline vector_i load_wide(const uint8_t *p) {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)p));
}

static inline vector_i add16(vector_i a, vector_i b) {
  return _mm256_add_epi16(a, b);
}

static inline vector_i sub16(vector_i a, vector_i b) {
  return _mm256_sub_epi16(a, b);
}

/* (a * factor + 2^14) >> 15 */
static inline vector_i scale16(vector_i a, const int16_t *factor) {
  return _mm256_mulhrs_epi16(a, _mm256_load_si256((const __m256i *)(const void *)factor));
}

/* Cut to int8, plus 128; eight of a, eight of b in turn. */
static inline vector_i pack_biased(vector_i a, vector_i b) {
  return _mm256_xor_si256(_mm256_packs_epi16(a, b), _mm256_set1_epi8((char)0x80));
}

static inline vector_i load_bytes(const uint8_t *p) {
  return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

static inline void store_bytes(uint8_t *p, vector_i a) {
  _mm256_storeu_si256((__m256i *)(void *)p, a);
}

static inline vector_i max_bytes(vector_i a, vector_i b) {
  return _mm256_max_epu8(a, b);
}

static inline vector_i add32(vector_i a, vector_i b) {
  return _mm256_add_epi32(a, b);
}

static inline vector_i spread16(short a) {
  return _mm256_set1_epi16(a);
}

static inline vector_i spread32(int a) {
  return _mm256_set1_epi32(a);
}

/* The low and the high byte of each 16 bits. */
static inline vector_i low_bytes(vector_i a) {
  return _mm256_and_si256(a, _mm256_set1_epi16(255));
}

static inline vector_i high_bytes(vector_i a) {
  return _mm256_srli_epi16(a, 8);
}

/* Products of 16-bit numbers, summed in pairs. */
static inline vector_i multiply_pairs(vector_i a, vector_i b) {
  return _mm256_madd_epi16(a, b);
}

static inline vector_f load_floats(const float *p) {
  return _mm256_loadu_ps(p);
}

static inline vector_f load_sums(const int32_t *p) {
  return _mm256_cvtepi32_ps(_mm256_load_si256((const __m256i *)(const void *)p));
}

static inline vector_f load_u8(const uint8_t *p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)));
}

/* Cut to 0..255 and rounded, LANES bytes. */
static inline void store_u8(uint8_t *p, vector_f y) {
  vector_f cut = _mm256_min_ps(_mm256_max_ps(y, _mm256_setzero_ps()), _mm256_set1_ps(255.0f));
  __m256i whole = _mm256_cvtps_epi32(cut);
  __m128i half = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
  _mm_storel_epi64((__m128i *)(void *)p, _mm_packus_epi16(half, half));
}

static inline vector_f spread(float a) {
  return _mm256_set1_ps(a);
}

static inline vector_f add(vector_f a, vector_f b) {
  return _mm256_add_ps(a, b);
}

static inline vector_f sub(vector_f a, vector_f b) {
  return _mm256_sub_ps(a, b);
}

static inline vector_f fma_add(vector_f a, vector_f b, vector_f c) {
  return _mm256_fmadd_ps(a, b, c);
}

/* c - a * b */
static inline vector_f fma_sub(vector_f a, vector_f b, vector_f c) {
  return _mm256_fnmadd_ps(a, b, c);
}

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The vectors that u8_blocked.h is written in: AVX-512. */
#ifndef RESNET18_U8_VECTOR_AVX512_H
#define RESNET18_U8_VECTOR_AVX512_H

#include <immintrin.h>
#include <stdint.h>

typedef __m512i vector_i;
typedef __m512 vector_f;

enum { LANES = 16, WIDE = 32, VECTOR_BYTES = 64 };

/* WIDE bytes, each in 16 bits. */
static inline vector_i load_wide(const uint8_t *p) {
  return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

static inline vector_i add16(vector_i a, vector_i b) {
  return _mm512_add_epi16(a, b);
}

static inline vector_i sub16(vector_i a, vector_i b) {
  return _mm512_sub_epi16(a, b);
}

/* (a * factor + 2^14) >> 15 */
static inline vector_i scale16(vector_i a, const int16_t *factor) {
  return _mm512_mulhrs_epi16(a, _mm512_load_si512(factor));
}

/* Cut to int8, plus 128; eight of a, eight of b in turn. */
static inline vector_i pack_biased(vector_i a, vector_i b) {
  return _mm512_xor_si512(_mm512_packs_epi16(a, b), _mm512_set1_epi8((char)0x80));
}

static inline vector_i load_bytes(const uint8_t *p) {
  return _mm512_loadu_si512(p);
}

static inline void store_bytes(uint8_t *p, vector_i a) {
  _mm512_storeu_si512(p, a);
}

static inline vector_i max_bytes(vector_i a, vector_i b) {
  return _mm512_max_epu8(a, b);
}

static inline vector_i add32(vector_i a, vector_i b) {
  return _mm512_add_epi32(a, b);
}

static inline vector_i spread16(short a) {
  return _mm512_set1_epi16(a);
}

static inline vector_i spread32(int a) {
  return _mm512_set1_epi32(a);
}

/* The low and the high byte of each 16 bits. */
static inline vector_i low_bytes(vector_i a) {
  return _mm512_and_si512(a, _mm512_set1_epi16(255));
}

static inline vector_i high_bytes(vector_i a) {
  return _mm512_srli_epi16(a, 8);
}

/* Products of 16-bit numbers, summed in pairs. */
static inline vector_i multiply_pairs(vector_i a, vector_i b) {
  return _mm512_madd_epi16(a, b);
}

static inline vector_f load_floats(const float *p) {
  return _mm512_loadu_ps(p);
}

static inline vector_f load_sums(const int32_t *p) {
  return _mm512_cvtepi32_ps(_mm512_load_si512(p));
}

static inline vector_f load_u8(const uint8_t *p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
}

/* Cut to 0..255 and rounded, LANES bytes. */
static inline void store_u8(uint8_t *p, vector_f y) {
  vector_f cut = _mm512_min_ps(_mm512_max_ps(y, _mm512_setzero_ps()), _mm512_set1_ps(255.0f));
  _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(cut)));
}

static inline vector_f spread(float a) {
  return _mm512_set1_ps(a);
}

static inline vector_f add(vector_f a, vector_f b) {
  return _mm512_add_ps(a, b);
}

static inline vector_f sub(vector_f a, vector_f b) {
  return _mm512_sub_ps(a, b);
}

static inline vector_f fma_add(vector_f a, vector_f b, vector_f c) {
  return _mm512_fmadd_ps(a, b, c);
}

/* c - a * b */
static inline vector_f fma_sub(vector_f a, vector_f b, vector_f c) {
  return _mm512_fnmadd_ps(a, b, c);
}

#endif

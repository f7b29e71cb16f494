/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preprocessing with AVX-512: F, BW, VL. A column of R18_RESIZE_ROWS numbers is one register. */
#include "resize_x86.h"

#ifndef __AVX512BW__
#error "compile this file with the flags of AVX-512"
#endif

#include <immintrin.h>

enum { ROWS = R18_RESIZE_ROWS };

/* Puts the 64 sums that unpacking left in lanes back in order. */
static inline void store_in_order(uint16_t *out, __m512i low, __m512i high) {
  const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11),
                second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  _mm512_storeu_si512(out, _mm512_permutex2var_epi64(low, first, high));
  _mm512_storeu_si512(out + 32, _mm512_permutex2var_epi64(low, second, high));
}

/* A byte times 256, times the weight. */
static inline __m512i add_product(__m512i sum, __m512i number, __m512i weight) {
  return _mm512_add_epi16(sum, _mm512_mulhi_epu16(number, weight));
}

static inline __m512i low_numbers(__m512i bytes) {
  return _mm512_unpacklo_epi8(_mm512_setzero_si512(), bytes);
}

static inline __m512i high_numbers(__m512i bytes) {
  return _mm512_unpackhi_epi8(_mm512_setzero_si512(), bytes);
}

static inline void add_128(uint16_t *out, const uint8_t *in, ptrdiff_t stride, const r18_doubled_weights *weights) {
  __m512i sum[4];
  for (int i = 0; i < 4; i++)
    sum[i] = _mm512_set1_epi16((short)r18_resize_bias(weights->taps));
  for (uint32_t k = 0; k < weights->taps; k++, in += stride) {
    __m512i weight = _mm512_set1_epi32((int)weights->weight[k]);
    __m512i a = _mm512_loadu_si512(in), b = _mm512_loadu_si512(in + 64);
    sum[0] = add_product(sum[0], low_numbers(a), weight);
    sum[1] = add_product(sum[1], high_numbers(a), weight);
    sum[2] = add_product(sum[2], low_numbers(b), weight);
    sum[3] = add_product(sum[3], high_numbers(b), weight);
  }
  for (uint32_t k = 0; k < weights->ahead; k++, in += stride) {
    _mm_prefetch((const char *)in, _MM_HINT_T0);
    _mm_prefetch((const char *)in + 64, _MM_HINT_T0);
  }
  store_in_order(out, sum[0], sum[1]);
  store_in_order(out + 64, sum[2], sum[3]);
}

/* The bytes that the mask names; the others are not touched. */
static inline void add_some(uint16_t *out, const uint8_t *in, ptrdiff_t stride, const r18_doubled_weights *weights,
                            __mmask64 mask) {
  __m512i low = _mm512_set1_epi16((short)r18_resize_bias(weights->taps)), high = low;
  for (uint32_t k = 0; k < weights->taps; k++, in += stride) {
    __m512i weight = _mm512_set1_epi32((int)weights->weight[k]);
    __m512i bytes = _mm512_maskz_loadu_epi8(mask, in);
    low = add_product(low, low_numbers(bytes), weight);
    high = add_product(high, high_numbers(bytes), weight);
  }
  for (uint32_t k = 0; k < weights->ahead; k++, in += stride)
    _mm_prefetch((const char *)in, _MM_HINT_T0);
  store_in_order(out, low, high);
}

static void rows(uint16_t *out, const uint8_t *in, ptrdiff_t stride, const r18_filter *filter, uint32_t index,
                 size_t bytes) {
  r18_doubled_weights weights;
  r18_double_weights(&weights, filter, index);
  size_t x = 0;
  for (; x + 128 <= bytes; x += 128)
    add_128(out + x, in + x, stride, &weights);
  for (; x < bytes; x += 64)
    add_some(out + x, in + x, stride, &weights, bytes - x < 64 ? (1ull << (bytes - x)) - 1 : ~0ull);
}

static void columns(uint16_t *out, const uint16_t *in, const r18_resize_channel *channel) {
  const r18_filter *filter = channel->filter;
  for (uint32_t i = channel->from; i < channel->to; i++, out += ROWS) {
    const uint16_t *column = r18_first_column(in, channel, i);
    const uint16_t *weight = filter->weight + (size_t)i * filter->max_taps;
    __m512i sum = _mm512_set1_epi16((short)r18_resize_bias(filter->taps[i]));
    for (uint32_t k = 0; k < filter->taps[i]; k++, column += channel->step * ROWS)
      sum = add_product(sum, _mm512_loadu_si512(column), _mm512_set1_epi16((short)weight[k]));
    _mm512_storeu_si512(out, sum);
  }
}

static void round_channels(uint8_t *out, const uint16_t *const *channel, size_t columns_) {
  for (size_t x = 0; x < columns_; x++)
    for (size_t c = 0; c < 3; c++, out += ROWS) {
      __m512i number = _mm512_add_epi16(_mm512_loadu_si512(channel[c] + x * ROWS), _mm512_set1_epi16(128));
      _mm256_storeu_si256((__m256i *)(void *)out, _mm512_cvtepi16_epi8(_mm512_srli_epi16(number, 8)));
    }
}

/* 16 sums of the products of two pairs of numbers, shifted down. */
static inline __m512i convert(__m512i yu, __m512i v, const r18_paired_color *color, int c) {
  __m512i sum = _mm512_add_epi32(_mm512_madd_epi16(yu, _mm512_set1_epi32(color->yu[c])),
                                 _mm512_madd_epi16(v, _mm512_set1_epi32(color->v[c])));
  return _mm512_srai_epi32(_mm512_add_epi32(sum, _mm512_set1_epi32(color->offset[c])), R18_COLOR_SHIFT);
}

static void color_channels(uint8_t *out, const uint16_t *const *channel, const r18_color *color, size_t columns_) {
  const __m512i middle = _mm512_set1_epi16(INT16_MIN), zero = _mm512_setzero_si512();
  const r18_paired_color paired = r18_pair_color(color);
  for (size_t at = 0; at < columns_ * ROWS; at += ROWS) {
    __m512i y = _mm512_xor_si512(_mm512_loadu_si512(channel[0] + at), middle);
    __m512i u = _mm512_xor_si512(_mm512_loadu_si512(channel[1] + at), middle);
    __m512i v = _mm512_xor_si512(_mm512_loadu_si512(channel[2] + at), middle);
    __m512i yu_low = _mm512_unpacklo_epi16(y, u), yu_high = _mm512_unpackhi_epi16(y, u);
    __m512i v_low = _mm512_unpacklo_epi16(v, zero), v_high = _mm512_unpackhi_epi16(v, zero);
    for (int c = 0; c < 3; c++, out += ROWS) {
      __m512i words = _mm512_packs_epi32(convert(yu_low, v_low, &paired, c), convert(yu_high, v_high, &paired, c));
      _mm256_storeu_si256((__m256i *)(void *)out, _mm512_cvtusepi16_epi8(_mm512_max_epi16(words, zero)));
    }
  }
}

/* 16 bytes each of rows 0, 8, 16 and 24 of a block. */
static inline __m512i load_rows(const uint16_t *in, size_t pitch) {
  __m512i rows_ = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(const void *)in));
  rows_ = _mm512_inserti32x4(rows_, _mm_loadu_si128((const __m128i *)(const void *)(in + 8 * pitch)), 1);
  rows_ = _mm512_inserti32x4(rows_, _mm_loadu_si128((const __m128i *)(const void *)(in + 16 * pitch)), 2);
  return _mm512_inserti32x4(rows_, _mm_loadu_si128((const __m128i *)(const void *)(in + 24 * pitch)), 3);
}

/* Four transpositions of 8x8 numbers side by side. */
static void turn(uint16_t *out, const uint16_t *in, size_t pitch, size_t columns_) {
  for (size_t x = 0; x < columns_; x += 8, in += 8, out += 8 * ROWS) {
    __m512i a[8], b[8];
    for (int r = 0; r < 8; r++)
      a[r] = load_rows(in + (size_t)r * pitch, pitch);
    for (int i = 0; i < 4; i++) {
      b[2 * i] = _mm512_unpacklo_epi16(a[2 * i], a[2 * i + 1]);
      b[2 * i + 1] = _mm512_unpackhi_epi16(a[2 * i], a[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++)
      for (int half = 0; half < 2; half++) {
        a[4 * i + 2 * half] = _mm512_unpacklo_epi32(b[4 * i + half], b[4 * i + 2 + half]);
        a[4 * i + 2 * half + 1] = _mm512_unpackhi_epi32(b[4 * i + half], b[4 * i + 2 + half]);
      }
    for (int i = 0; i < 4; i++) {
      _mm512_storeu_si512(out + (2 * i) * ROWS, _mm512_unpacklo_epi64(a[i], a[4 + i]));
      _mm512_storeu_si512(out + (2 * i + 1) * ROWS, _mm512_unpackhi_epi64(a[i], a[4 + i]));
    }
  }
}

const r18_resize_kernels r18_resize_avx512 = {R18_CPU_AVX512,    rows, turn, columns, round_channels, color_channels,
                                              r18_turn_back_avx2};

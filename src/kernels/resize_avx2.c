/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preprocessing with AVX2. A column of R18_RESIZE_ROWS numbers is two registers. */
#include "resize_x86.h"

#ifndef __AVX2__
#error "compile this file with the flags of AVX2"
#endif

#include <immintrin.h>
#include <string.h>

enum { ROWS = R18_RESIZE_ROWS };

static inline __m256i load(const void *from) {
  return _mm256_loadu_si256((const __m256i *)from);
}

static inline void store(void *to, __m256i value) {
  _mm256_storeu_si256((__m256i *)to, value);
}

/* Puts the 32 sums that unpacking left in lanes back in order. */
static inline void store_in_order(uint16_t *out, __m256i low, __m256i high) {
  store(out, _mm256_permute2x128_si256(low, high, 0x20));
  store(out + 16, _mm256_permute2x128_si256(low, high, 0x31));
}

static inline __m256i add_product(__m256i sum, __m256i number, __m256i weight) {
  return _mm256_add_epi16(sum, _mm256_mulhi_epu16(number, weight));
}

/* Bytes times 256. */
static inline __m256i low_numbers(__m256i bytes) {
  return _mm256_unpacklo_epi8(_mm256_setzero_si256(), bytes);
}

static inline __m256i high_numbers(__m256i bytes) {
  return _mm256_unpackhi_epi8(_mm256_setzero_si256(), bytes);
}

static inline void add_64(uint16_t *out, const uint8_t *in, ptrdiff_t stride, const r18_doubled_weights *weights) {
  __m256i sum[4];
  for (int i = 0; i < 4; i++)
    sum[i] = _mm256_set1_epi16((short)r18_resize_bias(weights->taps));
  for (uint32_t k = 0; k < weights->taps; k++, in += stride) {
    __m256i weight = _mm256_set1_epi32((int)weights->weight[k]);
    __m256i a = load(in), b = load(in + 32);
    sum[0] = add_product(sum[0], low_numbers(a), weight);
    sum[1] = add_product(sum[1], high_numbers(a), weight);
    sum[2] = add_product(sum[2], low_numbers(b), weight);
    sum[3] = add_product(sum[3], high_numbers(b), weight);
  }
  for (uint32_t k = 0; k < weights->ahead; k++, in += stride)
    _mm_prefetch((const char *)in, _MM_HINT_T0);
  store_in_order(out, sum[0], sum[1]);
  store_in_order(out + 32, sum[2], sum[3]);
}

static inline void add_32(uint16_t *out, const uint8_t *in, ptrdiff_t stride, const r18_doubled_weights *weights) {
  __m256i low = _mm256_set1_epi16((short)r18_resize_bias(weights->taps)), high = low;
  for (uint32_t k = 0; k < weights->taps; k++, in += stride) {
    __m256i weight = _mm256_set1_epi32((int)weights->weight[k]), bytes = load(in);
    low = add_product(low, low_numbers(bytes), weight);
    high = add_product(high, high_numbers(bytes), weight);
  }
  store_in_order(out, low, high);
}

/* Fewer than 32 bytes in all. */
static void add_few(uint16_t *out, const uint8_t *in, ptrdiff_t stride, const r18_doubled_weights *weights,
                    size_t bytes) {
  for (size_t x = 0; x < bytes; x++) {
    const uint8_t *byte = in + x;
    uint32_t sum = r18_resize_bias(weights->taps);
    for (uint32_t k = 0; k < weights->taps; k++, byte += stride)
      sum += *byte * (weights->weight[k] & 0xffff) >> 8;
    out[x] = (uint16_t)sum;
  }
}

static void rows(uint16_t *out, const uint8_t *in, ptrdiff_t stride, const r18_filter *filter, uint32_t index,
                 size_t bytes) {
  r18_doubled_weights weights;
  r18_double_weights(&weights, filter, index);
  if (bytes < 32) {
    add_few(out, in, stride, &weights, bytes);
    return;
  }
  size_t x = 0;
  for (; x + 64 <= bytes; x += 64)
    add_64(out + x, in + x, stride, &weights);
  if (x + 32 <= bytes) {
    add_32(out + x, in + x, stride, &weights);
    x += 32;
  }
  /* The last 32 bytes; some of them for the second time. */
  if (x < bytes)
    add_32(out + bytes - 32, in + bytes - 32, stride, &weights);
}

static void columns(uint16_t *out, const uint16_t *in, const r18_resize_channel *channel) {
  const r18_filter *filter = channel->filter;
  for (uint32_t i = channel->from; i < channel->to; i++, out += ROWS) {
    const uint16_t *column = r18_first_column(in, channel, i);
    const uint16_t *weight = filter->weight + (size_t)i * filter->max_taps;
    __m256i sum = _mm256_set1_epi16((short)r18_resize_bias(filter->taps[i])), sum2 = sum;
    for (uint32_t k = 0; k < filter->taps[i]; k++, column += channel->step * ROWS) {
      __m256i w = _mm256_set1_epi16((short)weight[k]);
      sum = add_product(sum, load(column), w);
      sum2 = add_product(sum2, load(column + 16), w);
    }
    store(out, sum);
    store(out + 16, sum2);
  }
}

/* 32 numbers of 0..255 in words, in order -> bytes. */
static inline void store_bytes(uint8_t *out, __m256i first, __m256i second) {
  store(out, _mm256_permute4x64_epi64(_mm256_packus_epi16(first, second), 0xd8));
}

static void round_channels(uint8_t *out, const uint16_t *const *channel, size_t columns_) {
  const __m256i half = _mm256_set1_epi16(128);
  for (size_t x = 0; x < columns_; x++)
    for (size_t c = 0; c < 3; c++, out += ROWS) {
      __m256i first = _mm256_add_epi16(load(channel[c] + x * ROWS), half);
      __m256i second = _mm256_add_epi16(load(channel[c] + x * ROWS + 16), half);
      store_bytes(out, _mm256_srli_epi16(first, 8), _mm256_srli_epi16(second, 8));
    }
}

/* 8 sums of the products of two pairs of numbers, shifted down. */
static inline __m256i convert(__m256i yu, __m256i v, const r18_paired_color *color, int c) {
  __m256i sum = _mm256_add_epi32(_mm256_madd_epi16(yu, _mm256_set1_epi32(color->yu[c])),
                                 _mm256_madd_epi16(v, _mm256_set1_epi32(color->v[c])));
  return _mm256_srai_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(color->offset[c])), R18_COLOR_SHIFT);
}

static void color_channels(uint8_t *out, const uint16_t *const *channel, const r18_color *color, size_t columns_) {
  const __m256i middle = _mm256_set1_epi16(INT16_MIN), zero = _mm256_setzero_si256();
  const r18_paired_color paired = r18_pair_color(color);
  for (size_t at = 0; at < columns_ * ROWS; at += ROWS, out += 3 * ROWS) {
    __m256i words[3][2];
    for (size_t half = 0; half < 2; half++) {
      __m256i y = _mm256_xor_si256(load(channel[0] + at + 16 * half), middle);
      __m256i u = _mm256_xor_si256(load(channel[1] + at + 16 * half), middle);
      __m256i v = _mm256_xor_si256(load(channel[2] + at + 16 * half), middle);
      __m256i yu_low = _mm256_unpacklo_epi16(y, u), yu_high = _mm256_unpackhi_epi16(y, u);
      __m256i v_low = _mm256_unpacklo_epi16(v, zero), v_high = _mm256_unpackhi_epi16(v, zero);
      for (int c = 0; c < 3; c++)
        words[c][half] = _mm256_packs_epi32(convert(yu_low, v_low, &paired, c), convert(yu_high, v_high, &paired, c));
    }
    for (int c = 0; c < 3; c++)
      store_bytes(out + c * ROWS, words[c][0], words[c][1]);
  }
}

/* 8 numbers each of a row and of the row eight below it. */
static inline __m256i load_rows(const uint16_t *in, size_t pitch) {
  __m128i lower = _mm_loadu_si128((const __m128i *)(const void *)(in + 8 * pitch));
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)in)), lower, 1);
}

/* Two transpositions of 8x8 numbers side by side: 16 rows. */
static inline void turn_16(uint16_t *out, const uint16_t *in, size_t pitch) {
  __m256i a[8], b[8];
  for (int r = 0; r < 8; r++)
    a[r] = load_rows(in + (size_t)r * pitch, pitch);
  for (int i = 0; i < 4; i++) {
    b[2 * i] = _mm256_unpacklo_epi16(a[2 * i], a[2 * i + 1]);
    b[2 * i + 1] = _mm256_unpackhi_epi16(a[2 * i], a[2 * i + 1]);
  }
  for (int i = 0; i < 2; i++)
    for (int half = 0; half < 2; half++) {
      a[4 * i + 2 * half] = _mm256_unpacklo_epi32(b[4 * i + half], b[4 * i + 2 + half]);
      a[4 * i + 2 * half + 1] = _mm256_unpackhi_epi32(b[4 * i + half], b[4 * i + 2 + half]);
    }
  for (int i = 0; i < 4; i++) {
    store(out + (2 * i) * ROWS, _mm256_unpacklo_epi64(a[i], a[4 + i]));
    store(out + (2 * i + 1) * ROWS, _mm256_unpackhi_epi64(a[i], a[4 + i]));
  }
}

static void turn(uint16_t *out, const uint16_t *in, size_t pitch, size_t columns_) {
  for (size_t x = 0; x < columns_; x += 8) {
    turn_16(out + x * ROWS, in + x, pitch);
    turn_16(out + x * ROWS + 16, in + x + 16 * pitch, pitch);
  }
}

/* One step of a transposition of 16x16 bytes in each half of the registers; four of them make it whole. */
static inline void zip(__m256i *to, const __m256i *from) {
  for (int i = 0; i < 8; i++) {
    to[2 * i] = _mm256_unpacklo_epi8(from[i], from[i + 8]);
    to[2 * i + 1] = _mm256_unpackhi_epi8(from[i], from[i + 8]);
  }
}

/* 16 bytes of up to 32 rows, all of which are there in `in`; the first `bytes` of each are wanted. */
static inline void turn_back_16(uint8_t *rgb, size_t pitch, const uint8_t *in, size_t rows_, size_t bytes) {
  __m256i a[16], b[16];
  for (int i = 0; i < 16; i++)
    a[i] = load(in + i * ROWS);
  zip(b, a);
  zip(a, b);
  zip(b, a);
  zip(a, b);
  for (size_t r = 0; r < rows_; r++) {
    __m128i row = r < 16 ? _mm256_castsi256_si128(a[r]) : _mm256_extracti128_si256(a[r - 16], 1);
    if (bytes == 16)
      _mm_storeu_si128((__m128i *)(void *)(rgb + r * pitch), row);
    else
      memcpy(rgb + r * pitch, &row, bytes);
  }
}

void r18_turn_back_avx2(uint8_t *rgb, size_t pitch, const uint8_t *in, size_t rows_, size_t bytes) {
  size_t x = 0;
  for (; x + 16 <= bytes; x += 16)
    turn_back_16(rgb + x, pitch, in + x * ROWS, rows_, 16);
  if (x < bytes)
    turn_back_16(rgb + x, pitch, in + x * ROWS, rows_, bytes - x);
}

const r18_resize_kernels r18_resize_avx2 = {R18_CPU_AVX2,      rows, turn, columns, round_channels, color_channels,
                                            r18_turn_back_avx2};

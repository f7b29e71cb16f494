/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preprocessing in plain C: the definition of what the other instruction sets compute. */
#include "resize.h"

#include <string.h>

enum { ROWS = R18_RESIZE_ROWS, CHUNK = 64 };

/* The high half of (8.8 number) * (weight with 16 fraction bits). */
static inline uint16_t multiply_high(uint16_t number, uint16_t weight) {
  return (uint16_t)(((uint32_t)number * weight) >> 16);
}

/* `bytes` is at most CHUNK; a constant in all calls but the last of a row. */
static inline void add_rows(uint16_t *out, const uint8_t *in, ptrdiff_t stride, const uint16_t *weight, uint32_t taps,
                            size_t bytes) {
  uint16_t sum[CHUNK];
  for (size_t x = 0; x < bytes; x++)
    sum[x] = r18_resize_bias(taps);
  for (uint32_t k = 0; k < taps; k++) {
    const uint8_t *row = in + (ptrdiff_t)k * stride;
    for (size_t x = 0; x < bytes; x++)
      sum[x] = (uint16_t)(sum[x] + multiply_high((uint16_t)(row[x] << 8), weight[k]));
  }
  memcpy(out, sum, bytes * sizeof *out);
}

static void rows(uint16_t *out, const uint8_t *in, ptrdiff_t stride, const r18_filter *filter, uint32_t index,
                 size_t bytes) {
  const uint16_t *weight = filter->weight + (size_t)index * filter->max_taps;
  size_t x = 0;
  for (; x + CHUNK <= bytes; x += CHUNK)
    add_rows(out + x, in + x, stride, weight, filter->taps[index], CHUNK);
  add_rows(out + x, in + x, stride, weight, filter->taps[index], bytes - x);
}

static void turn(uint16_t *out, const uint16_t *in, size_t pitch, size_t columns) {
  for (size_t x = 0; x < columns; x++)
    for (size_t r = 0; r < ROWS; r++)
      out[x * ROWS + r] = in[r * pitch + x];
}

static void columns(uint16_t *out, const uint16_t *in, const r18_resize_channel *channel) {
  const r18_filter *filter = channel->filter;
  for (uint32_t i = channel->from; i < channel->to; i++, out += ROWS) {
    const uint16_t *column = r18_first_column(in, channel, i);
    const uint16_t *weight = filter->weight + (size_t)i * filter->max_taps;
    uint16_t sum[ROWS];
    for (size_t r = 0; r < ROWS; r++)
      sum[r] = r18_resize_bias(filter->taps[i]);
    for (uint32_t k = 0; k < filter->taps[i]; k++, column += channel->step * ROWS)
      for (size_t r = 0; r < ROWS; r++)
        sum[r] = (uint16_t)(sum[r] + multiply_high(column[r], weight[k]));
    memcpy(out, sum, sizeof sum);
  }
}

static void round_channels(uint8_t *out, const uint16_t *const *channel, size_t columns_) {
  for (size_t x = 0; x < columns_; x++)
    for (size_t c = 0; c < 3; c++, out += ROWS)
      for (size_t r = 0; r < ROWS; r++)
        out[r] = (uint8_t)((uint16_t)(channel[c][x * ROWS + r] + 128) >> 8);
}

static inline uint8_t clamp_byte(int32_t value) {
  return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void color_channels(uint8_t *out, const uint16_t *const *channel, const r18_color *color, size_t columns_) {
  for (size_t x = 0; x < columns_; x++)
    for (size_t c = 0; c < 3; c++, out += ROWS) {
      const int32_t *m = color->m[c];
      for (size_t r = 0; r < ROWS; r++) {
        size_t at = x * ROWS + r;
        int32_t sum = m[0] * channel[0][at] + m[1] * channel[1][at] + m[2] * channel[2][at] + color->offset[c];
        out[r] = clamp_byte(sum >> R18_COLOR_SHIFT);
      }
    }
}

static void turn_back(uint8_t *rgb, size_t pitch, const uint8_t *in, size_t rows_, size_t bytes) {
  for (size_t r = 0; r < rows_; r++)
    for (size_t x = 0; x < bytes; x++)
      rgb[r * pitch + x] = in[x * ROWS + r];
}

static const r18_resize_kernels kernels_c = {R18_CPU_C, rows, turn, columns, round_channels, color_channels, turn_back};

#ifdef __x86_64__
extern const r18_resize_kernels r18_resize_avx2, r18_resize_avx512;
#endif

const r18_resize_kernels *const r18_resize_kernels_all[] = {
#ifdef __x86_64__
    &r18_resize_avx512,
    &r18_resize_avx2,
#endif
    &kernels_c,
    NULL,
};

static inline void add_rows_wide(uint16_t *out, const uint8_t *in, ptrdiff_t stride, const uint32_t *weight,
                                 uint32_t taps, size_t bytes) {
  enum { SHIFT = R18_WIDE_BITS - 8 };
  uint32_t sum[CHUNK];
  for (size_t x = 0; x < bytes; x++)
    sum[x] = 1u << (SHIFT - 1);
  for (uint32_t k = 0; k < taps; k++) {
    const uint8_t *row = in + (ptrdiff_t)k * stride;
    for (size_t x = 0; x < bytes; x++)
      sum[x] += row[x] * weight[k];
  }
  for (size_t x = 0; x < bytes; x++)
    out[x] = (uint16_t)(sum[x] >> SHIFT);
}

void r18_resize_rows_wide(uint16_t *out, const uint8_t *in, ptrdiff_t stride, const r18_filter *filter, uint32_t index,
                          size_t bytes) {
  const uint32_t *weight = filter->wide + (size_t)index * filter->max_taps;
  size_t x = 0;
  for (; x + CHUNK <= bytes; x += CHUNK)
    add_rows_wide(out + x, in + x, stride, weight, filter->taps[index], CHUNK);
  add_rows_wide(out + x, in + x, stride, weight, filter->taps[index], bytes - x);
}

void r18_resize_columns_wide(uint16_t *out, const uint16_t *in, const r18_resize_channel *channel) {
  const r18_filter *filter = channel->filter;
  for (uint32_t i = channel->from; i < channel->to; i++, out += ROWS) {
    const uint16_t *column = r18_first_column(in, channel, i);
    const uint32_t *weight = filter->wide + (size_t)i * filter->max_taps;
    uint64_t sum[ROWS];
    for (size_t r = 0; r < ROWS; r++)
      sum[r] = 1u << (R18_WIDE_BITS - 1);
    for (uint32_t k = 0; k < filter->taps[i]; k++, column += channel->step * ROWS)
      for (size_t r = 0; r < ROWS; r++)
        sum[r] += (uint64_t)column[r] * weight[k];
    for (size_t r = 0; r < ROWS; r++)
      out[r] = (uint16_t)(sum[r] >> R18_WIDE_BITS);
  }
}

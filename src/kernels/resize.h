/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The inner loops of the preprocessing.
 *
 * The picture is made in blocks of R18_RESIZE_ROWS output rows. Source rows are first added up vertically, byte by
 * byte whatever they mean, into rows of 8.8 fixed point numbers; these are turned into columns of R18_RESIZE_ROWS
 * numbers, which are then added up horizontally, a whole column at a time; the colours are computed and the block is
 * turned back. All sets compute the same integers. */
#ifndef RESNET18_RESIZE_H
#define RESNET18_RESIZE_H

#include "../cpu.h"
#include "../resample.h"

enum { R18_RESIZE_ROWS = 32 };

/* One channel of a block: numbers of `step` columns apart become outputs. */
typedef struct {
  const r18_filter *filter;
  ptrdiff_t origin;  /* column of the filter's sample 0; may be negative where that sample is not in the block */
  size_t step;       /* columns from one sample to the next */
  uint32_t from, to; /* outputs */
} r18_resize_channel;

/* Linear colour conversion: ((m[0] * c0 + m[1] * c1 + m[2] * c2 + offset) >> 21), clamped to 0..255, where the
 * channels are 8.8 and m has 13 fraction bits. */
enum { R18_COLOR_BITS = 13, R18_COLOR_SHIFT = R18_COLOR_BITS + 8 };
typedef struct {
  int32_t m[3][3];
  int32_t offset[3];
} r18_color;

typedef struct {
  r18_cpu_set set;

  /* out[x] = sum over the taps of output `index` of weight * in[tap * stride + x], for x < bytes. */
  void (*rows)(uint16_t *out, const uint8_t *in, ptrdiff_t stride, const r18_filter *filter, uint32_t index,
               size_t bytes);

  /* out[x][r] = in[r * pitch + x] for x < columns, rounded up to a multiple of 32, r < R18_RESIZE_ROWS. */
  void (*turn)(uint16_t *out, const uint16_t *in, size_t pitch, size_t columns);

  /* out[i][r] = sum over the taps of output i of weight * in[origin + step * (first[i] + tap)][r]. */
  void (*columns)(uint16_t *out, const uint16_t *in, const r18_resize_channel *channel);

  /* out[3 * x + c][r] = the channels of column x rounded to a byte; channels may be the same pointer. */
  void (*round)(uint8_t *out, const uint16_t *const *channel, size_t columns);

  /* out[3 * x + c][r] = the converted colour. */
  void (*color)(uint8_t *out, const uint16_t *const *channel, const r18_color *color, size_t columns);

  /* rgb[r * pitch + x] = in[x][r] for r < rows, x < bytes; `in` is readable to a multiple of 32 bytes. */
  void (*turn_back)(uint8_t *rgb, size_t pitch, const uint8_t *in, size_t rows, size_t bytes);
} r18_resize_kernels;

/* Best first, the plain C ones last; NULL at the end. Which of them this processor may use is the caller's question. */
extern const r18_resize_kernels *const r18_resize_kernels_all[];

/* `rows` and `columns` for filters with wide weights; plain C only. */
void r18_resize_rows_wide(uint16_t *out, const uint8_t *in, ptrdiff_t stride, const r18_filter *filter, uint32_t index,
                          size_t bytes);
void r18_resize_columns_wide(uint16_t *out, const uint16_t *in, const r18_resize_channel *channel);

/* What is added to the sum of an output with narrow weights: each product loses half a unit on average. */
static inline uint16_t r18_resize_bias(uint32_t taps) {
  return (uint16_t)((taps + 1) / 2);
}

/* The column of output i's first tap. */
static inline const uint16_t *r18_first_column(const uint16_t *in, const r18_resize_channel *channel, uint32_t i) {
  ptrdiff_t column = channel->origin + (ptrdiff_t)(channel->step * channel->filter->first[i]);
  return in + column * R18_RESIZE_ROWS;
}

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 3x3 convolution by Winograd's minimal filtering (Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks",
 * arXiv 1509.09308), in floats, compiled once for each instruction set.
 *
 * Stride 1:
 *   F(4,3): 6 points a side: 0, 1, -1, infinity, 1/2, -2. These halve the error of the usual 0, +-1, +-2.
 *   F(2,3): 4 points a side: 0, 1, infinity, -1.
 * Stride 2 splits each direction in two: the outer taps run with stride 1 over every other input, as F(4,2) on 0, 1,
 * infinity, -1, 1/2 or F(2,2) on 0, infinity, 1; the middle tap multiplies the inputs in between as they are, one more
 * "point" for each output. All share one output transform. 81 products for 4x4 outputs, or 25 for 2x2, where the direct
 * way takes 144 and 36.
 *
 * A side that is not a multiple of the tile ends with a tile of half the outputs, which uses the first points of the
 * list only: F(2,3) on 0, 1, -1, infinity inside F(4,3), and F(1,3) on 0, 1, infinity inside F(2,3). The weights at a
 * point are the same for both kinds of tile (the input transform carries the difference in scale), no work is spent on
 * outputs outside the picture and nothing is read beyond the halo of one pixel.
 *
 * With i, j the points of the two directions, position (i, j) is one matrix product: tiles x channels times channels x
 * output channels. Transformed inputs are panels (panel.h), position after position. */
#ifndef RESNET18_WINOGRAD_H
#define RESNET18_WINOGRAD_H

#include "kernels.h"
#include "panel.h"

#include <string.h>

enum { MAX_POINTS = 9, MAX_TILE = 4, MAX_SIDE = 64, PANEL_PAD = 16 };

/* By stride and outputs of a tile's side. */
typedef enum { STRIDE1_TILE4, STRIDE1_TILE2, STRIDE2_TILE4, STRIDE2_TILE2 } winograd_kind;

/* A tile's side has as many inputs as points. */
static inline unsigned kind_points(winograd_kind kind) {
  static const unsigned char points[] = {6, 4, 9, 5};
  return points[kind];
}

static inline unsigned kind_half_points(winograd_kind kind) {
  static const unsigned char points[] = {4, 3, 5, 3};
  return points[kind];
}

static inline unsigned kind_outputs(winograd_kind kind) {
  return kind == STRIDE1_TILE4 || kind == STRIDE2_TILE4 ? 4 : 2;
}

static inline unsigned kind_stride(winograd_kind kind) {
  return kind == STRIDE1_TILE4 || kind == STRIDE1_TILE2 ? 1 : 2;
}

/* Different weights a side: the points of stride 2 that stand for inputs share the middle tap. */
static inline unsigned kind_weights(winograd_kind kind) {
  static const unsigned char weights[] = {6, 4, 6, 4};
  return weights[kind];
}

static inline unsigned kind_weight_of(winograd_kind kind, unsigned point) {
  static const unsigned char weight[][MAX_POINTS] = {
      {0, 1, 2, 3, 4, 5}, {0, 1, 2, 3}, {0, 1, 2, 3, 3, 4, 5, 3, 3}, {0, 1, 2, 3, 2}};
  return weight[kind][point];
}

/* The tiles of a rectangle of `rows` x `columns` tiles, of which the last of each direction may be a half one. */
typedef struct {
  winograd_kind kind;
  unsigned points, half_points, outputs; /* a side */
  unsigned rows, full_rows, columns, full_columns;
  unsigned blocks; /* input channels / LANES */
  /* For each position, in floats: its panel, and its product inside one block of output channels a vector wide. */
  size_t panel[MAX_POINTS][MAX_POINTS], product[MAX_POINTS][MAX_POINTS];
  size_t panel_size, product_size;
} winograd_grid;

static inline unsigned grid_rows(const winograd_grid *grid, unsigned i) {
  return i < grid->half_points ? grid->rows : grid->full_rows;
}

static inline unsigned grid_columns(const winograd_grid *grid, unsigned j) {
  return j < grid->half_points ? grid->columns : grid->full_columns;
}

/* The padding keeps the positions, which are written side by side, from falling on the same cache sets. */
static inline void grid_place(winograd_grid *grid) {
  for (unsigned i = 0; i < grid->points; i++)
    for (unsigned j = 0; j < grid->points; j++) {
      const size_t tiles = (size_t)grid_rows(grid, i) * grid_columns(grid, j);
      grid->panel[i][j] = grid->panel_size;
      grid->product[i][j] = grid->product_size;
      grid->panel_size += tiles * grid->blocks * LANES + PANEL_PAD;
      grid->product_size += tiles * LANES + PANEL_PAD;
    }
}

static inline winograd_grid grid_of_kind(winograd_kind kind, unsigned channels) {
  return (winograd_grid){.kind = kind,
                         .points = kind_points(kind),
                         .half_points = kind_half_points(kind),
                         .outputs = kind_outputs(kind),
                         .blocks = channels / LANES};
}

/* A picture of `size` x `size` outputs. */
static inline winograd_grid grid_of_picture(winograd_kind kind, unsigned size, unsigned channels) {
  winograd_grid grid = grid_of_kind(kind, channels);
  grid.rows = grid.columns = (size + grid.outputs - 1) / grid.outputs;
  grid.full_rows = grid.full_columns = size / grid.outputs;
  grid_place(&grid);
  return grid;
}

/* `tiles` whole tiles in a line, wherever they lie in the picture. */
static inline winograd_grid grid_of_tiles(winograd_kind kind, unsigned tiles, unsigned channels) {
  winograd_grid grid = grid_of_kind(kind, channels);
  grid.rows = grid.full_rows = 1;
  grid.columns = grid.full_columns = tiles;
  grid_place(&grid);
  return grid;
}

/* Neighbouring tiles of one row. */
typedef struct {
  unsigned row, column;  /* of the first one in the grid */
  unsigned full_columns; /* whole tiles */
  bool half_row, half_column;
} winograd_segment;

static inline winograd_segment grid_row(const winograd_grid *grid, unsigned row) {
  return (winograd_segment){.row = row,
                            .full_columns = grid->full_columns,
                            .half_row = row >= grid->full_rows,
                            .half_column = grid->columns > grid->full_columns};
}

/* One direction of the input transform, B^T d. */
__attribute__((always_inline)) static inline void winograd_input(winograd_kind kind, bool half, const vec d[MAX_POINTS],
                                                                 vec v[MAX_POINTS]) {
  if (kind == STRIDE1_TILE4 && !half) {
    const vec e = d[4] - d[2], f = d[3] - d[1];
    const vec g = e + 1.5f * d[3], h = f + 1.5f * d[2];
    v[0] = (d[0] + d[4]) - 2.0f * d[2] + 1.5f * f;
    v[1] = g + h;
    v[2] = g - h;
    v[3] = (d[1] + d[5]) - 2.0f * d[3] + 1.5f * e;
    v[4] = e + 2.0f * f;
    v[5] = e - 0.5f * f;
  } else if (kind == STRIDE1_TILE4) {
    v[0] = d[0] - d[2];
    v[1] = 1.5f * (d[2] + d[1]);
    v[2] = 1.5f * (d[1] - d[2]);
    v[3] = d[3] - d[1];
  } else if (kind == STRIDE1_TILE2 && !half) {
    v[0] = d[0] - d[2];
    v[1] = d[1] + d[2];
    v[2] = d[3] - d[1];
    v[3] = d[2] - d[1];
  } else if (kind == STRIDE1_TILE2) {
    v[0] = d[0] - d[1];
    v[1] = 2.0f * d[1];
    v[2] = d[2] - d[1];
  } else if (kind == STRIDE2_TILE4 && !half) {
    const vec e = d[6] - d[2];
    v[0] = (d[0] - d[4]) + 2.0f * e;
    v[1] = (d[6] + 0.5f * d[4]) - 0.5f * d[2];
    v[2] = (d[8] - d[4]) - 0.5f * e;
    v[3] = d[1];
    v[4] = d[3];
    v[5] = (d[6] - 1.5f * d[4]) + 0.5f * d[2];
    v[6] = e;
    v[7] = d[5];
    v[8] = d[7];
  } else if (kind == STRIDE2_TILE4) {
    v[0] = d[0] - d[2];
    v[1] = d[2];
    v[2] = d[4] - d[2];
    v[3] = d[1];
    v[4] = d[3];
  } else if (!half) {
    v[0] = d[0] - d[2];
    v[1] = d[4] - d[2];
    v[2] = d[1];
    v[3] = d[2];
    v[4] = d[3];
  } else {
    v[0] = d[0];
    v[1] = d[2];
    v[2] = d[1];
  }
}

/* One direction of the output transform, A^T m. */
__attribute__((always_inline)) static inline void winograd_output(winograd_kind kind, bool half,
                                                                  const vec m[MAX_POINTS], vec y[MAX_TILE]) {
  if (kind == STRIDE1_TILE4 && !half) {
    const vec s = m[1] + m[2], d = m[1] - m[2];
    y[0] = (m[0] + s) + (m[4] + m[5]);
    y[1] = d + 0.5f * m[4] - 2.0f * m[5];
    y[2] = s + 0.25f * m[4] + 4.0f * m[5];
    y[3] = (d + m[3]) + 0.125f * m[4] - 8.0f * m[5];
  } else if (kind == STRIDE1_TILE4) {
    y[0] = m[0] + m[1] + m[2];
    y[1] = m[1] - m[2] + m[3];
  } else if (kind == STRIDE1_TILE2 && !half) {
    y[0] = m[0] + m[1] + m[3];
    y[1] = m[1] - m[3] + m[2];
  } else if (kind == STRIDE1_TILE2) {
    y[0] = m[0] + m[1] + m[2];
  } else if (kind == STRIDE2_TILE4 && !half) {
    const vec s = m[1] + m[5], d = m[1] - m[5];
    y[0] = (m[0] + m[3]) + (s + m[6]);
    y[1] = (d + m[4]) + 0.5f * m[6];
    y[2] = (s + m[7]) + 0.25f * m[6];
    y[3] = (d + m[8]) + (m[2] + 0.125f * m[6]);
  } else if (kind == STRIDE2_TILE4) {
    y[0] = m[0] + m[1] + m[3];
    y[1] = m[1] + m[2] + m[4];
  } else if (!half) {
    y[0] = m[0] + m[3] + m[2];
    y[1] = m[3] + m[1] + m[4];
  } else {
    y[0] = m[0] + m[1] + m[2];
  }
}

/* One direction of the weight transform, G g. */
__attribute__((always_inline)) static inline void winograd_weights(winograd_kind kind, vec a, vec b, vec c,
                                                                   vec u[MAX_POINTS]) {
  u[0] = a;
  if (kind == STRIDE1_TILE4) {
    u[1] = (a + b + c) * (1.0f / 3);
    u[2] = (a - b + c) * (-1.0f / 3);
    u[3] = c;
    u[4] = (a + 0.5f * b + 0.25f * c) * (-16.0f / 15);
    u[5] = (a - 2.0f * b + 4.0f * c) * (1.0f / 15);
  } else if (kind == STRIDE1_TILE2) {
    u[1] = 0.5f * (a + b + c);
    u[2] = c;
    u[3] = 0.5f * (a - b + c);
  } else if (kind == STRIDE2_TILE4) {
    u[1] = a + c;
    u[2] = c;
    u[3] = b;
    u[4] = (a - c) * (-1.0f / 3);
    u[5] = (a + 0.5f * c) * (-8.0f / 3);
  } else {
    u[1] = c;
    u[2] = b;
    u[3] = a + c;
  }
}

/* Both directions of the input transform for a segment and LANES channels. `in` is the first input of its first tile;
 * `block` is the channels' place in the panels. */
__attribute__((always_inline)) static inline void
transform_segment_of(winograd_kind kind, bool half_row, const winograd_grid *grid, const winograd_segment *segment,
                     const float *in, size_t in_row, size_t in_pixel, unsigned block, float *panels) {
  const unsigned points = kind_points(kind), half_points = kind_half_points(kind);
  const unsigned lines = half_row ? half_points : points, step = kind_outputs(kind) * kind_stride(kind);
  const unsigned full = segment->full_columns;
  const unsigned width = segment->half_column ? full * step + half_points : (full - 1) * step + points;
  vec down[(MAX_SIDE + 2) * MAX_POINTS]; /* [input column][point] */
  for (unsigned x = 0; x < width; x++) {
    vec d[MAX_POINTS];
#pragma GCC unroll 9
    for (unsigned y = 0; y < lines; y++)
      d[y] = vec_load(in + y * in_row + x * in_pixel);
    winograd_input(kind, half_row, d, down + x * points);
  }
  float *to[MAX_POINTS][MAX_POINTS];
  for (unsigned i = 0; i < lines; i++)
    for (unsigned j = 0; j < points; j++) {
      const size_t columns = grid_columns(grid, j);
      const size_t tile = (block * grid_rows(grid, i) + segment->row) * columns + segment->column;
      to[i][j] = panels + grid->panel[i][j] + tile * LANES;
    }
  for (unsigned i = 0; i < lines; i++) {
    for (unsigned t = 0; t < full; t++) {
      vec d[MAX_POINTS], v[MAX_POINTS];
#pragma GCC unroll 9
      for (unsigned x = 0; x < points; x++)
        d[x] = down[(t * step + x) * points + i];
      winograd_input(kind, false, d, v);
#pragma GCC unroll 9
      for (unsigned j = 0; j < points; j++)
        vec_store(to[i][j] + t * LANES, v[j]);
    }
    if (segment->half_column) {
      vec d[MAX_POINTS], v[MAX_POINTS];
#pragma GCC unroll 9
      for (unsigned x = 0; x < half_points; x++)
        d[x] = down[(full * step + x) * points + i];
      winograd_input(kind, true, d, v);
#pragma GCC unroll 9
      for (unsigned j = 0; j < half_points; j++)
        vec_store(to[i][j] + full * LANES, v[j]);
    }
  }
}

__attribute__((always_inline)) static inline void
transform_segment_kind(winograd_kind kind, const winograd_grid *grid, const winograd_segment *segment, const float *in,
                       size_t in_row, size_t in_pixel, unsigned block, float *panels) {
  if (!segment->half_row)
    transform_segment_of(kind, false, grid, segment, in, in_row, in_pixel, block, panels);
  else
    transform_segment_of(kind, true, grid, segment, in, in_row, in_pixel, block, panels);
}

/* One copy of the code for each kind, however many callers there are: it is large. */
__attribute__((noinline, unused)) static void transform_segment(const winograd_grid *grid,
                                                                const winograd_segment *segment, const float *in,
                                                                size_t in_row, size_t in_pixel, unsigned block,
                                                                float *panels) {
  switch (grid->kind) {
  case STRIDE1_TILE4:
    transform_segment_kind(STRIDE1_TILE4, grid, segment, in, in_row, in_pixel, block, panels);
    break;
  case STRIDE1_TILE2:
    transform_segment_kind(STRIDE1_TILE2, grid, segment, in, in_row, in_pixel, block, panels);
    break;
  case STRIDE2_TILE4:
    transform_segment_kind(STRIDE2_TILE4, grid, segment, in, in_row, in_pixel, block, panels);
    break;
  case STRIDE2_TILE2:
    transform_segment_kind(STRIDE2_TILE2, grid, segment, in, in_row, in_pixel, block, panels);
    break;
  }
}

/* Where a block of output channels goes. */
typedef struct {
  float *out;            /* first output of the picture, first channel of the block */
  const float *residual; /* same, or NULL */
  const float *bias;
  size_t out_row, out_pixel, residual_row, residual_pixel; /* floats */
  bool relu;
} winograd_target;

/* Output transform of one tile for LANES channels (`lane` inside the block), then bias, residual and ReLU. (row,
 * column) is its place in the grid, (y0, x0) its first output. */
__attribute__((always_inline)) static inline void finish_tile(winograd_kind kind, bool half_row, bool half_column,
                                                              const winograd_grid *grid, unsigned wide,
                                                              const float *products, unsigned row, unsigned column,
                                                              unsigned lane, const winograd_target *target, size_t y0,
                                                              size_t x0) {
  const unsigned points = kind_points(kind), half_points = kind_half_points(kind), outputs = kind_outputs(kind);
  const unsigned lines = half_row ? half_points : points, across = half_column ? half_points : points;
  const unsigned high = half_row ? outputs / 2 : outputs, broad = half_column ? outputs / 2 : outputs;
  vec left[MAX_TILE][MAX_POINTS];
#pragma GCC unroll 9
  for (unsigned j = 0; j < across; j++) {
    vec m[MAX_POINTS], y[MAX_TILE];
    const size_t tile = (size_t)row * grid_columns(grid, j) + column;
#pragma GCC unroll 9
    for (unsigned i = 0; i < lines; i++)
      m[i] = vec_load(products + wide * (grid->product[i][j] + tile * LANES) + lane);
    winograd_output(kind, half_row, m, y);
#pragma GCC unroll 4
    for (unsigned h = 0; h < high; h++)
      left[h][j] = y[h];
  }
  const vec bias = vec_load(target->bias + lane);
#pragma GCC unroll 4
  for (unsigned h = 0; h < high; h++) {
    float *out = target->out + (y0 + h) * target->out_row + x0 * target->out_pixel + lane;
    vec value[MAX_TILE];
    winograd_output(kind, half_column, left[h], value);
#pragma GCC unroll 4
    for (unsigned b = 0; b < broad; b++)
      value[b] += bias;
    if (target->residual) {
      const float *residual = target->residual + (y0 + h) * target->residual_row + x0 * target->residual_pixel + lane;
#pragma GCC unroll 4
      for (unsigned b = 0; b < broad; b++)
        value[b] += vec_load(residual + b * target->residual_pixel);
    }
#pragma GCC unroll 4
    for (unsigned b = 0; b < broad; b++)
      vec_store(out + b * target->out_pixel, target->relu ? vec_relu(value[b]) : value[b]);
  }
}

/* All tiles of a segment, whose first output is (y0, x0). */
__attribute__((always_inline)) static inline void
finish_segment_kind(winograd_kind kind, const winograd_grid *grid, unsigned wide, const float *products,
                    const winograd_segment *segment, const winograd_target *target, unsigned y0, unsigned x0) {
  const unsigned row = segment->row, full = segment->full_columns;
  for (unsigned t = 0; t < full + segment->half_column; t++)
    for (unsigned lane = 0; lane < wide * LANES; lane += LANES) {
      const unsigned column = segment->column + t, x = x0 + t * kind_outputs(kind);
      if (!segment->half_row && t < full)
        finish_tile(kind, false, false, grid, wide, products, row, column, lane, target, y0, x);
      else if (!segment->half_row)
        finish_tile(kind, false, true, grid, wide, products, row, column, lane, target, y0, x);
      else if (t < full)
        finish_tile(kind, true, false, grid, wide, products, row, column, lane, target, y0, x);
      else
        finish_tile(kind, true, true, grid, wide, products, row, column, lane, target, y0, x);
    }
}

__attribute__((noinline, unused)) static void finish_segment(const winograd_grid *grid, unsigned wide,
                                                             const float *products, const winograd_segment *segment,
                                                             const winograd_target *target, unsigned y0, unsigned x0) {
  switch (grid->kind) {
  case STRIDE1_TILE4:
    finish_segment_kind(STRIDE1_TILE4, grid, wide, products, segment, target, y0, x0);
    break;
  case STRIDE1_TILE2:
    finish_segment_kind(STRIDE1_TILE2, grid, wide, products, segment, target, y0, x0);
    break;
  case STRIDE2_TILE4:
    finish_segment_kind(STRIDE2_TILE4, grid, wide, products, segment, target, y0, x0);
    break;
  case STRIDE2_TILE2:
    finish_segment_kind(STRIDE2_TILE2, grid, wide, products, segment, target, y0, x0);
    break;
  }
}

/* Packed: the bias, then for each block of wide * LANES output channels: [weights of both sides][in_channels]
 * [wide * LANES]. */
static inline size_t winograd_packed_floats(winograd_kind kind, const r18_conv *conv) {
  return (size_t)kind_weights(kind) * kind_weights(kind) * conv->in_channels * conv->out_channels + conv->out_channels;
}

__attribute__((always_inline)) static inline void winograd_pack(winograd_kind kind, unsigned wide, const r18_conv *conv,
                                                                unsigned first, const float *weights, const float *bias,
                                                                float *packed) {
  const unsigned count = kind_weights(kind);
  const size_t depth = conv->in_channels, block = wide * LANES;
  memcpy(packed + first, bias, R18_PACK_GROUP * sizeof *bias);
  packed += conv->out_channels;
  for (unsigned o = 0; o < R18_PACK_GROUP; o += LANES) {
    float *to = packed + (first + o) / block * block * depth * count * count + o % block;
    for (unsigned c = 0; c < depth; c++) {
      float taps[9][LANES];
      for (unsigned lane = 0; lane < LANES; lane++)
        for (unsigned t = 0; t < 9; t++)
          taps[t][lane] = weights[((o + lane) * depth + c) * 9 + t];
      vec half[MAX_POINTS][3], u[MAX_POINTS], line[MAX_POINTS];
#pragma GCC unroll 3
      for (unsigned x = 0; x < 3; x++) {
        winograd_weights(kind, vec_load(taps[x]), vec_load(taps[3 + x]), vec_load(taps[6 + x]), line);
#pragma GCC unroll 9
        for (unsigned i = 0; i < count; i++)
          half[i][x] = line[i];
      }
#pragma GCC unroll 9
      for (unsigned i = 0; i < count; i++) {
        winograd_weights(kind, half[i][0], half[i][1], half[i][2], u);
#pragma GCC unroll 9
        for (unsigned j = 0; j < count; j++)
          vec_store(to + ((i * count + j) * depth + c) * block, u[j]);
      }
    }
  }
}

static inline winograd_target winograd_target_of(const r18_step *step, const r18_run *run, unsigned image) {
  const r18_place *out = &step->out, *residual = &step->residual;
  winograd_target target = {.out = r18_at_f32(run, out, image, 0, 0),
                            .out_row = out->row / sizeof(float),
                            .out_pixel = out->channels,
                            .bias = (const float *)(const void *)step->weights,
                            .relu = step->relu};
  if (residual->element) {
    target.residual = r18_at_f32(run, residual, image, 0, 0);
    target.residual_row = residual->row / sizeof(float);
    target.residual_pixel = residual->channels;
  }
  return target;
}

/* The same target, `channel` output channels further on. */
static inline winograd_target winograd_target_at(winograd_target target, unsigned channel) {
  target.out += channel;
  target.bias += channel;
  if (target.residual)
    target.residual += channel;
  return target;
}

/* Outputs of a layer that has not run for a whole forward pass are in memory, not in a cache: they are called in while
 * the products are computed, `width` pixels of line y at a time. */
static inline void call_outputs(const winograd_target *target, unsigned y, unsigned x, unsigned width,
                                unsigned floats) {
  const float *out = target->out + y * target->out_row + x * target->out_pixel;
  for (unsigned pixel = 0; pixel < width; pixel++, out += target->out_pixel)
    for (unsigned i = 0; i < floats; i += 16)
      __builtin_prefetch(out + i, 1, 2);
}

#endif

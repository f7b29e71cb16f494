/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 3x3 convolution with stride 1 by Winograd's minimal filtering (Lavin & Gray, "Fast Algorithms for Convolutional
 * Neural Networks", arXiv 1509.09308), in floats, compiled once for each instruction set.
 *
 *   F(4,3): 6 points a side: 0, 1, -1, infinity, 1/2, -2. These halve the error of the usual 0, +-1, +-2.
 *   F(2,3): 4 points a side: 0, 1, infinity, -1.
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

enum { MAX_POINTS = 6, MAX_SIDE = 64, PANEL_PAD = 16 };

/* The tiles of a rectangle of `rows` x `columns` tiles, of which the last of each direction may be a half one. */
typedef struct {
  unsigned points;      /* a side: 6 or 4 */
  unsigned half_points; /* of a half tile: 4 or 3 */
  unsigned outputs;     /* a side: 4 or 2 */
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

/* A picture of `size` x `size` outputs, or one row of its tiles. The padding keeps the positions, which are written
 * side by side, from falling on the same cache sets. */
static inline winograd_grid grid_make(unsigned points, unsigned size, bool one_row, unsigned channels) {
  winograd_grid grid = {.points = points, .half_points = points == 6 ? 4 : 3, .outputs = points - 2};
  grid.columns = (size + grid.outputs - 1) / grid.outputs;
  grid.full_columns = size / grid.outputs;
  grid.rows = one_row ? 1 : grid.columns;
  grid.full_rows = one_row ? 1 : grid.full_columns;
  grid.blocks = channels / LANES;
  for (unsigned i = 0; i < points; i++)
    for (unsigned j = 0; j < points; j++) {
      const size_t tiles = (size_t)grid_rows(&grid, i) * grid_columns(&grid, j);
      grid.panel[i][j] = grid.panel_size;
      grid.product[i][j] = grid.product_size;
      grid.panel_size += tiles * channels + PANEL_PAD;
      grid.product_size += tiles * LANES + PANEL_PAD;
    }
  return grid;
}

/* One direction of the input transform, B^T d: `points` values from as many inputs. */
__attribute__((always_inline)) static inline void winograd_input(unsigned points, bool half, const vec d[MAX_POINTS],
                                                                 vec v[MAX_POINTS]) {
  if (points == 6 && !half) {
    const vec e = d[4] - d[2], f = d[3] - d[1];
    const vec g = e + 1.5f * d[3], h = f + 1.5f * d[2];
    v[0] = (d[0] - d[2]) + e + 1.5f * f;
    v[1] = g + h;
    v[2] = g - h;
    v[3] = (d[5] - d[3]) - f + 1.5f * e;
    v[4] = e + 2.0f * f;
    v[5] = e - 0.5f * f;
  } else if (points == 6) {
    v[0] = d[0] - d[2];
    v[1] = 1.5f * (d[2] + d[1]);
    v[2] = 1.5f * (d[1] - d[2]);
    v[3] = d[3] - d[1];
  } else if (!half) {
    v[0] = d[0] - d[2];
    v[1] = d[1] + d[2];
    v[2] = d[3] - d[1];
    v[3] = d[2] - d[1];
  } else {
    v[0] = d[0] - d[1];
    v[1] = 2.0f * d[1];
    v[2] = d[2] - d[1];
  }
}

/* One direction of the output transform, A^T m. */
__attribute__((always_inline)) static inline void winograd_output(unsigned points, bool half, const vec m[MAX_POINTS],
                                                                  vec y[4]) {
  if (points == 6 && !half) {
    const vec s = m[1] + m[2], d = m[1] - m[2];
    y[0] = (m[0] + s) + (m[4] + m[5]);
    y[1] = d + 0.5f * m[4] - 2.0f * m[5];
    y[2] = s + 0.25f * m[4] + 4.0f * m[5];
    y[3] = (d + m[3]) + 0.125f * m[4] - 8.0f * m[5];
  } else if (points == 6) {
    y[0] = m[0] + m[1] + m[2];
    y[1] = m[1] - m[2] + m[3];
  } else if (!half) {
    y[0] = m[0] + m[1] + m[3];
    y[1] = m[1] - m[3] + m[2];
  } else {
    y[0] = m[0] + m[1] + m[2];
  }
}

/* One direction of the weight transform, G g. */
__attribute__((always_inline)) static inline void winograd_weights(unsigned points, vec a, vec b, vec c,
                                                                   vec u[MAX_POINTS]) {
  if (points == 6) {
    u[0] = a;
    u[1] = (a + b + c) * (1.0f / 3);
    u[2] = (a - b + c) * (-1.0f / 3);
    u[3] = c;
    u[4] = (a + 0.5f * b + 0.25f * c) * (-16.0f / 15);
    u[5] = (a - 2.0f * b + 4.0f * c) * (1.0f / 15);
  } else {
    u[0] = a;
    u[1] = 0.5f * (a + b + c);
    u[2] = c;
    u[3] = 0.5f * (a - b + c);
  }
}

/* Both directions of the input transform for one row of tiles and LANES channels. `in` is the first input of the first
 * tile; panels get tile row `row`, channel block `block`. */
__attribute__((always_inline)) static inline void transform_row_of(unsigned points, bool half_row,
                                                                   const winograd_grid *grid, const float *in,
                                                                   size_t in_row, size_t in_pixel, unsigned row,
                                                                   unsigned block, float *panels) {
  const unsigned lines = half_row ? points == 6 ? 4 : 3 : points, outputs = points - 2;
  const unsigned half_points = points == 6 ? 4 : 3;
  const bool half_column = grid->columns > grid->full_columns;
  const unsigned width = grid->full_columns * outputs + (half_column ? outputs / 2 : 0) + 2;
  vec down[MAX_SIDE + 2][MAX_POINTS];
  for (unsigned x = 0; x < width; x++) {
    vec d[MAX_POINTS];
#pragma GCC unroll 6
    for (unsigned y = 0; y < lines; y++)
      d[y] = vec_load(in + y * in_row + x * in_pixel);
    winograd_input(points, half_row, d, down[x]);
  }
  float *to[MAX_POINTS][MAX_POINTS];
  for (unsigned i = 0; i < lines; i++)
    for (unsigned j = 0; j < points; j++) {
      const unsigned columns = grid_columns(grid, j);
      to[i][j] = panels + grid->panel[i][j] + ((size_t)block * grid_rows(grid, i) + row) * columns * LANES;
    }
  for (unsigned i = 0; i < lines; i++) {
    for (unsigned t = 0; t < grid->full_columns; t++) {
      vec d[MAX_POINTS], v[MAX_POINTS];
#pragma GCC unroll 6
      for (unsigned x = 0; x < points; x++)
        d[x] = down[t * outputs + x][i];
      winograd_input(points, false, d, v);
#pragma GCC unroll 6
      for (unsigned j = 0; j < points; j++)
        vec_store(to[i][j] + t * LANES, v[j]);
    }
    if (half_column) {
      vec d[MAX_POINTS], v[MAX_POINTS];
#pragma GCC unroll 6
      for (unsigned x = 0; x < half_points; x++)
        d[x] = down[grid->full_columns * outputs + x][i];
      winograd_input(points, true, d, v);
#pragma GCC unroll 6
      for (unsigned j = 0; j < half_points; j++)
        vec_store(to[i][j] + grid->full_columns * LANES, v[j]);
    }
  }
}

__attribute__((always_inline)) static inline void transform_row(unsigned points, const winograd_grid *grid,
                                                                const float *in, size_t in_row, size_t in_pixel,
                                                                unsigned row, unsigned block, float *panels) {
  if (row < grid->full_rows)
    transform_row_of(points, false, grid, in, in_row, in_pixel, row, block, panels);
  else
    transform_row_of(points, true, grid, in, in_row, in_pixel, row, block, panels);
}

/* The matrix products of all positions for one block of output channels. */
static inline void multiply_positions(const winograd_grid *grid, unsigned wide, const float *panels,
                                      const float *weights, float *products) {
  for (unsigned i = 0; i < grid->points; i++)
    for (unsigned j = 0; j < grid->points; j++) {
      panel_multiply(wide, grid_rows(grid, i) * grid_columns(grid, j), grid->blocks, panels + grid->panel[i][j],
                     weights, products + wide * grid->product[i][j]);
      weights += (size_t)grid->blocks * LANES * wide * LANES;
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

/* Output transform of one tile for LANES channels (`lane` inside the block), then bias, residual and ReLU. */
__attribute__((always_inline)) static inline void finish_tile(unsigned points, bool half_row, bool half_column,
                                                              const winograd_grid *grid, unsigned wide,
                                                              const float *products, unsigned row, unsigned column,
                                                              unsigned lane, const winograd_target *target,
                                                              unsigned y0) {
  const unsigned half_points = points == 6 ? 4 : 3, outputs = points - 2;
  const unsigned lines = half_row ? half_points : points, across = half_column ? half_points : points;
  const unsigned high = half_row ? outputs / 2 : outputs, broad = half_column ? outputs / 2 : outputs;
  vec left[4][MAX_POINTS];
#pragma GCC unroll 6
  for (unsigned j = 0; j < across; j++) {
    vec m[MAX_POINTS], y[4];
    const size_t tile = (size_t)row * grid_columns(grid, j) + column;
#pragma GCC unroll 6
    for (unsigned i = 0; i < lines; i++)
      m[i] = vec_load(products + wide * (grid->product[i][j] + tile * LANES) + lane);
    winograd_output(points, half_row, m, y);
#pragma GCC unroll 4
    for (unsigned h = 0; h < high; h++)
      left[h][j] = y[h];
  }
  const vec bias = vec_load(target->bias + lane);
#pragma GCC unroll 4
  for (unsigned h = 0; h < high; h++) {
    const size_t y = y0 + h, x = (size_t)column * outputs;
    float *out = target->out + y * target->out_row + x * target->out_pixel + lane;
    vec value[4];
    winograd_output(points, half_column, left[h], value);
#pragma GCC unroll 4
    for (unsigned b = 0; b < broad; b++)
      value[b] += bias;
    if (target->residual) {
      const float *residual = target->residual + y * target->residual_row + x * target->residual_pixel + lane;
#pragma GCC unroll 4
      for (unsigned b = 0; b < broad; b++)
        value[b] += vec_load(residual + b * target->residual_pixel);
    }
#pragma GCC unroll 4
    for (unsigned b = 0; b < broad; b++)
      vec_store(out + b * target->out_pixel, target->relu ? vec_relu(value[b]) : value[b]);
  }
}

/* All tiles of row `row` of the grid, whose first output line is y0. */
__attribute__((always_inline)) static inline void finish_row(unsigned points, const winograd_grid *grid, unsigned wide,
                                                             const float *products, unsigned row,
                                                             const winograd_target *target, unsigned y0) {
  for (unsigned column = 0; column < grid->columns; column++)
    for (unsigned lane = 0; lane < wide * LANES; lane += LANES) {
      const bool half_row = row >= grid->full_rows, half_column = column >= grid->full_columns;
      if (!half_row && !half_column)
        finish_tile(points, false, false, grid, wide, products, row, column, lane, target, y0);
      else if (!half_row)
        finish_tile(points, false, true, grid, wide, products, row, column, lane, target, y0);
      else if (!half_column)
        finish_tile(points, true, false, grid, wide, products, row, column, lane, target, y0);
      else
        finish_tile(points, true, true, grid, wide, products, row, column, lane, target, y0);
    }
}

/* Packed: the bias, then for each block of wide * LANES output channels: [position][in_channels][wide * LANES]. */
static inline size_t winograd_packed_floats(unsigned points, const r18_conv *conv) {
  return (size_t)points * points * conv->in_channels * conv->out_channels + conv->out_channels;
}

__attribute__((always_inline)) static inline void winograd_pack(unsigned points, unsigned wide, const r18_conv *conv,
                                                                unsigned first, const float *weights, const float *bias,
                                                                float *packed) {
  const size_t depth = conv->in_channels, block = wide * LANES;
  memcpy(packed + first, bias, R18_PACK_GROUP * sizeof *bias);
  packed += conv->out_channels;
  for (unsigned o = 0; o < R18_PACK_GROUP; o += LANES) {
    float *to = packed + (first + o) / block * block * depth * points * points + o % block;
    for (unsigned c = 0; c < depth; c++) {
      float taps[9][LANES];
      for (unsigned lane = 0; lane < LANES; lane++)
        for (unsigned t = 0; t < 9; t++)
          taps[t][lane] = weights[((o + lane) * depth + c) * 9 + t];
      vec half[MAX_POINTS][3], u[MAX_POINTS], line[MAX_POINTS];
#pragma GCC unroll 3
      for (unsigned x = 0; x < 3; x++) {
        winograd_weights(points, vec_load(taps[x]), vec_load(taps[3 + x]), vec_load(taps[6 + x]), line);
#pragma GCC unroll 6
        for (unsigned i = 0; i < points; i++)
          half[i][x] = line[i];
      }
#pragma GCC unroll 6
      for (unsigned i = 0; i < points; i++) {
        winograd_weights(points, half[i][0], half[i][1], half[i][2], u);
#pragma GCC unroll 6
        for (unsigned j = 0; j < points; j++)
          vec_store(to + ((i * points + j) * depth + c) * block, u[j]);
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

#endif

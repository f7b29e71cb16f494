/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 3x3 convolution by Winograd's minimal filtering (Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks",
 * arXiv 1509.09308), in floats, compiled once for each instruction set.
 *
 * Tiles are 4x4 outputs. Stride 1: F(4,3), 6 points a side: 0, 1, -1, infinity, 1/2, -2. These halve the error of the
 * usual 0, +-1, +-2.
 * Stride 2 splits each direction in two: the outer taps run with stride 1 over every other input, as F(4,2) on 0, 1,
 * infinity, -1, 1/2; the middle tap multiplies the inputs in between as they are, one more "point" for each output. All
 * share one output transform. 81 products for 4x4 outputs, where the direct way takes 144.
 *
 * A side that is not a multiple of four ends with a tile of the rest, two or three outputs, which uses the first points
 * of the list only: F(2,3) or F(3,3) inside F(4,3). The weights at a point are the same for both kinds of tile (the
 * input transform of the rest carries the difference in scale), no work is spent on outputs outside the picture and
 * nothing is read beyond the halo of one pixel.
 *
 * With i, j the points of the two directions, position (i, j) is one matrix product: tiles x channels times channels x
 * output channels. Transformed inputs are panels (panel.h), position after position. */
#ifndef RESNET18_WINOGRAD_H
#define RESNET18_WINOGRAD_H

#include "kernels.h"
#include "panel.h"

#include <string.h>

enum { MAX_POINTS = 9, TILE = 4, MAX_SIDE = 64, PANEL_PAD = 16 };

/* Different weights a side: the points of stride 2 that stand for inputs share the middle tap. */
enum { WEIGHTS = 6 };

/* By stride and outputs of the last tile where it is not a whole one. */
typedef enum { STRIDE1_REST2, STRIDE1_REST3, STRIDE2_REST2, STRIDE2_REST3 } winograd_kind;

/* A tile's side has as many inputs as points. */
static inline unsigned kind_points(winograd_kind kind) {
  return kind == STRIDE1_REST2 || kind == STRIDE1_REST3 ? 6 : 9;
}

static inline unsigned kind_rest_points(winograd_kind kind) {
  static const unsigned char points[] = {4, 5, 5, 7};
  return points[kind];
}

static inline unsigned kind_rest(winograd_kind kind) {
  return kind == STRIDE1_REST2 || kind == STRIDE2_REST2 ? 2 : 3;
}

static inline unsigned kind_stride(winograd_kind kind) {
  return kind == STRIDE1_REST2 || kind == STRIDE1_REST3 ? 1 : 2;
}

static inline unsigned kind_weight_of(winograd_kind kind, unsigned point) {
  static const unsigned char shared[MAX_POINTS] = {0, 1, 2, 3, 3, 4, 3, 5, 3};
  return kind_stride(kind) == 1 ? point : shared[point];
}

/* The points of a side that have weight `weight`. */
typedef struct {
  unsigned char count, point[4];
} winograd_points;

static inline winograd_points kind_points_of(winograd_kind kind, unsigned weight) {
  static const winograd_points shared[WEIGHTS] = {{1, {0}}, {1, {1}}, {1, {2}}, {4, {3, 4, 6, 8}}, {1, {5}}, {1, {7}}};
  return kind_stride(kind) == 1 ? (winograd_points){1, {(unsigned char)weight}} : shared[weight];
}

/* The tiles of some rectangles of `rows` x `columns` tiles, of which the last of each direction may be a rest. */
typedef struct {
  winograd_kind kind;
  unsigned points, rest_points; /* a side */
  unsigned images;              /* rectangles; their tiles follow each other at each position */
  unsigned rows, full_rows, columns, full_columns;
  unsigned blocks; /* input channels / LANES */
  /* For each position, in floats: its panel, and its product inside one block of output channels a vector wide. */
  size_t panel[MAX_POINTS][MAX_POINTS], product[MAX_POINTS][MAX_POINTS];
  size_t panel_size, product_size;
} winograd_grid;

static inline unsigned grid_rows(const winograd_grid *grid, unsigned i) {
  return i < grid->rest_points ? grid->rows : grid->full_rows;
}

static inline unsigned grid_columns(const winograd_grid *grid, unsigned j) {
  return j < grid->rest_points ? grid->columns : grid->full_columns;
}

static inline unsigned grid_tiles(const winograd_grid *grid, unsigned i, unsigned j) {
  return grid->images * grid_rows(grid, i) * grid_columns(grid, j);
}

/* The padding keeps the positions, which are written side by side, from falling on the same cache sets. */
static inline void grid_place(winograd_grid *grid) {
  for (unsigned i = 0; i < grid->points; i++)
    for (unsigned j = 0; j < grid->points; j++) {
      const size_t tiles = grid_tiles(grid, i, j);
      grid->panel[i][j] = grid->panel_size;
      grid->product[i][j] = grid->product_size;
      grid->panel_size += tiles * grid->blocks * LANES + PANEL_PAD;
      grid->product_size += tiles * LANES + PANEL_PAD;
    }
}

static inline winograd_grid grid_of_kind(winograd_kind kind, unsigned images, unsigned channels) {
  return (winograd_grid){.kind = kind,
                         .points = kind_points(kind),
                         .rest_points = kind_rest_points(kind),
                         .images = images,
                         .blocks = channels / LANES};
}

/* Pictures of `size` x `size` outputs. */
static inline winograd_grid grid_of_pictures(winograd_kind kind, unsigned images, unsigned size, unsigned channels) {
  winograd_grid grid = grid_of_kind(kind, images, channels);
  grid.rows = grid.columns = (size + TILE - 1) / TILE;
  grid.full_rows = grid.full_columns = size / TILE;
  grid_place(&grid);
  return grid;
}

/* `tiles` whole tiles in a line, wherever they lie in the picture. */
static inline winograd_grid grid_of_tiles(winograd_kind kind, unsigned tiles, unsigned channels) {
  winograd_grid grid = grid_of_kind(kind, 1, channels);
  grid.rows = grid.full_rows = 1;
  grid.columns = grid.full_columns = tiles;
  grid_place(&grid);
  return grid;
}

/* Neighbouring tiles of one row. */
typedef struct {
  unsigned image;
  unsigned row, column;  /* of the first one in the grid */
  unsigned full_columns; /* whole tiles */
  bool rest_row, rest_column;
} winograd_segment;

static inline winograd_segment grid_row(const winograd_grid *grid, unsigned image, unsigned row) {
  return (winograd_segment){.image = image,
                            .row = row,
                            .full_columns = grid->full_columns,
                            .rest_row = row >= grid->full_rows,
                            .rest_column = grid->columns > grid->full_columns};
}

/* Where a segment's first tile is among those of position (i, j). */
static inline size_t segment_tile(const winograd_grid *grid, const winograd_segment *segment, unsigned i, unsigned j) {
  const size_t row = segment->image * grid_rows(grid, i) + segment->row;
  return row * grid_columns(grid, j) + segment->column;
}

/* One direction of the input transform, B^T d. */
__attribute__((always_inline)) static inline void winograd_input(winograd_kind kind, bool rest, const vec d[MAX_POINTS],
                                                                 vec v[MAX_POINTS]) {
  if (kind_stride(kind) == 1 && !rest) {
    const vec e = d[4] - d[2], f = d[3] - d[1];
    const vec g = e + 1.5f * d[3], h = f + 1.5f * d[2];
    v[0] = (d[0] + d[4]) - 2.0f * d[2] + 1.5f * f;
    v[1] = g + h;
    v[2] = g - h;
    v[3] = (d[1] + d[5]) - 2.0f * d[3] + 1.5f * e;
    v[4] = e + 2.0f * f;
    v[5] = e - 0.5f * f;
  } else if (kind == STRIDE1_REST2) {
    v[0] = d[0] - d[2];
    v[1] = 0.5f * (d[2] + d[1]);
    v[2] = 0.5f * (d[2] - d[1]);
    v[3] = d[3] - d[1];
  } else if (kind == STRIDE1_REST3) {
    const vec e = d[3] - d[1];
    v[0] = (d[0] - d[2]) + 2.0f * e;
    v[1] = d[3] + 0.5f * (d[2] - d[1]);
    v[2] = 0.5f * d[2] - (1.0f / 3) * d[3] - (1.0f / 6) * d[1];
    v[3] = (d[4] - d[2]) - 0.5f * e;
    v[4] = (-8.0f / 3) * e;
  } else if (!rest) {
    const vec e = d[6] - d[2];
    v[0] = (d[0] - d[4]) + 2.0f * e;
    v[1] = (d[6] + 0.5f * d[4]) - 0.5f * d[2];
    v[2] = (d[8] - d[4]) - 0.5f * e;
    v[3] = d[1];
    v[4] = d[3];
    v[5] = (d[6] - 1.5f * d[4]) + 0.5f * d[2];
    v[6] = d[5];
    v[7] = e;
    v[8] = d[7];
  } else if (kind == STRIDE2_REST2) {
    v[0] = d[0] - d[2];
    v[1] = d[2];
    v[2] = d[4] - d[2];
    v[3] = d[1];
    v[4] = d[3];
  } else {
    v[0] = d[0] - d[4];
    v[1] = 0.5f * (d[4] + d[2]);
    v[2] = d[6] - d[2];
    v[3] = d[1];
    v[4] = d[3];
    v[5] = 0.5f * (d[4] - d[2]);
    v[6] = d[5];
  }
}

/* One direction of the output transform, A^T m. */
__attribute__((always_inline)) static inline void winograd_output(winograd_kind kind, bool rest,
                                                                  const vec m[MAX_POINTS], vec y[TILE]) {
  if (kind_stride(kind) == 1 && !rest) {
    const vec s = (m[1] - m[2]) * (1.0f / 3), d = (m[1] + m[2]) * (1.0f / 3);
    y[0] = (m[0] + s) - (16.0f / 15) * m[4] + (1.0f / 15) * m[5];
    y[1] = d - (8.0f / 15) * m[4] - (2.0f / 15) * m[5];
    y[2] = s - (4.0f / 15) * m[4] + (4.0f / 15) * m[5];
    y[3] = (d + m[3]) - (2.0f / 15) * m[4] - (8.0f / 15) * m[5];
  } else if (kind == STRIDE1_REST2) {
    y[0] = m[0] + m[1] + m[2];
    y[1] = m[1] - m[2] + m[3];
  } else if (kind == STRIDE1_REST3) {
    y[0] = (m[0] + m[4]) + (m[1] + m[2]);
    y[1] = (m[1] - m[2]) + 0.5f * m[4];
    y[2] = (m[1] + m[2]) + m[3] + 0.25f * m[4];
  } else if (!rest) {
    const vec s = m[1] - (1.0f / 3) * m[5], d = m[1] + (1.0f / 3) * m[5];
    y[0] = (m[0] + m[3]) + s - (8.0f / 3) * m[7];
    y[1] = (d + m[4]) - (4.0f / 3) * m[7];
    y[2] = (s + m[6]) - (2.0f / 3) * m[7];
    y[3] = (d + m[8]) + m[2] - (1.0f / 3) * m[7];
  } else if (kind == STRIDE2_REST2) {
    y[0] = m[0] + m[1] + m[3];
    y[1] = m[1] + m[2] + m[4];
  } else {
    y[0] = (m[0] + m[3]) + (m[1] + m[5]);
    y[1] = (m[1] - m[5]) + m[4];
    y[2] = (m[1] + m[5]) + (m[2] + m[6]);
  }
}

/* One direction of the weight transform, G g: the filter's values at the points. The usual factors 1/3, 16/15 and so on
 * are in the output transform, of which a small picture needs fewer. */
__attribute__((always_inline)) static inline void winograd_weights(unsigned stride, vec a, vec b, vec c,
                                                                   vec u[WEIGHTS]) {
  u[0] = a;
  if (stride == 1) {
    const vec s = a + c;
    u[1] = s + b;
    u[2] = s - b;
    u[3] = c;
    u[4] = a + 0.5f * b + 0.25f * c;
    u[5] = a - 2.0f * b + 4.0f * c;
  } else {
    u[1] = a + c;
    u[2] = c;
    u[3] = b;
    u[4] = a - c;
    u[5] = a + 0.5f * c;
  }
}

/* Both directions of the input transform for a segment and LANES channels. `in` is the first input of its first tile;
 * `block` is the channels' place in the panels. */
__attribute__((always_inline)) static inline void
transform_segment_of(winograd_kind kind, bool rest_row, const winograd_grid *grid, const winograd_segment *segment,
                     const float *in, size_t in_row, size_t in_pixel, unsigned block, float *panels) {
  const unsigned points = kind_points(kind), rest_points = kind_rest_points(kind);
  const unsigned lines = rest_row ? rest_points : points, step = TILE * kind_stride(kind);
  const unsigned full = segment->full_columns;
  const unsigned width = segment->rest_column ? full * step + rest_points : (full - 1) * step + points;
  vec down[(MAX_SIDE + 2) * MAX_POINTS]; /* [input column][point] */
  for (unsigned x = 0; x < width; x++) {
    vec d[MAX_POINTS];
#pragma GCC unroll 9
    for (unsigned y = 0; y < lines; y++)
      d[y] = vec_load(in + y * in_row + x * in_pixel);
    winograd_input(kind, rest_row, d, down + x * points);
  }
  float *to[MAX_POINTS][MAX_POINTS];
  for (unsigned i = 0; i < lines; i++)
    for (unsigned j = 0; j < points; j++) {
      const size_t tile = (size_t)block * grid_tiles(grid, i, j) + segment_tile(grid, segment, i, j);
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
    if (segment->rest_column) {
      vec d[MAX_POINTS], v[MAX_POINTS];
#pragma GCC unroll 9
      for (unsigned x = 0; x < rest_points; x++)
        d[x] = down[(full * step + x) * points + i];
      winograd_input(kind, true, d, v);
#pragma GCC unroll 9
      for (unsigned j = 0; j < rest_points; j++)
        vec_store(to[i][j] + full * LANES, v[j]);
    }
  }
}

__attribute__((always_inline)) static inline void
transform_segment_kind(winograd_kind kind, const winograd_grid *grid, const winograd_segment *segment, const float *in,
                       size_t in_row, size_t in_pixel, unsigned block, float *panels) {
  if (!segment->rest_row)
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
  case STRIDE1_REST2:
    transform_segment_kind(STRIDE1_REST2, grid, segment, in, in_row, in_pixel, block, panels);
    break;
  case STRIDE1_REST3:
    transform_segment_kind(STRIDE1_REST3, grid, segment, in, in_row, in_pixel, block, panels);
    break;
  case STRIDE2_REST2:
    transform_segment_kind(STRIDE2_REST2, grid, segment, in, in_row, in_pixel, block, panels);
    break;
  case STRIDE2_REST3:
    transform_segment_kind(STRIDE2_REST3, grid, segment, in, in_row, in_pixel, block, panels);
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

/* Output transform of one tile for LANES channels (`lane` inside the block), then bias, residual and ReLU. from: each
 * position's product, `at` floats before the tile's; (y0, x0): its first output. */
__attribute__((always_inline)) static inline void finish_tile(winograd_kind kind, bool rest_row, bool rest_column,
                                                              const float *const from[MAX_POINTS][MAX_POINTS],
                                                              size_t at, unsigned lane, const winograd_target *target,
                                                              size_t y0, size_t x0) {
  const unsigned points = kind_points(kind), rest_points = kind_rest_points(kind), rest = kind_rest(kind);
  const unsigned lines = rest_row ? rest_points : points, across = rest_column ? rest_points : points;
  const unsigned high = rest_row ? rest : TILE, broad = rest_column ? rest : TILE;
  vec left[TILE][MAX_POINTS];
#pragma GCC unroll 9
  for (unsigned j = 0; j < across; j++) {
    vec m[MAX_POINTS], y[TILE];
#pragma GCC unroll 9
    for (unsigned i = 0; i < lines; i++)
      m[i] = vec_load(from[i][j] + at);
    winograd_output(kind, rest_row, m, y);
#pragma GCC unroll 4
    for (unsigned h = 0; h < high; h++)
      left[h][j] = y[h];
  }
  const vec bias = vec_load(target->bias + lane);
#pragma GCC unroll 4
  for (unsigned h = 0; h < high; h++) {
    float *out = target->out + (y0 + h) * target->out_row + x0 * target->out_pixel + lane;
    vec value[TILE];
    winograd_output(kind, rest_column, left[h], value);
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
  const unsigned full = segment->full_columns;
  const float *from[MAX_POINTS][MAX_POINTS];
  for (unsigned i = 0; i < grid->points; i++)
    for (unsigned j = 0; j < grid->points; j++)
      from[i][j] = products + wide * (grid->product[i][j] + segment_tile(grid, segment, i, j) * LANES);
  for (unsigned t = 0; t < full + segment->rest_column; t++)
    for (unsigned lane = 0; lane < wide * LANES; lane += LANES) {
      const size_t at = t * wide * LANES + lane;
      const unsigned x = x0 + t * TILE;
      if (!segment->rest_row && t < full)
        finish_tile(kind, false, false, from, at, lane, target, y0, x);
      else if (!segment->rest_row)
        finish_tile(kind, false, true, from, at, lane, target, y0, x);
      else if (t < full)
        finish_tile(kind, true, false, from, at, lane, target, y0, x);
      else
        finish_tile(kind, true, true, from, at, lane, target, y0, x);
    }
}

__attribute__((noinline, unused)) static void finish_segment(const winograd_grid *grid, unsigned wide,
                                                             const float *products, const winograd_segment *segment,
                                                             const winograd_target *target, unsigned y0, unsigned x0) {
  switch (grid->kind) {
  case STRIDE1_REST2:
    finish_segment_kind(STRIDE1_REST2, grid, wide, products, segment, target, y0, x0);
    break;
  case STRIDE1_REST3:
    finish_segment_kind(STRIDE1_REST3, grid, wide, products, segment, target, y0, x0);
    break;
  case STRIDE2_REST2:
    finish_segment_kind(STRIDE2_REST2, grid, wide, products, segment, target, y0, x0);
    break;
  case STRIDE2_REST3:
    finish_segment_kind(STRIDE2_REST3, grid, wide, products, segment, target, y0, x0);
    break;
  }
}

/* The nine taps of LANES filters, `apart` floats from tap to tap, to the weights at `rows` rows of points from `first`
 * on, `position` floats from one point to the next. */
__attribute__((always_inline)) static inline void transform_taps(unsigned stride, unsigned first, unsigned rows,
                                                                 const float *taps, size_t apart, float *to,
                                                                 size_t position) {
  vec half[WEIGHTS][3], u[WEIGHTS];
#pragma GCC unroll 3
  for (unsigned x = 0; x < 3; x++) {
    winograd_weights(stride, vec_load(taps + x * apart), vec_load(taps + (3 + x) * apart),
                     vec_load(taps + (6 + x) * apart), u);
#pragma GCC unroll 6
    for (unsigned i = 0; i < rows; i++)
      half[i][x] = u[first + i];
  }
#pragma GCC unroll 6
  for (unsigned i = 0; i < rows; i++) {
    winograd_weights(stride, half[i][0], half[i][1], half[i][2], u);
#pragma GCC unroll 6
    for (unsigned j = 0; j < WEIGHTS; j++)
      vec_store(to + (i * WEIGHTS + j) * position, u[j]);
  }
}

/* Packed in either form: the bias, then the blocks of wide * LANES output channels, each [WEIGHTS][WEIGHTS]
 * [in_channels][wide * LANES] where the weights are transformed, [in_channels][9 taps][wide * LANES] where they are
 * not. */
enum { TAPS = 9 };

static inline size_t winograd_packed_floats(const r18_conv *conv, unsigned each) {
  return (size_t)each * conv->in_channels * conv->out_channels + conv->out_channels;
}

/* The taps of LANES filters from `o` on, input channel c: [9][LANES]. */
static inline void gather_taps(const float *weights, size_t depth, unsigned o, size_t c, float *taps) {
  for (unsigned lane = 0; lane < LANES; lane++)
    for (unsigned t = 0; t < TAPS; t++)
      taps[t * LANES + lane] = weights[((o + lane) * depth + c) * TAPS + t];
}

static inline void winograd_pack(unsigned wide, const r18_conv *conv, unsigned first, const float *weights,
                                 const float *bias, float *packed) {
  const size_t depth = conv->in_channels, block = wide * LANES;
  float taps[TAPS * LANES];
  memcpy(packed + first, bias, R18_PACK_GROUP * sizeof *bias);
  packed += conv->out_channels;
  for (unsigned o = 0; o < R18_PACK_GROUP; o += LANES) {
    float *to = packed + (first + o) / block * block * depth * WEIGHTS * WEIGHTS + o % block;
    for (unsigned c = 0; c < depth; c++) {
      gather_taps(weights, depth, o, c, taps);
      if (conv->stride == 1)
        transform_taps(1, 0, WEIGHTS, taps, LANES, to + c * block, depth * block);
      else
        transform_taps(2, 0, WEIGHTS, taps, LANES, to + c * block, depth * block);
    }
  }
}

static inline void winograd_pack_taps(unsigned wide, const r18_conv *conv, unsigned first, const float *weights,
                                      const float *bias, float *packed) {
  const size_t depth = conv->in_channels, block = wide * LANES;
  float taps[TAPS * LANES];
  memcpy(packed + first, bias, R18_PACK_GROUP * sizeof *bias);
  packed += conv->out_channels;
  for (unsigned o = 0; o < R18_PACK_GROUP; o += LANES) {
    float *to = packed + (first + o) / block * block * depth * TAPS + o % block;
    for (unsigned c = 0; c < depth; c++, to += TAPS * block) {
      gather_taps(weights, depth, o, c, taps);
      for (unsigned t = 0; t < TAPS; t++)
        vec_store(to + t * block, vec_load(taps + t * LANES));
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

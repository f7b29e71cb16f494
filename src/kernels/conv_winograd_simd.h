/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The float Winograd kernels: how the work is cut. Included by one file for each instruction set.
 *
 * Rows:   large pictures with few channels. A unit is one row of tiles from its inputs to its outputs; the weights stay
 *         in the second-level cache from one unit to the next.
 * Blocks: small pictures with many channels. All inputs are transformed first; then a unit is one block of output
 *         channels for all tiles of all pictures, so that each weight is fetched once. */
#ifndef RESNET18_CONV_WINOGRAD_SIMD_H
#define RESNET18_CONV_WINOGRAD_SIMD_H

#include "winograd.h"

static inline bool winograd_fits(const r18_conv *conv) {
  return conv->kernel == 3 && conv->pad == 1 && (conv->stride == 1 || conv->stride == 2) &&
         conv->in_size == conv->out_size * conv->stride && conv->in_channels % LANES == 0 &&
         conv->out_channels % R18_PACK_GROUP == 0 && conv->in_size <= MAX_SIDE;
}

/* Large tiles multiply less, but need more weights: too many of them where there are few pixels. */
static inline winograd_kind winograd_kind_of(unsigned size, unsigned stride) {
  const bool large = size % 2 == 0 && size >= 10;
  if (stride == 1)
    return large ? STRIDE1_TILE4 : STRIDE1_TILE2;
  return large ? STRIDE2_TILE4 : STRIDE2_TILE2;
}

static inline winograd_kind winograd_kind_for(const r18_conv *conv) {
  return winograd_kind_of(conv->out_size, conv->stride);
}

static inline size_t winograd_packed_bytes(const r18_conv *conv) {
  return winograd_packed_floats(winograd_kind_for(conv), conv) * sizeof(float);
}

/* Memory of one block of output channels in panel_multiply's order, for all positions. */
static inline size_t block_weights(const winograd_grid *grid, unsigned wide) {
  const size_t weights = kind_weights(grid->kind);
  return weights * weights * grid->blocks * LANES * wide * LANES;
}

/* --- rows --- */

enum { ROWS_MIN_SIZE = 32, ROWS_MAX_CHANNELS = 64, ROWS_WIDE = 2, ROWS_TILE = 4 };

static inline bool rows_accepts(const r18_conv *conv) {
  return winograd_fits(conv) && conv->stride == 1 && conv->out_size % ROWS_TILE == 0 &&
         conv->out_size >= ROWS_MIN_SIZE && conv->in_channels <= ROWS_MAX_CHANNELS;
}

static inline bool rows_pack(const r18_conv *conv, unsigned first, const float *weights, const float *bias,
                             void *packed) {
  winograd_pack(STRIDE1_TILE4, ROWS_WIDE, conv, first, weights, bias, packed);
  return true;
}

static inline size_t rows_scratch_bytes(const r18_conv *conv) {
  const winograd_grid grid = grid_make(STRIDE1_TILE4, conv->out_size, true, conv->in_channels);
  return (grid.panel_size + ROWS_WIDE * grid.product_size) * sizeof(float);
}

static inline unsigned rows_units(const r18_conv *conv) {
  return conv->out_size / ROWS_TILE;
}

static inline void rows_multiply(const winograd_grid *grid, const float *panels, const float *weights, float *products,
                                 const winograd_target *lines) {
  const size_t step = (size_t)grid->blocks * LANES * ROWS_WIDE * LANES;
  for (unsigned i = 0; i < grid->points; i++)
    for (unsigned j = 0; j < grid->points; j++, weights += step) {
      panel_multiply(ROWS_WIDE, grid->columns, grid->blocks, panels + grid->panel[i][j], weights,
                     products + ROWS_WIDE * grid->product[i][j]);
      if (i < ROWS_TILE && j == 0)
        call_outputs(lines, i, grid->columns * ROWS_TILE, ROWS_WIDE * LANES);
    }
}

static inline void rows_run(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  const winograd_grid grid = grid_make(STRIDE1_TILE4, step->out.height, true, step->in.channels);
  float *panels = (float *)(void *)run->scratch, *products = panels + grid.panel_size;
  for (unsigned unit = begin; unit < end; unit++) {
    const unsigned image = unit / step->units, y0 = unit % step->units * ROWS_TILE;
    const float *in = r18_at_f32(run, &step->in, image, (int)y0 - 1, -1);
    const winograd_target target = winograd_target_of(step, run, image);
    const float *weights = (const float *)(const void *)step->weights + step->out.channels;
    for (unsigned block = 0; block < grid.blocks; block++)
      transform_row(STRIDE1_TILE4, &grid, in + block * LANES, step->in.row / sizeof(float), step->in.channels, 0, block,
                    panels);
    for (unsigned channel = 0; channel < step->out.channels; channel += ROWS_WIDE * LANES) {
      winograd_target here = winograd_target_at(target, channel);
      here.out += y0 * here.out_row;
      rows_multiply(&grid, panels, weights, products, &here);
      here.out -= y0 * here.out_row;
      finish_row(STRIDE1_TILE4, &grid, ROWS_WIDE, products, 0, &here, y0);
      weights += block_weights(&grid, ROWS_WIDE);
    }
  }
}

/* --- blocks --- */

/* Vectors in a block of output channels. With few tiles one is enough to keep the multipliers busy, given registers
 * for all of them. */
static inline unsigned blocks_wide(unsigned size) {
  return MAX_ROWS_1 >= 16 && size <= 14 ? 1 : 2;
}

static inline bool blocks_accepts_stride1_tile4(const r18_conv *conv) {
  return winograd_fits(conv) && winograd_kind_for(conv) == STRIDE1_TILE4;
}

static inline bool blocks_accepts_stride1_tile2(const r18_conv *conv) {
  return winograd_fits(conv) && winograd_kind_for(conv) == STRIDE1_TILE2;
}

static inline bool blocks_accepts_stride2_tile4(const r18_conv *conv) {
  return winograd_fits(conv) && winograd_kind_for(conv) == STRIDE2_TILE4;
}

static inline bool blocks_accepts_stride2_tile2(const r18_conv *conv) {
  return winograd_fits(conv) && winograd_kind_for(conv) == STRIDE2_TILE2;
}

static inline winograd_grid blocks_grid(const r18_conv *conv) {
  return grid_make(winograd_kind_for(conv), conv->out_size, false, conv->in_channels);
}

static inline bool blocks_pack(const r18_conv *conv, unsigned first, const float *weights, const float *bias,
                               void *packed) {
  const unsigned wide = blocks_wide(conv->out_size);
  switch (winograd_kind_for(conv)) {
  case STRIDE1_TILE4:
    winograd_pack(STRIDE1_TILE4, wide, conv, first, weights, bias, packed);
    break;
  case STRIDE1_TILE2:
    winograd_pack(STRIDE1_TILE2, wide, conv, first, weights, bias, packed);
    break;
  case STRIDE2_TILE4:
    winograd_pack(STRIDE2_TILE4, wide, conv, first, weights, bias, packed);
    break;
  case STRIDE2_TILE2:
    winograd_pack(STRIDE2_TILE2, wide, conv, first, weights, bias, packed);
    break;
  }
  return true;
}

static inline size_t blocks_work_bytes(const r18_conv *conv) {
  return blocks_grid(conv).panel_size * sizeof(float);
}

static inline size_t blocks_scratch_bytes(const r18_conv *conv) {
  return blocks_grid(conv).product_size * blocks_wide(conv->out_size) * sizeof(float) * conv->max_batch;
}

static inline unsigned blocks_units(const r18_conv *conv) {
  return conv->out_channels / (blocks_wide(conv->out_size) * LANES);
}

static inline unsigned blocks_prepare_units(const r18_conv *conv) {
  const winograd_grid grid = blocks_grid(conv);
  return grid.rows * grid.blocks;
}

static inline float *blocks_panels(const r18_step *step, const r18_run *run, unsigned image) {
  return (float *)(void *)(run->arena + step->work.offset + image * step->work.image);
}

/* A unit is one row of tiles and one vector of channels. */
__attribute__((always_inline)) static inline void
blocks_prepare_kind(winograd_kind kind, const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  const winograd_grid grid = grid_make(kind, step->out.height, false, step->in.channels);
  for (unsigned unit = begin; unit < end; unit++) {
    const unsigned image = unit / step->units, row = unit % step->units / grid.blocks, block = unit % grid.blocks;
    const int y = (int)(row * grid.outputs * kind_stride(kind));
    const float *in = r18_at_f32(run, &step->in, image, y - 1, -1) + block * LANES;
    transform_row(kind, &grid, in, step->in.row / sizeof(float), step->in.channels, row, block,
                  blocks_panels(step, run, image));
  }
}

static inline void blocks_prepare(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  switch (winograd_kind_of(step->out.height, step->stride)) {
  case STRIDE1_TILE4:
    blocks_prepare_kind(STRIDE1_TILE4, step, run, begin, end);
    break;
  case STRIDE1_TILE2:
    blocks_prepare_kind(STRIDE1_TILE2, step, run, begin, end);
    break;
  case STRIDE2_TILE4:
    blocks_prepare_kind(STRIDE2_TILE4, step, run, begin, end);
    break;
  case STRIDE2_TILE2:
    blocks_prepare_kind(STRIDE2_TILE2, step, run, begin, end);
    break;
  }
}

/* All positions of all pictures that have the same weights, u of the rows and v of the columns. */
static inline void multiply_shared(const winograd_grid *grid, unsigned u, unsigned v, unsigned wide,
                                   const r18_step *step, const r18_run *run, const float *weights, float *products) {
  for (unsigned i = 0; i < grid->points; i++)
    for (unsigned j = 0; j < grid->points; j++) {
      if (kind_weight_of(grid->kind, i) != u || kind_weight_of(grid->kind, j) != v)
        continue;
      for (unsigned image = 0; image < run->batch; image++)
        panel_multiply(wide, grid_rows(grid, i) * grid_columns(grid, j), grid->blocks,
                       blocks_panels(step, run, image) + grid->panel[i][j], weights,
                       products + wide * (image * grid->product_size + grid->product[i][j]));
    }
}

__attribute__((always_inline)) static inline void blocks_run_kind(winograd_kind kind, const r18_step *step,
                                                                  const r18_run *run, unsigned begin, unsigned end) {
  const winograd_grid grid = grid_make(kind, step->out.height, false, step->in.channels);
  const unsigned wide = blocks_wide(step->out.height), block = wide * LANES;
  float *products = (float *)(void *)run->scratch;
  for (unsigned unit = begin; unit < end; unit++) {
    const float *weights = (const float *)(const void *)step->weights + step->out.channels;
    weights += unit * block_weights(&grid, wide);
    for (unsigned u = 0, y = 0; u < kind_weights(kind); u++)
      for (unsigned v = 0; v < kind_weights(kind); v++, weights += grid.blocks * LANES * block) {
        multiply_shared(&grid, u, v, wide, step, run, weights, products);
        for (unsigned image = 0; image < run->batch && y < step->out.height; image++) {
          const winograd_target target = winograd_target_at(winograd_target_of(step, run, image), unit * block);
          call_outputs(&target, y, step->out.width, block);
        }
        y++;
      }
    for (unsigned image = 0; image < run->batch; image++) {
      const winograd_target target = winograd_target_at(winograd_target_of(step, run, image), unit * block);
      for (unsigned row = 0; row < grid.rows; row++)
        finish_row(kind, &grid, wide, products + wide * image * grid.product_size, row, &target, row * grid.outputs);
    }
  }
}

static inline void blocks_run(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  switch (winograd_kind_of(step->out.height, step->stride)) {
  case STRIDE1_TILE4:
    blocks_run_kind(STRIDE1_TILE4, step, run, begin, end);
    break;
  case STRIDE1_TILE2:
    blocks_run_kind(STRIDE1_TILE2, step, run, begin, end);
    break;
  case STRIDE2_TILE4:
    blocks_run_kind(STRIDE2_TILE4, step, run, begin, end);
    break;
  case STRIDE2_TILE2:
    blocks_run_kind(STRIDE2_TILE2, step, run, begin, end);
    break;
  }
}

#endif

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

/* Vectors in a block of output channels. With few tiles one is enough to keep the multipliers busy, given registers
 * for all of them. */
static inline unsigned blocks_wide(unsigned size) {
  return MAX_ROWS_1 >= 16 && size <= 14 ? 1 : 2;
}

static inline bool winograd_fits(const r18_conv *conv) {
  return conv->kernel == 3 && conv->stride == 1 && conv->pad == 1 && conv->in_size == conv->out_size &&
         conv->in_channels % LANES == 0 && conv->out_channels % (2 * LANES) == 0 && conv->out_size <= MAX_SIDE;
}

/* --- rows --- */

enum { ROWS_MAX_CHANNELS = 64 };

static inline bool rows_accepts(const r18_conv *conv) {
  return winograd_fits(conv) && conv->out_size % 4 == 0 && conv->out_size >= 32 &&
         conv->in_channels <= ROWS_MAX_CHANNELS;
}

static inline size_t rows_packed_bytes(const r18_conv *conv) {
  return winograd_packed_floats(6, conv) * sizeof(float);
}

static inline bool rows_pack(const r18_conv *conv, unsigned first, const float *weights, const float *bias,
                             void *packed) {
  winograd_pack(6, 2, conv, first, weights, bias, packed);
  return true;
}

static inline size_t rows_scratch_bytes(const r18_conv *conv) {
  const winograd_grid grid = grid_make(6, conv->out_size, true, conv->in_channels);
  return (grid.panel_size + 2 * grid.product_size) * sizeof(float);
}

static inline unsigned rows_units(const r18_conv *conv) {
  return conv->out_size / 4;
}

static inline void rows_run(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  const winograd_grid grid = grid_make(6, step->out.height, true, step->in.channels);
  const size_t block_weights = (size_t)36 * step->in.channels * 2 * LANES;
  float *panels = (float *)(void *)run->scratch, *products = panels + grid.panel_size;
  for (unsigned unit = begin; unit < end; unit++) {
    const unsigned image = unit / step->units, y0 = unit % step->units * 4;
    const float *in = r18_at_f32(run, &step->in, image, (int)y0 - 1, -1);
    const winograd_target target = winograd_target_of(step, run, image);
    const float *weights = (const float *)(const void *)step->weights + step->out.channels;
    for (unsigned block = 0; block < grid.blocks; block++)
      transform_row(6, &grid, in + block * LANES, step->in.row / sizeof(float), step->in.channels, 0, block, panels);
    for (unsigned channel = 0; channel < step->out.channels; channel += 2 * LANES, weights += block_weights) {
      const winograd_target here = winograd_target_at(target, channel);
      multiply_positions(&grid, 2, panels, weights, products);
      finish_row(6, &grid, 2, products, 0, &here, y0);
    }
  }
}

/* --- blocks --- */

static inline bool blocks4_accepts(const r18_conv *conv) {
  return winograd_fits(conv) && conv->out_size % 2 == 0 && conv->out_size >= 10;
}

static inline bool blocks2_accepts(const r18_conv *conv) {
  return winograd_fits(conv);
}

static inline size_t blocks4_packed_bytes(const r18_conv *conv) {
  return winograd_packed_floats(6, conv) * sizeof(float);
}

static inline size_t blocks2_packed_bytes(const r18_conv *conv) {
  return winograd_packed_floats(4, conv) * sizeof(float);
}

static inline bool blocks4_pack(const r18_conv *conv, unsigned first, const float *weights, const float *bias,
                                void *packed) {
  winograd_pack(6, blocks_wide(conv->out_size), conv, first, weights, bias, packed);
  return true;
}

static inline bool blocks2_pack(const r18_conv *conv, unsigned first, const float *weights, const float *bias,
                                void *packed) {
  winograd_pack(4, blocks_wide(conv->out_size), conv, first, weights, bias, packed);
  return true;
}

static inline size_t blocks4_work_bytes(const r18_conv *conv) {
  return grid_make(6, conv->out_size, false, conv->in_channels).panel_size * sizeof(float);
}

static inline size_t blocks2_work_bytes(const r18_conv *conv) {
  return grid_make(4, conv->out_size, false, conv->in_channels).panel_size * sizeof(float);
}

static inline size_t blocks4_scratch_bytes(const r18_conv *conv) {
  return grid_make(6, conv->out_size, false, conv->in_channels).product_size * blocks_wide(conv->out_size) *
         sizeof(float) * conv->max_batch;
}

static inline size_t blocks2_scratch_bytes(const r18_conv *conv) {
  return grid_make(4, conv->out_size, false, conv->in_channels).product_size * blocks_wide(conv->out_size) *
         sizeof(float) * conv->max_batch;
}

static inline unsigned blocks_units(const r18_conv *conv) {
  return conv->out_channels / (blocks_wide(conv->out_size) * LANES);
}

static inline unsigned blocks4_prepare_units(const r18_conv *conv) {
  return (conv->out_size + 3) / 4 * (conv->in_channels / LANES);
}

static inline unsigned blocks2_prepare_units(const r18_conv *conv) {
  return (conv->out_size + 1) / 2 * (conv->in_channels / LANES);
}

static inline float *blocks_panels(const r18_step *step, const r18_run *run, unsigned image) {
  return (float *)(void *)(run->arena + step->work.offset + image * step->work.image);
}

__attribute__((always_inline)) static inline void blocks_prepare(unsigned points, const r18_step *step,
                                                                 const r18_run *run, unsigned begin, unsigned end) {
  const winograd_grid grid = grid_make(points, step->in.height, false, step->in.channels);
  const unsigned units = grid.rows * grid.blocks;
  for (unsigned unit = begin; unit < end; unit++) {
    const unsigned image = unit / units, row = unit % units / grid.blocks, block = unit % grid.blocks;
    const float *in = r18_at_f32(run, &step->in, image, (int)(row * grid.outputs) - 1, -1);
    transform_row(points, &grid, in + block * LANES, step->in.row / sizeof(float), step->in.channels, row, block,
                  blocks_panels(step, run, image));
  }
}

static inline void blocks4_prepare(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  blocks_prepare(6, step, run, begin, end);
}

static inline void blocks2_prepare(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  blocks_prepare(4, step, run, begin, end);
}

/* All pictures pass a position before the next one, so that its weights are still near. */
static inline void multiply_batch(const winograd_grid *grid, unsigned wide, const r18_step *step, const r18_run *run,
                                  const float *weights, float *products) {
  for (unsigned i = 0; i < grid->points; i++)
    for (unsigned j = 0; j < grid->points; j++) {
      for (unsigned image = 0; image < run->batch; image++)
        panel_multiply(wide, grid_rows(grid, i) * grid_columns(grid, j), grid->blocks,
                       blocks_panels(step, run, image) + grid->panel[i][j], weights,
                       products + wide * (image * grid->product_size + grid->product[i][j]));
      weights += (size_t)grid->blocks * LANES * wide * LANES;
    }
}

__attribute__((always_inline)) static inline void blocks_run(unsigned points, const r18_step *step, const r18_run *run,
                                                             unsigned begin, unsigned end) {
  const winograd_grid grid = grid_make(points, step->out.height, false, step->in.channels);
  const unsigned wide = blocks_wide(step->out.height), block = wide * LANES;
  const float *weights = (const float *)(const void *)step->weights + step->out.channels;
  float *products = (float *)(void *)run->scratch;
  for (unsigned unit = begin; unit < end; unit++) {
    multiply_batch(&grid, wide, step, run, weights + (size_t)unit * points * points * step->in.channels * block,
                   products);
    for (unsigned image = 0; image < run->batch; image++) {
      const winograd_target target = winograd_target_at(winograd_target_of(step, run, image), unit * block);
      for (unsigned row = 0; row < grid.rows; row++)
        finish_row(points, &grid, wide, products + wide * image * grid.product_size, row, &target, row * grid.outputs);
    }
  }
}

static inline void blocks4_run(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  blocks_run(6, step, run, begin, end);
}

static inline void blocks2_run(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  blocks_run(4, step, run, begin, end);
}

#endif

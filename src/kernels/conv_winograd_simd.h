/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The float Winograd kernels: how the work is cut. Included by one file for each instruction set.
 *
 * Groups: large pictures. A unit is a group of tiles from their inputs to their outputs; what it computes on the way
 *         stays in the thread's own cache.
 * Blocks: small pictures with many channels. All inputs are transformed first; then a unit is one block of output
 *         channels for all tiles of all pictures. Its weights are stored as they are, a quarter of what they are
 *         transformed, and transformed on the way, once for all pictures.
 * Apart:  the same, but each thread transforms all inputs for itself, which for few threads takes no longer than to
 * hand them from one core's cache to another's. */
#ifndef RESNET18_CONV_WINOGRAD_SIMD_H
#define RESNET18_CONV_WINOGRAD_SIMD_H

#include "simd_tables.h"
#include "winograd.h"

static inline bool winograd_fits(const r18_conv *conv) {
  return conv->kernel == 3 && conv->pad == 1 && (conv->stride == 1 || conv->stride == 2) &&
         conv->in_size == conv->out_size * conv->stride && conv->in_channels % LANES == 0 &&
         conv->out_channels % R18_PACK_GROUP == 0 && conv->in_size <= MAX_SIDE;
}

/* Of the groups: pictures of at least GROUP_MIN_SIZE pixels a side, in whole tiles. */
enum { GROUP_MIN_SIZE = 20 };

static inline bool fits_groups(unsigned size) {
  return size % TILE == 0 && size >= GROUP_MIN_SIZE;
}

static inline winograd_kind winograd_kind_of(unsigned size, unsigned stride) {
  if (stride == 1)
    return size % TILE == 3 ? STRIDE1_REST3 : STRIDE1_REST2;
  return size % TILE == 3 ? STRIDE2_REST3 : STRIDE2_REST2;
}

/* --- groups --- */

/* Tiles of a group: few where the weights stay in the second-level cache from one group to the next (64 x 64 channels,
 * 0.6 MB), else as many as leave room there for their own values. */
enum { GROUP_SMALL = 14, GROUP_LARGE = 28, GROUP_LEAST = 7, GROUP_WIDE = 2 };

static inline bool groups_accept(const r18_conv *conv, unsigned stride) {
  return winograd_fits(conv) && conv->stride == stride && fits_groups(conv->out_size);
}

static inline bool groups_accepts_stride1(const r18_conv *conv) {
  return groups_accept(conv, 1);
}

static inline bool groups_accepts_stride2(const r18_conv *conv) {
  return groups_accept(conv, 2);
}

static inline size_t groups_packed_bytes(const r18_conv *conv) {
  return winograd_packed_floats(conv, WEIGHTS * WEIGHTS) * sizeof(float);
}

static inline bool groups_pack(const r18_conv *conv, unsigned first, const float *weights, const float *bias,
                               void *packed) {
  winograd_pack(GROUP_WIDE, conv, first, weights, bias, packed);
  return true;
}

static inline unsigned groups_tiles(unsigned size) {
  return size / TILE * (size / TILE);
}

static inline unsigned groups_units(const r18_conv *conv) {
  const unsigned tiles = groups_tiles(conv->out_size), most = tiles / GROUP_LEAST;
  const unsigned count = conv->stride == 1 && conv->in_channels <= 64 ? GROUP_SMALL : GROUP_LARGE;
  const unsigned units = (tiles + count - 1) / count, threads = conv->threads < most ? conv->threads : most;
  return units > threads ? units : threads;
}

static inline size_t groups_scratch_bytes(const r18_conv *conv) {
  const unsigned units = groups_units(conv), tiles = (groups_tiles(conv->out_size) + units - 1) / units;
  const winograd_grid grid = grid_of_tiles(winograd_kind_of(conv->out_size, conv->stride), tiles, conv->in_channels);
  return (grid.panel_size + GROUP_WIDE * grid.product_size) * sizeof(float);
}

/* The tiles of a unit, [begin, end) counted row by row. */
typedef struct {
  unsigned begin, end, columns;
} tile_range;

static inline tile_range groups_range(const r18_step *step, unsigned unit) {
  const unsigned tiles = groups_tiles(step->out.height);
  return (tile_range){tiles * unit / step->units, tiles * (unit + 1) / step->units, step->out.height / TILE};
}

/* The tiles of the range from `tile` to the end of its row in the picture. */
static inline winograd_segment groups_segment(const tile_range *range, unsigned tile) {
  const unsigned in_row = range->columns - tile % range->columns, left = range->end - tile;
  return (winograd_segment){.column = tile - range->begin, .full_columns = in_row < left ? in_row : left};
}

static inline void groups_transform(const winograd_grid *grid, const tile_range *range, const r18_step *step,
                                    const r18_run *run, unsigned image, float *panels) {
  const unsigned inputs = TILE * kind_stride(grid->kind);
  winograd_segment segment;
  for (unsigned tile = range->begin; tile < range->end; tile += segment.full_columns) {
    segment = groups_segment(range, tile);
    const int y = (int)(tile / range->columns * inputs), x = (int)(tile % range->columns * inputs);
    const float *in = r18_at_f32(run, &step->in, image, y - 1, x - 1);
    for (unsigned block = 0; block < grid->blocks; block++)
      transform_segment(grid, &segment, in + block * LANES, step->in.row / sizeof(float), step->in.channels, block,
                        panels);
  }
}

static inline void groups_call_outputs(const tile_range *range, unsigned line, const winograd_target *target) {
  winograd_segment segment;
  for (unsigned tile = range->begin; tile < range->end; tile += segment.full_columns) {
    segment = groups_segment(range, tile);
    call_outputs(target, tile / range->columns * TILE + line, tile % range->columns * TILE, segment.full_columns * TILE,
                 GROUP_WIDE * LANES);
  }
}

static inline void groups_multiply(const winograd_grid *grid, const tile_range *range, const float *panels,
                                   const float *weights, float *products, const winograd_target *target) {
  const size_t step = (size_t)grid->blocks * LANES * GROUP_WIDE * LANES;
  for (unsigned i = 0; i < grid->points; i++) {
    for (unsigned j = 0; j < grid->points; j++) {
      const size_t shared = kind_weight_of(grid->kind, i) * WEIGHTS + kind_weight_of(grid->kind, j);
      const panel_weights use = weights_in_order(weights + shared * step, GROUP_WIDE);
      panel_multiply(GROUP_WIDE, grid->columns, grid->blocks, panels + grid->panel[i][j], &use, false,
                     products + GROUP_WIDE * grid->product[i][j]);
    }
    if (i < TILE)
      groups_call_outputs(range, i, target);
  }
}

static inline void groups_finish(const winograd_grid *grid, const tile_range *range, const float *products,
                                 const winograd_target *target) {
  winograd_segment segment;
  for (unsigned tile = range->begin; tile < range->end; tile += segment.full_columns) {
    segment = groups_segment(range, tile);
    finish_segment(grid, GROUP_WIDE, products, &segment, target, tile / range->columns * TILE,
                   tile % range->columns * TILE);
  }
}

static inline void groups_run(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  const winograd_kind kind = winograd_kind_of(step->out.height, step->stride);
  for (unsigned unit = begin; unit < end; unit++) {
    const unsigned image = unit / step->units;
    const tile_range range = groups_range(step, unit % step->units);
    const winograd_grid grid = grid_of_tiles(kind, range.end - range.begin, step->in.channels);
    const winograd_target target = winograd_target_of(step, run, image);
    const float *weights = (const float *)(const void *)step->weights + step->out.channels;
    float *panels = (float *)(void *)run->scratch, *products = panels + grid.panel_size;
    groups_transform(&grid, &range, step, run, image, panels);
    for (unsigned channel = 0; channel < step->out.channels; channel += GROUP_WIDE * LANES) {
      const winograd_target here = winograd_target_at(target, channel);
      groups_multiply(&grid, &range, panels, weights, products, &here);
      groups_finish(&grid, &range, products, &here);
      weights += (size_t)WEIGHTS * WEIGHTS * step->in.channels * GROUP_WIDE * LANES;
    }
  }
}

/* --- blocks --- */

/* Weights are transformed for half the rows of points and so many input channels at a time that they stay in the
 * second-level cache until they are used. */
enum { BLOCKS_ROWS = WEIGHTS / 2, BLOCKS_DEPTH = 128 };

/* Vectors in a block of output channels. */
static inline unsigned blocks_wide(void) {
  return 2;
}

static inline bool blocks_accept(const r18_conv *conv, unsigned stride) {
  return winograd_fits(conv) && conv->stride == stride && conv->out_size % TILE != 1;
}

static inline bool blocks_accepts_stride1(const r18_conv *conv) {
  return blocks_accept(conv, 1);
}

static inline bool blocks_accepts_stride2(const r18_conv *conv) {
  return blocks_accept(conv, 2);
}

static inline size_t blocks_packed_bytes(const r18_conv *conv) {
  return winograd_packed_floats(conv, TAPS) * sizeof(float);
}

static inline bool blocks_pack(const r18_conv *conv, unsigned first, const float *weights, const float *bias,
                               void *packed) {
  winograd_pack_taps(blocks_wide(), conv, first, weights, bias, packed);
  return true;
}

static inline winograd_grid blocks_grid(const r18_conv *conv, unsigned images) {
  return grid_of_pictures(winograd_kind_of(conv->out_size, conv->stride), images, conv->out_size, conv->in_channels);
}

static inline size_t blocks_work_bytes(const r18_conv *conv) {
  return blocks_grid(conv, 1).panel_size * sizeof(float);
}

/* Floats of the weights at hand: from one point to the next, and all. The padding keeps the points, which are written
 * side by side, from falling on the same cache sets. */
static inline size_t blocks_weights_step(unsigned wide) {
  return (size_t)BLOCKS_DEPTH * wide * LANES + PANEL_PAD;
}

static inline size_t blocks_weights_size(unsigned wide) {
  return blocks_weights_step(wide) * BLOCKS_ROWS * WEIGHTS;
}

static inline size_t blocks_scratch_bytes(const r18_conv *conv) {
  const unsigned wide = blocks_wide();
  return (blocks_weights_size(wide) + blocks_grid(conv, conv->max_batch).product_size * wide) * sizeof(float);
}

static inline unsigned blocks_units(const r18_conv *conv) {
  return conv->out_channels / (blocks_wide() * LANES);
}

static inline unsigned blocks_prepare_units(const r18_conv *conv) {
  const winograd_grid grid = blocks_grid(conv, 1);
  return grid.rows * grid.blocks;
}

static inline winograd_grid blocks_step_grid(const r18_step *step, const r18_run *run) {
  return grid_of_pictures(winograd_kind_of(step->out.height, step->stride), run->batch, step->out.height,
                          step->in.channels);
}

static inline float *shared_panels(const r18_step *step, const r18_run *run) {
  return (float *)(void *)(run->arena + step->work.offset);
}

/* One row of tiles and one vector of channels. */
static inline void blocks_transform(const winograd_grid *grid, const r18_step *step, const r18_run *run, unsigned image,
                                    unsigned row, unsigned block, float *panels) {
  const int y = (int)(row * TILE * kind_stride(grid->kind));
  const float *in = r18_at_f32(run, &step->in, image, y - 1, -1) + block * LANES;
  const winograd_segment segment = grid_row(grid, image, row);
  transform_segment(grid, &segment, in, step->in.row / sizeof(float), step->in.channels, block, panels);
}

static inline void blocks_prepare(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  const winograd_grid grid = blocks_step_grid(step, run);
  for (unsigned unit = begin; unit < end; unit++)
    blocks_transform(&grid, step, run, unit / step->units, unit % step->units / grid.blocks, unit % grid.blocks,
                     shared_panels(step, run));
}

/* Rows of points, from `row` on, for some input channels of a block of output channels. */
typedef struct {
  unsigned row, channel, depth;
  const float *taps, *weights;
} blocks_slice;

__attribute__((always_inline)) static inline void slice_rows(unsigned stride, unsigned row, unsigned wide,
                                                             const float *taps, unsigned depth, float *weights) {
  const size_t block = wide * LANES, step = blocks_weights_step(wide);
  for (unsigned c = 0; c < depth; c++, taps += TAPS * block, weights += block)
    for (unsigned lane = 0; lane < block; lane += LANES)
      transform_taps(stride, row, BLOCKS_ROWS, taps + lane, block, weights + lane, step);
}

__attribute__((noinline, unused)) static void slice_weights(unsigned stride, unsigned row, unsigned wide,
                                                            const float *taps, unsigned depth, float *weights) {
  if (stride == 1 && row == 0)
    slice_rows(1, 0, wide, taps, depth, weights);
  else if (stride == 1)
    slice_rows(1, BLOCKS_ROWS, wide, taps, depth, weights);
  else if (row == 0)
    slice_rows(2, 0, wide, taps, depth, weights);
  else
    slice_rows(2, BLOCKS_ROWS, wide, taps, depth, weights);
}

/* All positions with the same weights, u of the rows and v of the columns. */
static inline void multiply_shared(const winograd_grid *grid, unsigned u, unsigned v, unsigned wide, unsigned channel,
                                   unsigned depth, const panel_weights *weights, const float *panels, float *products) {
  const winograd_points rows = kind_points_of(grid->kind, u), columns = kind_points_of(grid->kind, v);
  for (unsigned a = 0; a < rows.count; a++)
    for (unsigned b = 0; b < columns.count; b++) {
      const unsigned i = rows.point[a], j = columns.point[b], tiles = grid_tiles(grid, i, j);
      panel_multiply(wide, tiles, depth / LANES, panels + grid->panel[i][j] + channel * tiles, weights, channel > 0,
                     products + wide * grid->product[i][j]);
    }
}

/* Meanwhile the taps of the next input channels come from memory. */
static inline void multiply_slice(const winograd_grid *grid, unsigned wide, const blocks_slice *slice,
                                  const float *panels, float *products) {
  const size_t block = (size_t)TAPS * wide * LANES, step = block / (WEIGHTS * WEIGHTS);
  const float *next = slice->taps + slice->depth * block + slice->row * WEIGHTS * slice->depth * step;
  panel_weights weights = {slice->weights, next, step};
  for (unsigned u = slice->row; u < slice->row + BLOCKS_ROWS; u++)
    for (unsigned v = 0; v < WEIGHTS; v++) {
      multiply_shared(grid, u, v, wide, slice->channel, slice->depth, &weights, panels, products);
      weights.at += blocks_weights_step(wide);
      weights.ahead += slice->depth * step;
    }
}

/* The products of one block of output channels, first channel `channel`, for all pictures. */
static inline void blocks_multiply(const winograd_grid *grid, unsigned wide, const r18_step *step, unsigned channel,
                                   const float *panels, float *weights, float *products) {
  const unsigned depth = step->in.channels;
  const float *taps = (const float *)(const void *)step->weights + step->out.channels + (size_t)channel * TAPS * depth;
  for (unsigned c = 0; c < depth; c += BLOCKS_DEPTH)
    for (unsigned row = 0; row < WEIGHTS; row += BLOCKS_ROWS) {
      const blocks_slice slice = {.row = row,
                                  .channel = c,
                                  .depth = depth - c < BLOCKS_DEPTH ? depth - c : BLOCKS_DEPTH,
                                  .taps = taps + (size_t)c * TAPS * wide * LANES,
                                  .weights = weights};
      slice_weights(step->stride, row, wide, slice.taps, slice.depth, weights);
      multiply_slice(grid, wide, &slice, panels, products);
    }
}

static inline void blocks_finish(const winograd_grid *grid, unsigned wide, const r18_step *step, const r18_run *run,
                                 unsigned channel, const float *products) {
  for (unsigned image = 0; image < run->batch; image++) {
    const winograd_target target = winograd_target_at(winograd_target_of(step, run, image), channel);
    for (unsigned row = 0; row < grid->rows; row++) {
      const winograd_segment segment = grid_row(grid, image, row);
      finish_segment(grid, wide, products, &segment, &target, row * TILE, 0);
    }
  }
}

/* Without a place for shared panels, they are this thread's own, in its scratch behind the rest. */
static inline void blocks_run(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  const bool apart = !step->work.element;
  const winograd_grid grid = blocks_step_grid(step, run);
  const unsigned wide = blocks_wide(), block = wide * LANES;
  float *weights = (float *)(void *)run->scratch, *products = weights + blocks_weights_size(wide);
  float *panels = apart ? products + wide * grid.product_size : shared_panels(step, run);
  for (unsigned image = 0; image < run->batch && apart && !run->continues; image++)
    for (unsigned row = 0; row < grid.rows; row++)
      for (unsigned i = 0; i < grid.blocks; i++)
        blocks_transform(&grid, step, run, image, row, i, panels);
  for (unsigned unit = begin; unit < end; unit++) {
    blocks_multiply(&grid, wide, step, unit * block, panels, weights, products);
    blocks_finish(&grid, wide, step, run, unit * block, products);
  }
}

/* --- apart --- */

enum { APART_MAX_THREADS = 3 };

static inline bool apart_accepts_stride1(const r18_conv *conv) {
  return blocks_accepts_stride1(conv) && conv->threads <= APART_MAX_THREADS;
}

static inline bool apart_accepts_stride2(const r18_conv *conv) {
  return blocks_accepts_stride2(conv) && conv->threads <= APART_MAX_THREADS;
}

static inline size_t apart_scratch_bytes(const r18_conv *conv) {
  return blocks_grid(conv, conv->max_batch).panel_size * sizeof(float) + blocks_scratch_bytes(conv);
}

/* --- the table --- */

/* The file of an instruction set says what its table is called; the numbers of the entries are in simd_tables.h. */
#ifdef WINOGRAD_TABLE
const r18_conv_kernel WINOGRAD_TABLE[R18_WINOGRAD_KERNELS] = {
    [R18_WINOGRAD4_GROUPS] =
        {
            .name = "conv_winograd4_groups",
            .set = SIMD_SET,
            .element = sizeof(float),
            .accepts = groups_accepts_stride1,
            .packed_bytes = groups_packed_bytes,
            .pack = groups_pack,
            .scratch_bytes = groups_scratch_bytes,
            .units = groups_units,
            .run = groups_run,
        },
    [R18_WINOGRAD4_STRIDE2_GROUPS] =
        {
            .name = "conv_winograd4_stride2_groups",
            .set = SIMD_SET,
            .element = sizeof(float),
            .accepts = groups_accepts_stride2,
            .packed_bytes = groups_packed_bytes,
            .pack = groups_pack,
            .scratch_bytes = groups_scratch_bytes,
            .units = groups_units,
            .run = groups_run,
        },
    [R18_WINOGRAD4_APART] =
        {
            .name = "conv_winograd4_apart",
            .set = SIMD_SET,
            .element = sizeof(float),
            .spans_batch = true,
            .accepts = apart_accepts_stride1,
            .packed_bytes = blocks_packed_bytes,
            .pack = blocks_pack,
            .scratch_bytes = apart_scratch_bytes,
            .units = blocks_units,
            .run = blocks_run,
        },
    [R18_WINOGRAD4_STRIDE2_APART] =
        {
            .name = "conv_winograd4_stride2_apart",
            .set = SIMD_SET,
            .element = sizeof(float),
            .spans_batch = true,
            .accepts = apart_accepts_stride2,
            .packed_bytes = blocks_packed_bytes,
            .pack = blocks_pack,
            .scratch_bytes = apart_scratch_bytes,
            .units = blocks_units,
            .run = blocks_run,
        },
    [R18_WINOGRAD4] =
        {
            .name = "conv_winograd4",
            .set = SIMD_SET,
            .element = sizeof(float),
            .spans_batch = true,
            .accepts = blocks_accepts_stride1,
            .packed_bytes = blocks_packed_bytes,
            .pack = blocks_pack,
            .scratch_bytes = blocks_scratch_bytes,
            .units = blocks_units,
            .run = blocks_run,
            .prepare = blocks_prepare,
            .prepare_units = blocks_prepare_units,
            .work_bytes = blocks_work_bytes,
        },
    [R18_WINOGRAD4_STRIDE2] =
        {
            .name = "conv_winograd4_stride2",
            .set = SIMD_SET,
            .element = sizeof(float),
            .spans_batch = true,
            .accepts = blocks_accepts_stride2,
            .packed_bytes = blocks_packed_bytes,
            .pack = blocks_pack,
            .scratch_bytes = blocks_scratch_bytes,
            .units = blocks_units,
            .run = blocks_run,
            .prepare = blocks_prepare,
            .prepare_units = blocks_prepare_units,
            .work_bytes = blocks_work_bytes,
        },
};
#endif

#endif

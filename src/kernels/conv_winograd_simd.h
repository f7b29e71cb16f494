/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The float Winograd kernels: how the work is cut. Included by one file for each instruction set.
 *
 * Groups: large pictures. A unit is a group of tiles from their inputs to their outputs; what it computes on the way
 *         stays in the thread's own cache.
 * Blocks: small pictures with many channels. All inputs are transformed first; then a unit is one block of output
 *         channels for all tiles of all pictures, so that each weight is fetched once.
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

/* Of the groups: pictures of at least GROUP_MIN_SIZE pixels a side, in tiles of GROUP_TILE. */
enum { GROUP_MIN_SIZE = 20, GROUP_TILE = 4 };

static inline bool fits_groups(unsigned size) {
  return size % GROUP_TILE == 0 && size >= GROUP_MIN_SIZE;
}

/* Large tiles multiply less, but need more weights: 4 times those of the convolution itself where small tiles need 1.8
 * times. At stride 1 and 14 pixels that is 15 MB more for a forward pass that is 8 % shorter; a process that classifies
 * shall stay under 120 MB, so small tiles do it there. Stride 2 pays from this size on. */
enum { LARGE_TILES_STRIDE2 = 10 };

static inline winograd_kind winograd_kind_of(unsigned size, unsigned stride) {
  if (stride == 1)
    return fits_groups(size) ? STRIDE1_TILE4 : STRIDE1_TILE2;
  return size % 2 == 0 && size >= LARGE_TILES_STRIDE2 ? STRIDE2_TILE4 : STRIDE2_TILE2;
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

static inline bool groups_pack(const r18_conv *conv, unsigned first, const float *weights, const float *bias,
                               void *packed) {
  if (conv->stride == 1)
    winograd_pack(STRIDE1_TILE4, GROUP_WIDE, conv, first, weights, bias, packed);
  else
    winograd_pack(STRIDE2_TILE4, GROUP_WIDE, conv, first, weights, bias, packed);
  return true;
}

static inline unsigned groups_tiles(unsigned size) {
  return size / GROUP_TILE * (size / GROUP_TILE);
}

static inline unsigned groups_units(const r18_conv *conv) {
  const unsigned tiles = groups_tiles(conv->out_size), most = tiles / GROUP_LEAST;
  const unsigned count = conv->stride == 1 && conv->in_channels <= 64 ? GROUP_SMALL : GROUP_LARGE;
  const unsigned units = (tiles + count - 1) / count, threads = conv->threads < most ? conv->threads : most;
  return units > threads ? units : threads;
}

static inline size_t groups_scratch_bytes(const r18_conv *conv) {
  const unsigned units = groups_units(conv), tiles = (groups_tiles(conv->out_size) + units - 1) / units;
  const winograd_grid grid = grid_of_tiles(winograd_kind_for(conv), tiles, conv->in_channels);
  return (grid.panel_size + GROUP_WIDE * grid.product_size) * sizeof(float);
}

/* The tiles of a unit, [begin, end) counted row by row. */
typedef struct {
  unsigned begin, end, columns;
} tile_range;

static inline tile_range groups_range(const r18_step *step, unsigned unit) {
  const unsigned tiles = groups_tiles(step->out.height);
  return (tile_range){tiles * unit / step->units, tiles * (unit + 1) / step->units, step->out.height / GROUP_TILE};
}

/* The tiles of the range from `tile` to the end of its row in the picture. */
static inline winograd_segment groups_segment(const tile_range *range, unsigned tile) {
  const unsigned in_row = range->columns - tile % range->columns, left = range->end - tile;
  return (winograd_segment){.column = tile - range->begin, .full_columns = in_row < left ? in_row : left};
}

static inline void groups_transform(const winograd_grid *grid, const tile_range *range, const r18_step *step,
                                    const r18_run *run, unsigned image, float *panels) {
  const unsigned inputs = GROUP_TILE * kind_stride(grid->kind);
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
    call_outputs(target, tile / range->columns * GROUP_TILE + line, tile % range->columns * GROUP_TILE,
                 segment.full_columns * GROUP_TILE, GROUP_WIDE * LANES);
  }
}

static inline void groups_multiply(const winograd_grid *grid, const tile_range *range, const float *panels,
                                   const float *weights, float *products, const winograd_target *target) {
  const size_t step = (size_t)grid->blocks * LANES * GROUP_WIDE * LANES;
  const unsigned count = kind_weights(grid->kind);
  for (unsigned i = 0; i < grid->points; i++) {
    for (unsigned j = 0; j < grid->points; j++) {
      const size_t shared = kind_weight_of(grid->kind, i) * count + kind_weight_of(grid->kind, j);
      panel_multiply(GROUP_WIDE, grid->columns, grid->blocks, panels + grid->panel[i][j], weights + shared * step,
                     products + GROUP_WIDE * grid->product[i][j]);
    }
    if (i < GROUP_TILE)
      groups_call_outputs(range, i, target);
  }
}

static inline void groups_finish(const winograd_grid *grid, const tile_range *range, const float *products,
                                 const winograd_target *target) {
  winograd_segment segment;
  for (unsigned tile = range->begin; tile < range->end; tile += segment.full_columns) {
    segment = groups_segment(range, tile);
    finish_segment(grid, GROUP_WIDE, products, &segment, target, tile / range->columns * GROUP_TILE,
                   tile % range->columns * GROUP_TILE);
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
      weights += block_weights(&grid, GROUP_WIDE);
    }
  }
}

/* --- blocks --- */

/* Vectors in a block of output channels. With few tiles one is enough to keep the multipliers busy, given registers
 * for all of them. */
static inline unsigned blocks_wide(unsigned size) {
  return MAX_ROWS_1 >= 16 && size <= 14 ? 1 : 2;
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
  return grid_of_picture(winograd_kind_for(conv), conv->out_size, conv->in_channels);
}

static inline bool blocks_pack(const r18_conv *conv, unsigned first, const float *weights, const float *bias,
                               void *packed) {
  const unsigned wide = blocks_wide(conv->out_size);
  const winograd_kind kind = winograd_kind_for(conv);
  if (kind == STRIDE2_TILE4)
    winograd_pack(STRIDE2_TILE4, wide, conv, first, weights, bias, packed);
  else if (kind == STRIDE2_TILE2)
    winograd_pack(STRIDE2_TILE2, wide, conv, first, weights, bias, packed);
  else
    winograd_pack(STRIDE1_TILE2, wide, conv, first, weights, bias, packed);
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

/* The transformed inputs of the pictures, `image` floats apart. */
typedef struct {
  float *first;
  size_t image;
} blocks_panels;

static inline blocks_panels shared_panels(const r18_step *step, const r18_run *run) {
  return (blocks_panels){(float *)(void *)(run->arena + step->work.offset), step->work.image / sizeof(float)};
}

/* One row of tiles and one vector of channels. */
static inline void blocks_transform(const winograd_grid *grid, const r18_step *step, const r18_run *run, unsigned image,
                                    unsigned row, unsigned block, const blocks_panels *panels) {
  const int y = (int)(row * grid->outputs * kind_stride(grid->kind));
  const float *in = r18_at_f32(run, &step->in, image, y - 1, -1) + block * LANES;
  const winograd_segment segment = grid_row(grid, row);
  transform_segment(grid, &segment, in, step->in.row / sizeof(float), step->in.channels, block,
                    panels->first + image * panels->image);
}

static inline void blocks_prepare(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  const winograd_grid grid =
      grid_of_picture(winograd_kind_of(step->out.height, step->stride), step->out.height, step->in.channels);
  const blocks_panels panels = shared_panels(step, run);
  for (unsigned unit = begin; unit < end; unit++)
    blocks_transform(&grid, step, run, unit / step->units, unit % step->units / grid.blocks, unit % grid.blocks,
                     &panels);
}

/* All positions of all pictures that have the same weights, u of the rows and v of the columns. */
static inline void multiply_shared(const winograd_grid *grid, unsigned u, unsigned v, unsigned wide, unsigned batch,
                                   const blocks_panels *panels, const float *weights, float *products) {
  for (unsigned i = 0; i < grid->points; i++)
    for (unsigned j = 0; j < grid->points; j++) {
      if (kind_weight_of(grid->kind, i) != u || kind_weight_of(grid->kind, j) != v)
        continue;
      for (unsigned image = 0; image < batch; image++)
        panel_multiply(wide, grid_rows(grid, i) * grid_columns(grid, j), grid->blocks,
                       panels->first + image * panels->image + grid->panel[i][j], weights,
                       products + wide * (image * grid->product_size + grid->product[i][j]));
    }
}

/* The products of one block of output channels, first channel `channel`, for all pictures. */
static inline void blocks_multiply(const winograd_grid *grid, unsigned wide, const r18_step *step, const r18_run *run,
                                   unsigned channel, const blocks_panels *panels, float *products) {
  const unsigned count = kind_weights(grid->kind), block = wide * LANES;
  const float *weights = (const float *)(const void *)step->weights + step->out.channels;
  weights += channel / block * block_weights(grid, wide);
  for (unsigned u = 0, y = 0; u < count; u++)
    for (unsigned v = 0; v < count; v++, y++, weights += grid->blocks * LANES * block) {
      multiply_shared(grid, u, v, wide, run->batch, panels, weights, products);
      for (unsigned image = 0; image < run->batch && y < step->out.height; image++) {
        const winograd_target target = winograd_target_at(winograd_target_of(step, run, image), channel);
        call_outputs(&target, y, 0, step->out.width, block);
      }
    }
}

static inline void blocks_finish(const winograd_grid *grid, unsigned wide, const r18_step *step, const r18_run *run,
                                 unsigned channel, const float *products) {
  for (unsigned image = 0; image < run->batch; image++) {
    const winograd_target target = winograd_target_at(winograd_target_of(step, run, image), channel);
    for (unsigned row = 0; row < grid->rows; row++) {
      const winograd_segment segment = grid_row(grid, row);
      finish_segment(grid, wide, products + wide * image * grid->product_size, &segment, &target, row * grid->outputs,
                     0);
    }
  }
}

/* Without a place for shared panels, they are this thread's own, in its scratch before the products. */
static inline void blocks_run(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  const bool apart = !step->work.element;
  const winograd_grid grid =
      grid_of_picture(winograd_kind_of(step->out.height, step->stride), step->out.height, step->in.channels);
  const unsigned wide = blocks_wide(step->out.height), block = wide * LANES;
  float *scratch = (float *)(void *)run->scratch;
  const blocks_panels panels = apart ? (blocks_panels){scratch, grid.panel_size} : shared_panels(step, run);
  float *products = apart ? scratch + run->batch * grid.panel_size : scratch;
  for (unsigned image = 0; image < run->batch && apart && !run->continues; image++)
    for (unsigned row = 0; row < grid.rows; row++)
      for (unsigned i = 0; i < grid.blocks; i++)
        blocks_transform(&grid, step, run, image, row, i, &panels);
  for (unsigned unit = begin; unit < end; unit++) {
    blocks_multiply(&grid, wide, step, run, unit * block, &panels, products);
    blocks_finish(&grid, wide, step, run, unit * block, products);
  }
}

/* --- apart --- */

enum { APART_MAX_THREADS = 3 };

static inline bool apart_accepts_stride1_tile2(const r18_conv *conv) {
  return blocks_accepts_stride1_tile2(conv) && conv->threads <= APART_MAX_THREADS;
}

static inline bool apart_accepts_stride2_tile4(const r18_conv *conv) {
  return blocks_accepts_stride2_tile4(conv) && conv->threads <= APART_MAX_THREADS;
}

static inline bool apart_accepts_stride2_tile2(const r18_conv *conv) {
  return blocks_accepts_stride2_tile2(conv) && conv->threads <= APART_MAX_THREADS;
}

static inline size_t apart_scratch_bytes(const r18_conv *conv) {
  return blocks_work_bytes(conv) * conv->max_batch + blocks_scratch_bytes(conv);
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
            .packed_bytes = winograd_packed_bytes,
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
            .packed_bytes = winograd_packed_bytes,
            .pack = groups_pack,
            .scratch_bytes = groups_scratch_bytes,
            .units = groups_units,
            .run = groups_run,
        },
    [R18_WINOGRAD2_APART] =
        {
            .name = "conv_winograd2_apart",
            .set = SIMD_SET,
            .element = sizeof(float),
            .spans_batch = true,
            .accepts = apart_accepts_stride1_tile2,
            .packed_bytes = winograd_packed_bytes,
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
            .accepts = apart_accepts_stride2_tile4,
            .packed_bytes = winograd_packed_bytes,
            .pack = blocks_pack,
            .scratch_bytes = apart_scratch_bytes,
            .units = blocks_units,
            .run = blocks_run,
        },
    [R18_WINOGRAD2_STRIDE2_APART] =
        {
            .name = "conv_winograd2_stride2_apart",
            .set = SIMD_SET,
            .element = sizeof(float),
            .spans_batch = true,
            .accepts = apart_accepts_stride2_tile2,
            .packed_bytes = winograd_packed_bytes,
            .pack = blocks_pack,
            .scratch_bytes = apart_scratch_bytes,
            .units = blocks_units,
            .run = blocks_run,
        },
    [R18_WINOGRAD2] =
        {
            .name = "conv_winograd2",
            .set = SIMD_SET,
            .element = sizeof(float),
            .spans_batch = true,
            .accepts = blocks_accepts_stride1_tile2,
            .packed_bytes = winograd_packed_bytes,
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
            .accepts = blocks_accepts_stride2_tile4,
            .packed_bytes = winograd_packed_bytes,
            .pack = blocks_pack,
            .scratch_bytes = blocks_scratch_bytes,
            .units = blocks_units,
            .run = blocks_run,
            .prepare = blocks_prepare,
            .prepare_units = blocks_prepare_units,
            .work_bytes = blocks_work_bytes,
        },
    [R18_WINOGRAD2_STRIDE2] =
        {
            .name = "conv_winograd2_stride2",
            .set = SIMD_SET,
            .element = sizeof(float),
            .spans_batch = true,
            .accepts = blocks_accepts_stride2_tile2,
            .packed_bytes = winograd_packed_bytes,
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

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The int8 convolutions of the instruction set that this file is compiled for, written once for all of them.
 *
 * Weights are packed in blocks of BLOCK output channels, in the order in which the register tile reads them. Results
 * equal those of the plain C definitions bit for bit. */
#ifndef RESNET18_U8_BLOCKED_H
#define RESNET18_U8_BLOCKED_H

#include "conv_u8.h"
#include "quantize.h"
#include "u8_winograd.h"

#if defined(__ARM_FEATURE_DOTPROD)
#include "u8_tile_neon.h"
#define CONV_U8_SET R18_CPU_DOTPROD
#define CONV_U8_TABLE r18_conv_u8_dotprod
#elif defined(__aarch64__)
#include "u8_tile_neon.h"
#define CONV_U8_SET R18_CPU_NEON
#define CONV_U8_TABLE r18_conv_u8_neon
#elif defined(__AVX512VNNI__)
#include "u8_tile_avx512vnni.h"
#define CONV_U8_SET R18_CPU_AVX512VNNI
#define CONV_U8_TABLE r18_conv_u8_avx512vnni
#elif defined(__AVX512BW__)
#include "u8_tile_madd.h"
#define CONV_U8_SET R18_CPU_AVX512
#define CONV_U8_TABLE r18_conv_u8_avx512
#elif defined(__AVXVNNI__)
#include "u8_tile_avx2vnni.h"
#define CONV_U8_SET R18_CPU_AVX2VNNI
#define CONV_U8_TABLE r18_conv_u8_avx2vnni
#else
#include "u8_tile_madd.h"
#define CONV_U8_SET R18_CPU_AVX2
#define CONV_U8_TABLE r18_conv_u8_avx2
#endif

/* Splitting by output channel beats splitting by row where the picture is small and the weights are large. */
enum { SMALL = 14 };

static size_t round_up(size_t bytes) {
  return (bytes + 63) & ~(size_t)63;
}

/* The weights of one output channel of a block, in the order of reading; returns their sum. */
static int32_t put_weights(tile_weight *block, unsigned lane, const int8_t *weights, size_t count) {
  int32_t sum = 0;
  for (size_t k = 0; k < count; k++) {
    block[weight_index(k / 4, lane, k % 4)] = weights[k];
    sum += weights[k];
  }
  return sum;
}

/* Behind the weights of a block: y = sum * multiplier + offset, where the sum begins with `start`. */
typedef struct {
  float multiplier[BLOCK], offset[BLOCK];
  int32_t start[BLOCK];
} block_table;

/* ---- Epilogue ----------------------------------------------------------------------------------------- */

/* sums: [count][BLOCK] */
static void finish(const output_row *o, const int32_t *sums, size_t count, const block_table *table) {
  for (unsigned lane = 0; lane < BLOCK; lane += LANES) {
    vector_f m = load_floats(table->multiplier + lane), b = load_floats(table->offset + lane);
    for (size_t i = 0; i < count; i++)
      finish_vector(o, i, lane, fma_add(load_sums(sums + i * BLOCK + lane), m, b));
  }
}

/* ---- Direct ------------------------------------------------------------------------------------------- */

/* Rows:   large pictures. A unit is one row of outputs.
 * Blocks: small pictures with many channels. A unit is one block of output channels of all pictures, so that its
 * weights are fetched once and the pixels left over of one picture fill a tile with those of the next. */

/* A block: weights, table. */
static size_t direct_weights(size_t kernel, size_t in) {
  return round_up(kernel * kernel * in * BLOCK * sizeof(tile_weight));
}

static size_t direct_block(size_t kernel, size_t in) {
  return direct_weights(kernel, in) + round_up(sizeof(block_table));
}

static bool direct_fits(const r18_conv *conv) {
  return (conv->kernel == 1 || conv->kernel == 3) && conv->in_channels % 8 == 0 && conv->out_size % 7 == 0 &&
         conv->out_channels % R18_PACK_GROUP == 0;
}

static bool direct_rows_accepts(const r18_conv *conv) {
  return direct_fits(conv) && conv->out_size > SMALL;
}

static bool direct_blocks_accepts(const r18_conv *conv) {
  return direct_fits(conv) && conv->out_size <= SMALL;
}

static size_t direct_packed_bytes(const r18_conv *conv) {
  return conv->out_channels / BLOCK * direct_block(conv->kernel, conv->in_channels);
}

static void direct_pack(const r18_conv *conv, unsigned first, const r18_int8_group *group, void *packed) {
  const size_t in = conv->in_channels, each = conv->kernel * conv->kernel * in;
  for (unsigned o = 0; o < R18_PACK_GROUP; o++) {
    char *block = (char *)packed + (first + o) / BLOCK * direct_block(conv->kernel, in);
    block_table *table = (block_table *)(void *)(block + direct_weights(conv->kernel, in));
    const int8_t *own = group->weights + o * each;
    table->start[o % BLOCK] = TAKEN_OFF * put_weights((tile_weight *)(void *)block, o % BLOCK, own, each);
    table->multiplier[o % BLOCK] = conv->in_scale * group->scale[o] / conv->out_scale;
    table->offset[o % BLOCK] = r18_output_bias(conv, group->bias[o]);
  }
}

static unsigned direct_rows_units(const r18_conv *conv) {
  return conv->out_size;
}

static unsigned direct_blocks_units(const r18_conv *conv) {
  return conv->out_channels / BLOCK;
}

/* Seven neighbouring pixels of a row, which are the groups in which pictures are cut. */
typedef struct {
  unsigned image, y, x;
} seven;

static inline seven seven_at(const r18_step *step, unsigned group) {
  const unsigned per_row = step->out.width / 7, row = group / per_row;
  return (seven){row / step->out.height, row % step->out.height, group % per_row * 7};
}

/* One or two groups, counted through all pictures, of a block of channels. */
static void direct_groups(const r18_step *step, const r18_run *run, unsigned group, unsigned groups, unsigned block) {
  const size_t in = step->in.channels;
  const unsigned char *packed = step->weights + block * direct_block(step->kernel_size, in);
  const block_table *table = (const block_table *)(const void *)(packed + direct_weights(step->kernel_size, in));
  _Alignas(64) int32_t sums[14 * BLOCK];
  tile_source t = {.step = step->stride * in,
                   .row = step->in.row,
                   .pair = 8,
                   .rows = step->kernel_size,
                   .pairs = (unsigned)(step->kernel_size * in / 8)};
  for (unsigned g = 0; g < groups; g++) {
    const seven at = seven_at(step, group + g);
    t.x[g] = r18_at(run, &step->in, at.image, (int)(at.y * step->stride) - (int)step->pad,
                    (int)(at.x * step->stride) - (int)step->pad);
  }
  if (groups == 2)
    tile_14(&t, packed, table->start, sums);
  else
    tile_7(&t, packed, table->start, sums);
  for (unsigned g = 0; g < groups; g++) {
    const seven at = seven_at(step, group + g);
    const output_row o = output_at(step, run, at.image, at.y, at.x, block * BLOCK);
    finish(&o, sums + g * 7 * BLOCK, 7, table);
  }
}

static void direct_range(const r18_step *step, const r18_run *run, unsigned first, unsigned last, unsigned block) {
  unsigned group = first;
  for (; group + 2 <= last; group += 2)
    direct_groups(step, run, group, 2, block);
  if (group < last)
    direct_groups(step, run, group, 1, block);
}

static void direct_rows_run(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  const unsigned per_row = step->out.width / 7, blocks = step->out.channels / BLOCK;
  for (unsigned row = begin; row < end; row++)
    for (unsigned block = 0; block < blocks; block++)
      direct_range(step, run, row * per_row, (row + 1) * per_row, block);
}

static void direct_blocks_run(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  const unsigned groups = run->batch * step->out.height * step->out.width / 7;
  for (unsigned block = begin; block < end; block++)
    direct_range(step, run, 0, groups, block);
}

/* ---- Winograd F(2x2,3x3) ------------------------------------------------------------------------------ */

/* Transformed input, position p, tile t, channel c: [p / 2][t][c / 8][p % 2][c % 8], what pack_biased yields. */

/* Packed: factor [16][WIDE] int16; then the blocks, each weights [16][in][BLOCK], start [16][BLOCK] (takes the 128 of
 * pack_biased off again), scale [BLOCK / LANES][16][LANES], bias [BLOCK]. */
enum { FACTOR_BYTES = R18_POSITIONS * WIDE * 2 };

static size_t winograd_weights(size_t in) {
  return R18_POSITIONS * in * BLOCK * sizeof(tile_weight);
}

static size_t winograd_block(size_t in) {
  return winograd_weights(in) + R18_POSITIONS * BLOCK * (sizeof(int32_t) + sizeof(float)) + BLOCK * sizeof(float);
}

static size_t winograd_packed_bytes(const r18_conv *conv) {
  return FACTOR_BYTES + conv->out_channels / BLOCK * winograd_block(conv->in_channels);
}

static void put_winograd_channel(const r18_conv *conv, char *block, unsigned lane, const int *factor,
                                 const int8_t *weights, const float *steps) {
  const size_t in = conv->in_channels;
  int32_t *start = (int32_t *)(void *)(block + winograd_weights(in));
  float *scale = (float *)(void *)(start + R18_POSITIONS * BLOCK);
  for (unsigned p = 0; p < R18_POSITIONS; p++) {
    int32_t sum = put_weights((tile_weight *)(void *)block + p * in * BLOCK, lane, weights + p * in, in);
    start[p * BLOCK + lane] = (TAKEN_OFF - (p == R18_UNSIGNED_POSITION ? 0 : 128)) * sum;
    scale[(lane / LANES * R18_POSITIONS + p) * LANES + lane % LANES] =
        steps[p] * r18_position_scale(conv->in_scale, factor[p]) / conv->out_scale;
  }
}

static void winograd_pack(const r18_conv *conv, unsigned first, const r18_int8_group *group, void *packed) {
  const size_t in = conv->in_channels;
  int factor[R18_POSITIONS];
  for (int p = 0; p < R18_POSITIONS; p++)
    factor[p] = r18_position_factor(conv, p);
  for (unsigned o = 0; o < R18_PACK_GROUP; o++) {
    char *block = (char *)packed + FACTOR_BYTES + (first + o) / BLOCK * winograd_block(in);
    put_winograd_channel(conv, block, o % BLOCK, factor, group->weights + o * R18_POSITIONS * in,
                         group->scale + o * R18_POSITIONS);
    ((float *)(void *)(block + winograd_block(in)))[(int)(o % BLOCK) - BLOCK] = r18_output_bias(conv, group->bias[o]);
  }
  if (first == 0)
    for (unsigned i = 0; i < R18_POSITIONS * WIDE; i++)
      ((int16_t *)packed)[i] = (int16_t)factor[i / WIDE];
}

/* One row of tiles, WIDE channels; `v`: where position 0 of its first tile goes, `pair`: bytes from one pair of
 * positions to the next. */
static void transform_channels(const patch *p, unsigned tiles, unsigned columns, size_t channels, size_t channel,
                               const int16_t *factor, uint8_t *v, size_t pair) {
  vector_i left[2][4], right[2][4];
  transform_column(p, 0, channel, left[0]);
  transform_column(p, 1, channel, left[1]);
  for (unsigned tile = 0; tile < tiles; tile++, v += 2 * channels) {
    transform_column(p, 2 * tile + 2, channel, right[0]);
    if (2 * tile + 3 < columns)
      transform_column(p, 2 * tile + 3, channel, right[1]);
    else
      for (int i = 0; i < 4; i++)
        right[1][i] = sub16(right[1][i], right[1][i]);
    for (int i = 0; i < 4; i++) {
      store_bytes(v + (size_t)(2 * i) * pair,
                  pack_biased(scale_position(sub16(left[0][i], right[0][i]), factor, 4 * i),
                              scale_position(add16(left[1][i], right[0][i]), factor, 4 * i + 1)));
      store_bytes(v + (size_t)(2 * i + 1) * pair,
                  pack_biased(scale_position(sub16(right[0][i], left[1][i]), factor, 4 * i + 2),
                              scale_position(sub16(left[1][i], right[1][i]), factor, 4 * i + 3)));
      left[0][i] = right[0][i];
      left[1][i] = right[1][i];
    }
  }
}

/* Row `tile_row` of tiles to v, which has room for `all` tiles, from tile `first` on. */
static void transform_row(const r18_step *step, const r18_run *run, unsigned image, unsigned tile_row, uint8_t *v,
                          size_t all, size_t first) {
  const size_t channels = step->in.channels;
  const int16_t *factor = (const int16_t *)(const void *)step->weights;
  patch p = patch_at(step, run, image, tile_row);
  for (size_t channel = 0; channel < channels; channel += WIDE)
    transform_channels(&p, tiles_across(step->in.width), step->in.width + 2, channels, channel, factor,
                       v + first * 2 * channels + 2 * channel, all * 2 * channels);
}

/* Sums of `tiles` tiles, a multiple of seven or eight, at one position: [tile][BLOCK]. */
static void multiply_position(const uint8_t *v, size_t channels, unsigned tiles, const tile_weight *weights,
                              const int32_t *start, int32_t *sums) {
  tile_source t = {.step = 2 * channels, .pair = 16, .rows = 1, .pairs = (unsigned)channels / 8};
  for (unsigned tile = 0; tile < tiles;) {
    unsigned left = tiles - tile, take = tiles % 7 ? 8 : left >= 14 ? 14 : 7;
    t.x[0] = v + tile * t.step;
    t.x[1] = t.x[0] + 7 * t.step;
    if (take == 14)
      tile_14(&t, weights, start, sums);
    else if (take == 8)
      tile_8(&t, weights, start, sums);
    else
      tile_7(&t, weights, start, sums);
    tile += take;
    sums += take * BLOCK;
  }
}

/* sums: [16] positions, `position` numbers apart. */
static inline void finish_tile(const output_tile *o, const int32_t *sums, size_t position, const vector_f *scale,
                               vector_f bias, unsigned lane) {
  vector_f z[2][4];
  for (unsigned j = 0; j < 4; j++) {
    vector_f m[4];
    for (unsigned i = 0; i < 4; i++)
      m[i] = load_sums(sums + (4 * i + j) * position);
    vector_f start = j == 1 ? bias : spread(0.0f);
    z[0][j] = fma_add(m[2], scale[8 + j], fma_add(m[1], scale[4 + j], fma_add(m[0], scale[j], start)));
    z[1][j] = fma_sub(m[3], scale[12 + j], fma_sub(m[2], scale[8 + j], fma_add(m[1], scale[4 + j], start)));
  }
  for (unsigned i = 0; i < o->rows; i++) {
    finish_vector(&o->row[i], 0, lane, add(add(z[i][0], z[i][1]), z[i][2]));
    if (o->columns == 2)
      finish_vector(&o->row[i], 1, lane, sub(sub(z[i][1], z[i][2]), z[i][3]));
  }
}

/* Tiles [first, first + tiles) of the picture, one block of channels. v: the transformed tiles, room for `all`, those
 * wanted at the start; sums: memory. */
static void winograd_tiles(const r18_step *step, const r18_run *run, unsigned image, unsigned first, unsigned tiles,
                           unsigned block, const uint8_t *v, int32_t *sums) {
  const size_t in = step->in.channels, position = (tiles + 1) * (size_t)BLOCK;
  const unsigned char *packed = step->weights + FACTOR_BYTES + block * winograd_block(in);
  const tile_weight *weights = (const tile_weight *)(const void *)packed;
  const int32_t *start = (const int32_t *)(const void *)(packed + winograd_weights(in));
  const float *scales = (const float *)(const void *)(start + R18_POSITIONS * BLOCK);
  const float *bias = scales + R18_POSITIONS * BLOCK;
  for (unsigned p = 0; p < R18_POSITIONS; p++)
    multiply_position(v + p / 2 * tiles * 2 * in + p % 2 * 8, in, tiles, weights + p * in * BLOCK, start + p * BLOCK,
                      sums + p * position);
  for (unsigned lane = 0; lane < BLOCK; lane += LANES) {
    vector_f scale[R18_POSITIONS], b = load_floats(bias + lane);
    for (unsigned p = 0; p < R18_POSITIONS; p++)
      scale[p] = load_floats(scales + lane * R18_POSITIONS + p * LANES);
    for (unsigned tile = 0; tile < tiles; tile++) {
      output_tile o = output_tile_at(step, run, image, first + tile, block * BLOCK);
      finish_tile(&o, sums + tile * BLOCK + lane, position, scale, b, lane);
    }
  }
}

static size_t sum_bytes(unsigned tiles) {
  return (size_t)R18_POSITIONS * (tiles + 1) * BLOCK * sizeof(int32_t);
}

/* Large pictures: a row of tiles at a time, transformed into the thread's own memory. */
static bool winograd_rows_accepts(const r18_conv *conv) {
  return winograd_fits(conv) && conv->out_size > SMALL && tiles_across(conv->out_size) % 7 == 0;
}

static unsigned winograd_rows_units(const r18_conv *conv) {
  return tiles_across(conv->out_size);
}

static size_t transformed_bytes(unsigned tiles, size_t channels) {
  return R18_POSITIONS * tiles * channels;
}

static size_t winograd_rows_scratch(const r18_conv *conv) {
  unsigned tiles = tiles_across(conv->out_size);
  return transformed_bytes(tiles, conv->in_channels) + sum_bytes(tiles);
}

static void winograd_rows_run(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  const unsigned tiles = tiles_across(step->out.width), blocks = step->out.channels / BLOCK;
  uint8_t *v = run->scratch;
  int32_t *sums = (int32_t *)(void *)(v + transformed_bytes(tiles, step->in.channels));
  for (unsigned unit = begin; unit < end; unit++) {
    unsigned image = unit / step->units, row = unit % step->units;
    transform_row(step, run, image, row, v, tiles, 0);
    for (unsigned block = 0; block < blocks; block++)
      winograd_tiles(step, run, image, row * tiles, tiles, block, v, sums);
  }
}

/* Small pictures: whole pictures are transformed first, then every thread takes some of the output channels, of all
 * pictures. */
static unsigned all_tiles(unsigned size) {
  return tiles_across(size) * tiles_across(size);
}

static bool winograd_channels_accepts(const r18_conv *conv) {
  const unsigned tiles = all_tiles(conv->out_size);
  return winograd_fits(conv) && conv->out_size <= SMALL && (tiles % 7 == 0 || tiles % 8 == 0);
}

static unsigned winograd_channels_units(const r18_conv *conv) {
  return conv->out_channels / BLOCK;
}

static size_t winograd_channels_scratch(const r18_conv *conv) {
  return sum_bytes(all_tiles(conv->out_size));
}

static size_t winograd_channels_work(const r18_conv *conv) {
  return transformed_bytes(all_tiles(conv->out_size), conv->in_channels);
}

static void winograd_channels_prepare(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  const unsigned across = tiles_across(step->out.width);
  for (unsigned unit = begin; unit < end; unit++) {
    unsigned image = unit / step->units, row = unit % step->units;
    transform_row(step, run, image, row, r18_at(run, &step->work, image, 0, 0), (size_t)across * across, row * across);
  }
}

static void winograd_channels_run(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  const unsigned tiles = all_tiles(step->out.width);
  for (unsigned block = begin; block < end; block++)
    for (unsigned image = 0; image < run->batch; image++)
      winograd_tiles(step, run, image, 0, tiles, block, r18_at(run, &step->work, image, 0, 0),
                     (int32_t *)(void *)run->scratch);
}

/* ---- First layer -------------------------------------------------------------------------------------- */

/* Packed blocks: weights of 7 rows of 6 quads, table. */
enum {
  STEM_SIZE = RESNET18_SIZE / 2, /* before pooling */
  STEM_QUADS = R18_STEM_TAPS / 4,
  STEM_POOLED = STEM_SIZE / 2,
  PADDED_ROW = (RESNET18_SIZE + 6) * 3 + 14, /* bytes, a multiple of 64; 3 pixels of the mean colour on either side */
  STEM_ROW = (STEM_SIZE + 1) * R18_STEM_CHANNELS, /* a row of results with one zero pixel before it */
};

static size_t stem_weights(void) {
  return STEM_QUADS * 4 * BLOCK * sizeof(tile_weight);
}

static size_t stem_block(void) {
  return stem_weights() + sizeof(block_table);
}

static bool stem_accepts(const r18_conv *conv) {
  return r18_conv_stem_u8_c.accepts(conv);
}

static size_t stem_packed_bytes(const r18_conv *conv) {
  return R18_STEM_CHANNELS / BLOCK * stem_block();
}

static void stem_pack(const r18_conv *conv, unsigned first, const r18_int8_group *group, void *packed) {
  for (unsigned o = 0; o < R18_STEM_CHANNELS; o++) {
    char *block = (char *)packed + o / BLOCK * stem_block();
    block_table *table = (block_table *)(void *)(block + stem_weights());
    int8_t taps[R18_STEM_TAPS];
    r18_stem_channel(conv, group, o, taps, &table->multiplier[o % BLOCK], &table->offset[o % BLOCK]);
    table->start[o % BLOCK] = TAKEN_OFF * put_weights((tile_weight *)(void *)block, o % BLOCK, taps, R18_STEM_TAPS);
  }
}

/* Pooled rows. */
static unsigned stem_units(const r18_conv *conv) {
  return STEM_POOLED;
}

/* Three rows of results in turn; eleven padded rows of the picture, of which seven are read. */
static size_t stem_scratch(const r18_conv *conv) {
  return 3 * STEM_ROW + 7 * PADDED_ROW;
}

/* Row y of the picture, which may lie outside, with the mean colour around it. */
static void pad_row(const uint8_t *rgb, int y, uint8_t *out) {
  const bool inside = y >= 0 && y < RESNET18_SIZE;
  const unsigned edge = inside ? 3 : 3 + RESNET18_SIZE;
  for (unsigned x = 0; x < edge; x++)
    memcpy(out + 3 * x, r18_mean_rgb, 3);
  if (inside)
    memcpy(out + 9, rgb + y * RESNET18_SIZE * 3, RESNET18_SIZE * 3);
  for (unsigned x = 3 + RESNET18_SIZE; x < 6 + RESNET18_SIZE; x++)
    memcpy(out + 3 * x, r18_mean_rgb, 3);
}

/* Row y of the convolution's results: [112][64] at `out`. `padded`: seven rows of memory. */
static void stem_row(const r18_step *step, const uint8_t *rgb, int y, uint8_t *padded, uint8_t *out) {
  _Alignas(64) int32_t sums[14 * BLOCK];
  for (int i = 0; i < 7; i++)
    pad_row(rgb, 2 * y - 3 + i, padded + i * PADDED_ROW);
  tile_source t = {.step = 6, .row = PADDED_ROW, .pair = 8, .rows = 7, .pairs = R18_STEM_ROW / 8};
  for (unsigned block = 0; block < R18_STEM_CHANNELS / BLOCK; block++) {
    const unsigned char *packed = step->weights + block * stem_block();
    const block_table *table = (const block_table *)(const void *)(packed + stem_weights());
    for (size_t x = 0; x < STEM_SIZE; x += 14) {
      t.x[0] = padded + 6 * x;
      t.x[1] = t.x[0] + 42;
      tile_14(&t, packed, table->start, sums);
      output_row o = {.out = out + x * R18_STEM_CHANNELS + block * BLOCK, .out_step = R18_STEM_CHANNELS};
      finish(&o, sums, 14, table);
    }
  }
}

/* 3x3/2 maximum of rows a, b, c of results, each with its zero pixel before it. */
static void stem_pool(const uint8_t *a, const uint8_t *b, const uint8_t *c, uint8_t *out) {
  for (size_t lane = 0; lane < R18_STEM_CHANNELS; lane += VECTOR_BYTES) {
    vector_i left = load_bytes(a + lane);
    left = max_bytes(left, left);
    for (size_t x = 0; x < STEM_POOLED; x++) {
      vector_i column[3];
      for (size_t i = 0; i < 3; i++) {
        const size_t at = (2 * x + i) * R18_STEM_CHANNELS + lane;
        column[i] = max_bytes(max_bytes(load_bytes(a + at), load_bytes(b + at)), load_bytes(c + at));
      }
      store_bytes(out + x * R18_STEM_CHANNELS + lane, max_bytes(max_bytes(column[0], column[1]), column[2]));
    }
  }
}

static void stem_run(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  uint8_t *rows[3], *padded = run->scratch + 3 * STEM_ROW;
  for (unsigned i = 0; i < 3; i++) {
    rows[i] = run->scratch + i * STEM_ROW;
    memset(rows[i], 0, R18_STEM_CHANNELS);
  }
  for (unsigned unit = begin; unit < end; unit++) {
    const uint8_t *rgb = run->rgb + (size_t)(unit / step->units) * RESNET18_RGB_BYTES;
    const int y = (int)(unit % step->units);
    /* The row above is the last one of the unit before. */
    uint8_t *above = rows[2];
    rows[2] = rows[0];
    rows[0] = above;
    if (y == 0)
      memset(above, 0, STEM_ROW);
    else if (unit == begin)
      stem_row(step, rgb, 2 * y - 1, padded, above + R18_STEM_CHANNELS);
    stem_row(step, rgb, 2 * y, padded, rows[1] + R18_STEM_CHANNELS);
    stem_row(step, rgb, 2 * y + 1, padded, rows[2] + R18_STEM_CHANNELS);
    stem_pool(rows[0], rows[1], rows[2], r18_at(run, &step->out, unit / step->units, y, 0));
  }
}

/* ---- Table -------------------------------------------------------------------------------------------- */

const r18_conv_kernel CONV_U8_TABLE[R18_CONV_U8_KINDS] = {
    {.name = "conv_stem_u8",
     .set = CONV_U8_SET,
     .element = 1,
     .fuses_maxpool = true,
     .reads_rgb = true,
     .accepts = stem_accepts,
     .packed_bytes = stem_packed_bytes,
     .quantize = r18_quantize_stem,
     .pack_int8 = stem_pack,
     .scratch_bytes = stem_scratch,
     .units = stem_units,
     .run = stem_run},
    {.name = "conv_winograd2_u8",
     .set = CONV_U8_SET,
     .element = 1,
     .accepts = winograd_rows_accepts,
     .packed_bytes = winograd_packed_bytes,
     .positions = true,
     .quantize = r18_quantize_positions,
     .pack_int8 = winograd_pack,
     .scratch_bytes = winograd_rows_scratch,
     .units = winograd_rows_units,
     .run = winograd_rows_run},
    {.name = "conv_winograd2_u8",
     .set = CONV_U8_SET,
     .element = 1,
     .spans_batch = true,
     .accepts = winograd_channels_accepts,
     .packed_bytes = winograd_packed_bytes,
     .positions = true,
     .quantize = r18_quantize_positions,
     .pack_int8 = winograd_pack,
     .scratch_bytes = winograd_channels_scratch,
     .units = winograd_channels_units,
     .run = winograd_channels_run,
     .prepare = winograd_channels_prepare,
     .prepare_units = winograd_rows_units,
     .work_bytes = winograd_channels_work},
    {.name = "conv_direct_u8",
     .set = CONV_U8_SET,
     .element = 1,
     .accepts = direct_rows_accepts,
     .packed_bytes = direct_packed_bytes,
     .quantize = r18_quantize_direct,
     .pack_int8 = direct_pack,
     .units = direct_rows_units,
     .run = direct_rows_run},
    {.name = "conv_direct_u8",
     .set = CONV_U8_SET,
     .element = 1,
     .spans_batch = true,
     .accepts = direct_blocks_accepts,
     .packed_bytes = direct_packed_bytes,
     .quantize = r18_quantize_direct,
     .pack_int8 = direct_pack,
     .units = direct_blocks_units,
     .run = direct_blocks_run},
};

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Winograd F(2x2,3x3) on u8 with AVX512-VNNI.
 *
 * The tile in the registers is four positions (one column of the 4x4) by up to six tiles by 16 output channels, so that
 * half of the output transform is done before anything is stored: 8 floats a tile and channel go through memory instead
 * of 16 sums. vpbroadcastd from memory costs no arithmetic port on Zen 4 and two start in a cycle, so that each may
 * feed one vpdpbusd only. */
#ifndef __AVX512VNNI__
#error "to be compiled with -mavx512vnni"
#endif
#include "conv_u8.h"
#include "quantize.h"
#include "u8_winograd.h"

/* Transformed input of tile t, column j of the positions, row i, channel c, in bytes from the start:
 * tile_bytes * t + 4 * channels * j + 128 * (c / 32) + 64 * (i / 2) + 16 * (c / 8 % 4) + 8 * (i % 2) + c % 8, which is
 * what pack_biased yields for rows 2n and 2n + 1. One line more a tile, so that tiles do not share cache sets. */
static size_t tile_bytes(size_t channels) {
  return R18_POSITIONS * channels + 64;
}

/* Packed: factor [16] x 32 int16, position 4 * i + j; then for each 16 output channels weights [j][c / 4][i][16][4],
 * start [j][i][16] (takes the 128 of pack_biased off again), scale [j][i][16], bias [16]. */
enum {
  COLUMNS = 4,
  GROUP_ROWS = 4,
  FACTOR_BYTES = R18_POSITIONS * WIDE * 2,
  MOST_TILES = 6,
  SMALL = 14,                       /* size up to which output channels are shared out */
  HALF_FLOATS = COLUMNS * 2 * LANES /* half-transformed output of a tile: [j][2][16] */
};

static size_t weight_bytes(size_t in) {
  return R18_POSITIONS * in * LANES;
}

typedef struct {
  const int8_t *weights;
  const int32_t *start;
  const float *scale, *bias;
} vector_weights;

static size_t vector_bytes(size_t in) {
  return weight_bytes(in) + (2 * R18_POSITIONS + 1) * LANES * sizeof(float);
}

static vector_weights weights_of(const void *packed, size_t in, size_t vector) {
  vector_weights w;
  w.weights = (const int8_t *)packed + FACTOR_BYTES + vector * vector_bytes(in);
  w.start = (const int32_t *)(const void *)(w.weights + weight_bytes(in));
  w.scale = (const float *)(const void *)(w.start + R18_POSITIONS * LANES);
  w.bias = w.scale + R18_POSITIONS * LANES;
  return w;
}

/* ---- Packing ------------------------------------------------------------------------------------------ */

static size_t packed_bytes(const r18_conv *conv) {
  return FACTOR_BYTES + conv->out_channels / LANES * vector_bytes(conv->in_channels);
}

/* Position p of one output channel. */
static void put_row(const vector_weights *w, size_t in, unsigned lane, unsigned p, const int8_t *row) {
  const unsigned i = p / 4, j = p % 4;
  int8_t *out = (int8_t *)w->weights + j * in * GROUP_ROWS * LANES + i * LANES * 4 + lane * 4;
  int32_t sum = 0;
  for (size_t c = 0; c < in; c += 4) {
    memcpy(out + c * GROUP_ROWS * LANES, row + c, 4);
    sum += row[c] + row[c + 1] + row[c + 2] + row[c + 3];
  }
  ((int32_t *)w->start)[(j * GROUP_ROWS + i) * LANES + lane] = p == R18_UNSIGNED_POSITION ? 0 : -128 * sum;
}

static void pack(const r18_conv *conv, unsigned first, const r18_int8_group *group, void *packed) {
  const size_t in = conv->in_channels;
  int factor[R18_POSITIONS];
  for (int p = 0; p < R18_POSITIONS; p++)
    factor[p] = r18_position_factor(conv, p);
  for (unsigned o = 0; o < R18_PACK_GROUP; o++) {
    const unsigned lane = (first + o) % LANES;
    vector_weights w = weights_of(packed, in, (first + o) / LANES);
    for (unsigned p = 0; p < R18_POSITIONS; p++) {
      put_row(&w, in, lane, p, group->weights + (o * R18_POSITIONS + p) * in);
      ((float *)w.scale)[(p % 4 * GROUP_ROWS + p / 4) * LANES + lane] =
          group->scale[o * R18_POSITIONS + p] * r18_position_scale(conv->in_scale, factor[p]) / conv->out_scale;
    }
    ((float *)w.bias)[lane] = r18_output_bias(conv, group->bias[o]);
  }
  if (first == 0)
    for (unsigned i = 0; i < R18_POSITIONS * WIDE; i++)
      ((int16_t *)packed)[i] = (int16_t)factor[i / WIDE];
}

/* ---- Input transform ---------------------------------------------------------------------------------- */

/* The four rows of column j. */
static inline void put_column(uint8_t *v, const vector_i x[4], const int16_t *factor, int j) {
  vector_i scaled[4];
  for (int i = 0; i < 4; i++)
    scaled[i] = scale_position(x[i], factor, 4 * i + j);
  store_bytes(v, pack_biased(scaled[0], scaled[1]));
  store_bytes(v + 64, pack_biased(scaled[2], scaled[3]));
}

/* One row of tiles, WIDE channels from `channel` on; v: the first tile. */
static void transform_channels(const patch *p, unsigned tiles, unsigned columns, size_t channels, size_t channel,
                               const int16_t *factor, uint8_t *v) {
  vector_i left[2][4], right[2][4], x[4][4];
  v += channel / WIDE * 128;
  transform_column(p, 0, channel, left[0]);
  transform_column(p, 1, channel, left[1]);
  for (unsigned tile = 0; tile < tiles; tile++, v += tile_bytes(channels)) {
    transform_column(p, 2 * tile + 2, channel, right[0]);
    for (int i = 0; i < 4; i++) {
      x[0][i] = sub16(left[0][i], right[0][i]);
      x[1][i] = add16(left[1][i], right[0][i]);
    }
    put_column(v, x[0], factor, 0);
    put_column(v + 4 * channels, x[1], factor, 1);
    if (2 * tile + 3 < columns)
      transform_column(p, 2 * tile + 3, channel, right[1]);
    else
      for (int i = 0; i < 4; i++)
        right[1][i] = sub16(right[0][i], right[0][i]);
    for (int i = 0; i < 4; i++) {
      x[2][i] = sub16(right[0][i], left[1][i]);
      x[3][i] = sub16(left[1][i], right[1][i]);
      left[0][i] = right[0][i];
      left[1][i] = right[1][i];
    }
    put_column(v + 8 * channels, x[2], factor, 2);
    put_column(v + 12 * channels, x[3], factor, 3);
  }
}

static void transform_row(const r18_step *step, const r18_run *run, unsigned image, unsigned tile_row, uint8_t *v) {
  patch p = patch_at(step, run, image, tile_row);
  for (size_t channel = 0; channel < step->in.channels; channel += WIDE)
    transform_channels(&p, tiles_across(step->in.width), step->in.width + 2, step->in.channels, channel,
                       (const int16_t *)(const void *)step->weights, v);
}

/* ---- Multiplication ----------------------------------------------------------------------------------- */

/* One column of positions of some tiles with 16 output channels. */
typedef struct {
  const uint8_t *v; /* the first tile's */
  size_t tile;      /* bytes from one tile to the next */
  size_t chunks;    /* of 32 channels */
  const int8_t *weights;
  const int32_t *start;
  const float *scale, *bias; /* bias: [16]; zeros for all columns but the second */
  const char *ahead;         /* memory wanted in the cache soon; moves on by `stride` each quad of channels */
  size_t stride;
  float *out; /* HALF_FLOATS apart: [2][16] */
} column;

/* One quad of channels (what a vpdpbusd takes) of a tile: its four rows, to accumulators a, b, c, d. \d is the quad's
 * place in the chunk. */
#define TILE(address, a, b, c, d)                                                                                      \
  "vpbroadcastd \\d" address ", %%zmm28\n\t"                                                                           \
  "vpdpbusd %%zmm24, %%zmm28, %%zmm" #a "\n\t"                                                                         \
  "vpbroadcastd \\d+8" address ", %%zmm29\n\t"                                                                         \
  "vpdpbusd %%zmm25, %%zmm29, %%zmm" #b "\n\t"                                                                         \
  "vpbroadcastd \\d+64" address ", %%zmm30\n\t"                                                                        \
  "vpdpbusd %%zmm26, %%zmm30, %%zmm" #c "\n\t"                                                                         \
  "vpbroadcastd \\d+72" address ", %%zmm31\n\t"                                                                        \
  "vpdpbusd %%zmm27, %%zmm31, %%zmm" #d "\n\t"

#define TILES_1 TILE("(%[v])", 0, 1, 2, 3)
#define TILES_2 TILES_1 TILE("(%[v],%[s])", 4, 5, 6, 7)
#define TILES_3 TILES_2 TILE("(%[v],%[s],2)", 8, 9, 10, 11)
#define TILES_4 TILES_3 TILE("(%[v],%[s3])", 12, 13, 14, 15)
#define TILES_5 TILES_4 TILE("(%[v],%[s],4)", 16, 17, 18, 19)
#define TILES_6 TILES_5 TILE("(%[v],%[s5])", 20, 21, 22, 23)

#define FOUR_ROWS(from)                                                                                                \
  "vmovdqa64 (%[" from "]), %%zmm24\n\t"                                                                               \
  "vmovdqa64 64(%[" from "]), %%zmm25\n\t"                                                                             \
  "vmovdqa64 128(%[" from "]), %%zmm26\n\t"                                                                            \
  "vmovdqa64 192(%[" from "]), %%zmm27\n\t"

#define START(a, b, c, d)                                                                                              \
  "vmovdqa64 %%zmm24, %%zmm" #a "\n\t"                                                                                 \
  "vmovdqa64 %%zmm25, %%zmm" #b "\n\t"                                                                                 \
  "vmovdqa64 %%zmm26, %%zmm" #c "\n\t"                                                                                 \
  "vmovdqa64 %%zmm27, %%zmm" #d "\n\t"

#define STARTS_1 START(0, 1, 2, 3)
#define STARTS_2 STARTS_1 START(4, 5, 6, 7)
#define STARTS_3 STARTS_2 START(8, 9, 10, 11)
#define STARTS_4 STARTS_3 START(12, 13, 14, 15)
#define STARTS_5 STARTS_4 START(16, 17, 18, 19)
#define STARTS_6 STARTS_5 START(20, 21, 22, 23)

/* Sums to floats, and the first half of the output transform: out[0] = a s0 + b s1 + c s2 + bias,
 * out[1] = b s1 - c s2 - d s3 + bias. t: a register that is free, zmm31 the bias. */
#define FINISH(a, b, c, d, t, at0, at1)                                                                                \
  "vcvtdq2ps %%zmm" #a ", %%zmm" #a "\n\t"                                                                             \
  "vcvtdq2ps %%zmm" #b ", %%zmm" #b "\n\t"                                                                             \
  "vcvtdq2ps %%zmm" #c ", %%zmm" #c "\n\t"                                                                             \
  "vcvtdq2ps %%zmm" #d ", %%zmm" #d "\n\t"                                                                             \
  "vmovaps %%zmm31, %%zmm" #t "\n\t"                                                                                   \
  "vfmadd213ps %%zmm31, %%zmm24, %%zmm" #a "\n\t"                                                                      \
  "vfmadd231ps %%zmm" #b ", %%zmm25, %%zmm" #t "\n\t"                                                                  \
  "vfmadd231ps %%zmm" #b ", %%zmm25, %%zmm" #a "\n\t"                                                                  \
  "vfnmadd231ps %%zmm" #c ", %%zmm26, %%zmm" #t "\n\t"                                                                 \
  "vfmadd231ps %%zmm" #c ", %%zmm26, %%zmm" #a "\n\t"                                                                  \
  "vfnmadd231ps %%zmm" #d ", %%zmm27, %%zmm" #t "\n\t"                                                                 \
  "vmovaps %%zmm" #a ", " at0 "(%[out])\n\t"                                                                           \
  "vmovaps %%zmm" #t ", " at1 "(%[out])\n\t"

#define FINISHES_1 FINISH(0, 1, 2, 3, 28, "0", "64")
#define FINISHES_2 FINISHES_1 FINISH(4, 5, 6, 7, 29, "512", "576")
#define FINISHES_3 FINISHES_2 FINISH(8, 9, 10, 11, 30, "1024", "1088")
#define FINISHES_4 FINISHES_3 FINISH(12, 13, 14, 15, 28, "1536", "1600")
#define FINISHES_5 FINISHES_4 FINISH(16, 17, 18, 19, 29, "2048", "2112")
#define FINISHES_6 FINISHES_5 FINISH(20, 21, 22, 23, 30, "2560", "2624")

#define MULTIPLY(count)                                                                                                \
  static void multiply_##count(const column *m) {                                                                      \
    const uint8_t *v = m->v;                                                                                           \
    const int8_t *w = m->weights;                                                                                      \
    const char *ahead = m->ahead;                                                                                      \
    size_t n = m->chunks;                                                                                              \
    __asm__ volatile(                                                                                                  \
        FOUR_ROWS("start") STARTS_##count "1:\n\t"                                                                     \
                                          ".irp d, 0, 4, 16, 20, 32, 36, 48, 52\n\t" FOUR_ROWS("w") TILES_##count      \
        "prefetcht0 (%[ahead])\n\t"                                                                                    \
        "prefetcht0 64(%[ahead])\n\t"                                                                                  \
        "add %[stride], %[ahead]\n\t"                                                                                  \
        "add $256, %[w]\n\t"                                                                                           \
        ".endr\n\t"                                                                                                    \
        "sub $-128, %[v]\n\t"                                                                                          \
        "dec %[n]\n\t"                                                                                                 \
        "jnz 1b\n\t"                                                                                                   \
        "vmovaps (%[bias]), %%zmm31\n\t" FOUR_ROWS("scale") FINISHES_##count                                           \
        : [v] "+r"(v), [w] "+r"(w), [ahead] "+r"(ahead), [n] "+r"(n)                                                   \
        : [s] "r"(m->tile), [s3] "r"(3 * m->tile), [s5] "r"(5 * m->tile), [stride] "r"(m->stride),                     \
          [start] "r"(m->start), [scale] "r"(m->scale), [bias] "r"(m->bias), [out] "r"(m->out)                         \
        : "memory", "cc", "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10",     \
          "zmm11", "zmm12", "zmm13", "zmm14", "zmm15", "zmm16", "zmm17", "zmm18", "zmm19", "zmm20", "zmm21", "zmm22",  \
          "zmm23", "zmm24", "zmm25", "zmm26", "zmm27", "zmm28", "zmm29", "zmm30", "zmm31");                            \
  }

MULTIPLY(1)
MULTIPLY(2)
MULTIPLY(3)
MULTIPLY(4)
MULTIPLY(5)
MULTIPLY(6)

/* All of `tiles` tiles, in groups as alike as possible; the memory ahead gets `bytes` in all. */
static void multiply_column(column m, unsigned tiles, size_t bytes) {
  static void (*const multiply[MOST_TILES + 1])(const column *) = {NULL,       multiply_1, multiply_2, multiply_3,
                                                                   multiply_4, multiply_5, multiply_6};
  const unsigned groups = (tiles + MOST_TILES - 1) / MOST_TILES;
  const size_t steps = groups * m.chunks * (WIDE / 4), advance = m.chunks * (WIDE / 4);
  m.stride = bytes / steps < 128 ? bytes / steps : 128;
  for (unsigned group = 0, tile = 0; group < groups; group++) {
    const unsigned end = tiles * (group + 1) / groups, count = end - tile;
    multiply[count](&m);
    m.v += count * m.tile;
    m.out += count * HALF_FLOATS;
    m.ahead += advance * m.stride;
    tile = end;
  }
}

/* ---- Output ------------------------------------------------------------------------------------------- */

/* Second half of the output transform of one tile: its row i. */
static inline void finish_row(const output_row *o, const float *half, unsigned x, unsigned width, unsigned i) {
  vector_f z[COLUMNS];
  for (unsigned j = 0; j < COLUMNS; j++)
    z[j] = load_floats(half + (2 * j + i) * LANES);
  finish_vector(o, x, 0, add(add(z[0], z[1]), z[2]));
  if (x + 1 < width)
    finish_vector(o, x + 1, 0, sub(sub(z[1], z[2]), z[3]));
}

/* A row of tiles, 16 channels from `channel` on. */
static void finish_tiles(const r18_step *step, const r18_run *run, unsigned image, unsigned tile_row, unsigned channel,
                         const float *half) {
  const unsigned width = step->out.width;
  for (unsigned i = 0; i < 2 && 2 * tile_row + i < step->out.height; i++) {
    const output_row o = output_at(step, run, image, 2 * tile_row + i, 0, channel);
    const float *at = half;
    for (unsigned x = 0; x < width; x += 2, at += HALF_FLOATS)
      finish_row(&o, at, x, width, i);
  }
}

/* 16 output channels of `rows` rows of tiles from `first` on, whose transformed input is v. */
static void convolve(const r18_step *step, const r18_run *run, unsigned image, unsigned first, unsigned rows,
                     unsigned vector, const uint8_t *v, float *half) {
  static const float _Alignas(64) none[LANES];
  const size_t in = step->in.channels;
  const unsigned across = tiles_across(step->out.width);
  const vector_weights w = weights_of(step->weights, in, vector);
  column m = {.tile = tile_bytes(in), .chunks = in / WIDE};
  for (unsigned j = 0; j < COLUMNS; j++) {
    m.v = v + 4 * in * j;
    m.weights = w.weights + weight_bytes(in) / COLUMNS * j;
    m.start = w.start + GROUP_ROWS * LANES * j;
    m.scale = w.scale + GROUP_ROWS * LANES * j;
    m.bias = j == 1 ? w.bias : none;
    m.out = half + 2 * LANES * j;
    m.ahead = (const char *)(j < 3 ? m.weights + weight_bytes(in) / COLUMNS
                                   : weights_of(step->weights, in, vector + 1).weights);
    multiply_column(m, rows * across, weight_bytes(in) / COLUMNS);
  }
  for (unsigned row = 0; row < rows; row++)
    finish_tiles(step, run, image, first + row, vector * LANES, half + row * across * HALF_FLOATS);
}

static size_t half_bytes(unsigned tiles) {
  return (size_t)tiles * HALF_FLOATS * sizeof(float);
}

/* ---- Large pictures: a row of tiles at a time, transformed into the thread's own memory ------------------ */

static bool rows_accepts(const r18_conv *conv) {
  return winograd_fits(conv) && conv->out_size > SMALL;
}

static unsigned rows_units(const r18_conv *conv) {
  return tiles_across(conv->out_size);
}

static size_t rows_scratch(const r18_conv *conv) {
  const unsigned tiles = tiles_across(conv->out_size);
  return tiles * tile_bytes(conv->in_channels) + half_bytes(tiles);
}

static void rows_run(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  const unsigned tiles = tiles_across(step->out.width);
  uint8_t *v = run->scratch;
  float *half = (float *)(void *)(v + tiles * tile_bytes(step->in.channels));
  for (unsigned unit = begin; unit < end; unit++) {
    const unsigned image = unit / step->units, row = unit % step->units;
    transform_row(step, run, image, row, v);
    for (unsigned vector = 0; vector < step->out.channels / LANES; vector++)
      convolve(step, run, image, row, 1, vector, v, half);
  }
}

/* ---- Small pictures: all is transformed first, then every thread takes some of the output channels, of all
 * pictures, so that their weights are fetched once ------- */

static bool channels_accepts(const r18_conv *conv) {
  return winograd_fits(conv) && conv->out_size <= SMALL;
}

static unsigned channels_units(const r18_conv *conv) {
  return conv->out_channels / LANES;
}

static size_t channels_scratch(const r18_conv *conv) {
  return half_bytes(tiles_across(conv->out_size) * tiles_across(conv->out_size));
}

static size_t channels_work(const r18_conv *conv) {
  return tiles_across(conv->out_size) * tiles_across(conv->out_size) * tile_bytes(conv->in_channels);
}

static void channels_prepare(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  const unsigned across = tiles_across(step->out.width);
  for (unsigned unit = begin; unit < end; unit++) {
    const unsigned image = unit / step->units, row = unit % step->units;
    transform_row(step, run, image, row,
                  r18_at(run, &step->work, image, 0, 0) + row * across * tile_bytes(step->in.channels));
  }
}

static void channels_run(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  const unsigned rows = tiles_across(step->out.height);
  for (unsigned vector = begin; vector < end; vector++)
    for (unsigned image = 0; image < run->batch; image++)
      convolve(step, run, image, 0, rows, vector, r18_at(run, &step->work, image, 0, 0), (float *)(void *)run->scratch);
}

const r18_conv_kernel r18_conv_winograd2_u8_avx512vnni[2] = {
    {.name = "conv_winograd2_u8",
     .set = R18_CPU_AVX512VNNI,
     .element = 1,
     .accepts = rows_accepts,
     .packed_bytes = packed_bytes,
     .positions = true,
     .quantize = r18_quantize_positions,
     .pack_int8 = pack,
     .scratch_bytes = rows_scratch,
     .units = rows_units,
     .run = rows_run},
    {.name = "conv_winograd2_u8",
     .set = R18_CPU_AVX512VNNI,
     .element = 1,
     .spans_batch = true,
     .accepts = channels_accepts,
     .packed_bytes = packed_bytes,
     .positions = true,
     .quantize = r18_quantize_positions,
     .pack_int8 = pack,
     .scratch_bytes = channels_scratch,
     .units = channels_units,
     .run = channels_run,
     .prepare = channels_prepare,
     .prepare_units = rows_units,
     .work_bytes = channels_work},
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the Winograd F(2x2,3x3) convolutions on u8 share: tiles of the input and of the output. */
#ifndef RESNET18_U8_WINOGRAD_H
#define RESNET18_U8_WINOGRAD_H

#include "quantize.h"
#include "u8_output.h"

static inline bool winograd_fits(const r18_conv *conv) {
  return conv->kernel == 3 && conv->stride == 1 && conv->pad == 1 && conv->position_max &&
         conv->in_channels % WIDE == 0 && conv->out_channels % R18_PACK_GROUP == 0 && conv->out_size == conv->in_size;
}

static inline unsigned tiles_across(unsigned size) {
  return (size + 1) / 2;
}

/* Four rows of pixels, from one pixel left of the picture on; beyond the lower edge `zeros` with a step of 0. */
typedef struct {
  const uint8_t *row[4];
  size_t step[4];
} patch;

static const uint8_t zeros[WIDE] __attribute__((unused));

static inline patch patch_at(const r18_step *step, const r18_run *run, unsigned image, unsigned tile_row) {
  patch p;
  for (unsigned i = 0; i < 4; i++) {
    int y = (int)(2 * tile_row + i) - 1;
    bool inside = y <= (int)step->in.height;
    p.row[i] = inside ? r18_at(run, &step->in, image, y, -1) : zeros;
    p.step[i] = inside ? step->in.channels : 0;
  }
  return p;
}

/* One column of B^T d. */
static inline void transform_column(const patch *p, unsigned column, size_t channel, vector_i t[4]) {
  vector_i d[4];
  for (int i = 0; i < 4; i++)
    d[i] = load_wide(p->row[i] + p->step[i] * column + (p->step[i] ? channel : 0));
  t[0] = sub16(d[0], d[2]);
  t[1] = add16(d[1], d[2]);
  t[2] = sub16(d[2], d[1]);
  t[3] = sub16(d[1], d[3]);
}

/* A position's integers to eight bits, ready for pack_biased. factor: [16][WIDE]. */
static inline vector_i scale_position(vector_i v, const int16_t *factor, int position) {
  vector_i scaled = scale16(v, factor + position * WIDE);
  return position == R18_UNSIGNED_POSITION ? sub16(scaled, spread16(128)) : scaled;
}

/* Where the outputs of one tile go; a tile at the edge of a picture of odd size has fewer than 2 x 2. */
typedef struct {
  output_row row[2];
  unsigned rows, columns;
} output_tile;

static inline output_tile output_tile_at(const r18_step *step, const r18_run *run, unsigned image, unsigned tile,
                                         unsigned channel) {
  const unsigned across = tiles_across(step->out.width), y = tile / across * 2, x = tile % across * 2;
  output_tile o = {.rows = y + 1 < step->out.height ? 2 : 1, .columns = x + 1 < step->out.width ? 2 : 1};
  for (unsigned i = 0; i < o.rows; i++)
    o.row[i] = output_at(step, run, image, y + i, x, channel);
  return o;
}

#endif

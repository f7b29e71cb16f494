/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Convolution of floats as a matrix product: the patches of input under some output pixels are copied into a panel
 * (panel.h), which is one or two percent of the work, and multiplied. For the layers with stride 2. Included by one
 * file for each instruction set.
 *
 * Rows:   large pictures. A unit is one output row from its patches to its outputs.
 * Blocks: small pictures with many channels. All patches are copied first; then a unit is one block of output channels
 *         for all pixels of all pictures, so that each weight is fetched once. */
#ifndef RESNET18_CONV_PATCHES_SIMD_H
#define RESNET18_CONV_PATCHES_SIMD_H

#include "kernels.h"
#include "panel.h"
#include "simd_tables.h"

#include <string.h>

enum { MAX_BLOCKS_SIZE = 14 };

static inline bool patches_fit(const r18_conv *conv) {
  const unsigned last = (conv->out_size - 1) * conv->stride + conv->kernel - 1;
  return conv->in_channels % LANES == 0 && conv->out_channels % R18_PACK_GROUP == 0 && conv->pad <= 1 &&
         last <= conv->in_size + conv->pad;
}

static inline bool patches_rows_accepts(const r18_conv *conv) {
  return patches_fit(conv) && conv->out_size > MAX_BLOCKS_SIZE;
}

static inline bool patches_blocks_accepts(const r18_conv *conv) {
  return patches_fit(conv) && conv->out_size <= MAX_BLOCKS_SIZE;
}

static inline size_t patch_floats(unsigned kernel, unsigned channels) {
  return (size_t)kernel * kernel * channels;
}

/* Vectors in a block of output channels. One where there are registers for many pixels: fewer panels then pass over the
 * same weights. */
static inline unsigned patches_wide(unsigned size) {
  return MAX_ROWS_1 >= 28 && size <= MAX_BLOCKS_SIZE / 2 ? 1 : 2;
}

/* Output rows in one panel of the blocks kernel. */
static inline unsigned panel_lines(unsigned size) {
  const unsigned most = patches_wide(size) == 1 ? MAX_ROWS_1 : MAX_ROWS_2 * 2, lines = most / size;
  return lines ? lines : 1;
}

/* Packed: the bias, then for each block of wide * LANES output channels: [kernel y][kernel x][in_channels]
 * [wide * LANES]. */
static inline size_t patches_packed_bytes(const r18_conv *conv) {
  return sizeof(float) * conv->out_channels * (1 + patch_floats(conv->kernel, conv->in_channels));
}

static inline void patches_pack(unsigned wide, const r18_conv *conv, unsigned first, const float *weights,
                                const float *bias, float *packed) {
  const size_t taps = (size_t)conv->kernel * conv->kernel, channels = conv->in_channels, block = wide * LANES;
  memcpy(packed + first, bias, sizeof(float) * R18_PACK_GROUP);
  float *to = packed + conv->out_channels + first * taps * channels;
  for (unsigned o = 0; o < R18_PACK_GROUP; o += block, to += taps * channels * block)
    for (size_t c = 0; c < channels; c++)
      for (size_t t = 0; t < taps; t++)
        for (unsigned lane = 0; lane < block; lane++)
          to[(t * channels + c) * block + lane] = weights[((o + lane) * channels + c) * taps + t];
}

static inline bool patches_rows_pack(const r18_conv *conv, unsigned first, const float *weights, const float *bias,
                                     void *packed) {
  patches_pack(2, conv, first, weights, bias, packed);
  return true;
}

static inline bool patches_blocks_pack(const r18_conv *conv, unsigned first, const float *weights, const float *bias,
                                       void *packed) {
  patches_pack(patches_wide(conv->out_size), conv, first, weights, bias, packed);
  return true;
}

/* Copies the patches of output row y to row `row` and on of a panel of `rows` rows. */
static inline void copy_patches(const r18_step *step, const r18_run *run, unsigned image, unsigned y, float *panel,
                                unsigned rows, unsigned row) {
  const size_t pixel = (size_t)step->stride * step->in.channels, block = (size_t)rows * LANES;
  const int top = (int)(y * step->stride) - (int)step->pad;
  panel += row * LANES;
  for (unsigned ky = 0; ky < step->kernel_size; ky++)
    for (unsigned kx = 0; kx < step->kernel_size; kx++) {
      const float *in = r18_at_f32(run, &step->in, image, top + (int)ky, (int)kx - (int)step->pad);
      for (unsigned c = 0; c < step->in.channels; c += LANES, panel += block)
        for (unsigned x = 0; x < step->out.width; x++)
          vec_store(panel + x * LANES, vec_load(in + x * pixel + c));
    }
}

/* Bias, residual and ReLU for one row of output pixels and one block of channels. */
static inline void finish_pixels(const r18_step *step, const r18_run *run, unsigned wide, unsigned image, unsigned y,
                                 unsigned channel, const float *product) {
  const float *bias = (const float *)(const void *)step->weights + channel;
  for (unsigned x = 0; x < step->out.width; x++, product += wide * LANES) {
    float *out = r18_at_f32(run, &step->out, image, (int)y, (int)x) + channel;
    const float *residual =
        step->residual.element ? r18_at_f32(run, &step->residual, image, (int)y, (int)x) + channel : NULL;
    for (unsigned lane = 0; lane < wide * LANES; lane += LANES) {
      vec value = vec_load(product + lane) + vec_load(bias + lane);
      if (residual)
        value += vec_load(residual + lane);
      vec_store(out + lane, step->relu ? vec_relu(value) : value);
    }
  }
}

/* --- rows --- */

static inline size_t patches_rows_scratch_bytes(const r18_conv *conv) {
  return sizeof(float) * conv->out_size * (patch_floats(conv->kernel, conv->in_channels) + 2 * LANES);
}

static inline unsigned patches_rows_units(const r18_conv *conv) {
  return conv->out_size;
}

static inline void patches_rows_run(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  const size_t patch = patch_floats(step->kernel_size, step->in.channels);
  float *panel = (float *)(void *)run->scratch, *product = panel + step->out.width * patch;
  for (unsigned unit = begin; unit < end; unit++) {
    const unsigned image = unit / step->units, y = unit % step->units;
    const float *weights = (const float *)(const void *)step->weights + step->out.channels;
    copy_patches(step, run, image, y, panel, step->out.width, 0);
    for (unsigned channel = 0; channel < step->out.channels; channel += 2 * LANES, weights += 2 * LANES * patch) {
      const panel_weights use = weights_in_order(weights, 2);
      panel_multiply(2, step->out.width, (unsigned)(patch / LANES), panel, &use, false, product);
      finish_pixels(step, run, 2, image, y, channel, product);
    }
  }
}

/* --- blocks --- */

static inline size_t patches_blocks_work_bytes(const r18_conv *conv) {
  return sizeof(float) * conv->out_size * conv->out_size * patch_floats(conv->kernel, conv->in_channels);
}

static inline size_t patches_blocks_scratch_bytes(const r18_conv *conv) {
  return sizeof(float) * panel_lines(conv->out_size) * conv->out_size * patches_wide(conv->out_size) * LANES;
}

static inline unsigned patches_blocks_prepare_units(const r18_conv *conv) {
  return conv->out_size;
}

static inline unsigned patches_blocks_units(const r18_conv *conv) {
  return conv->out_channels / (patches_wide(conv->out_size) * LANES);
}

/* The lines of the panel that starts at output row y. */
static inline unsigned lines_from(const r18_step *step, unsigned y) {
  const unsigned lines = panel_lines(step->out.height), left = step->out.height - y;
  return left < lines ? left : lines;
}

static inline float *panel_from(const r18_step *step, const r18_run *run, unsigned image, unsigned y) {
  float *panels = (float *)(void *)(run->arena + step->work.offset + image * step->work.image);
  return panels + y * step->out.width * patch_floats(step->kernel_size, step->in.channels);
}

static inline void patches_blocks_prepare(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  for (unsigned unit = begin; unit < end; unit++) {
    const unsigned image = unit / step->units, y = unit % step->units;
    const unsigned line = y % panel_lines(step->out.height), first = y - line;
    copy_patches(step, run, image, y, panel_from(step, run, image, first), lines_from(step, first) * step->out.width,
                 line * step->out.width);
  }
}

static inline void patches_blocks_run(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  const size_t patch = patch_floats(step->kernel_size, step->in.channels);
  const unsigned size = step->out.height, wide = patches_wide(size), block = wide * LANES;
  float *product = (float *)(void *)run->scratch;
  for (unsigned unit = begin; unit < end; unit++) {
    const float *weights = (const float *)(const void *)step->weights + step->out.channels + unit * patch * block;
    const panel_weights use = weights_in_order(weights, wide);
    for (unsigned image = 0; image < run->batch; image++)
      for (unsigned y = 0, lines; y < size; y += lines) {
        lines = lines_from(step, y);
        panel_multiply(wide, lines * size, (unsigned)(patch / LANES), panel_from(step, run, image, y), &use, false,
                       product);
        for (unsigned line = 0; line < lines; line++)
          finish_pixels(step, run, wide, image, y + line, unit * block, product + line * size * block);
      }
  }
}

/* The file of an instruction set says what its table is called. */
#ifdef PATCHES_TABLE
const r18_conv_kernel PATCHES_TABLE[R18_PATCHES_KERNELS] = {
    [R18_PATCHES_ROWS] =
        {
            .name = "conv_patches_rows",
            .set = SIMD_SET,
            .element = sizeof(float),
            .accepts = patches_rows_accepts,
            .packed_bytes = patches_packed_bytes,
            .pack = patches_rows_pack,
            .scratch_bytes = patches_rows_scratch_bytes,
            .units = patches_rows_units,
            .run = patches_rows_run,
        },
    [R18_PATCHES] =
        {
            .name = "conv_patches",
            .set = SIMD_SET,
            .element = sizeof(float),
            .spans_batch = true,
            .accepts = patches_blocks_accepts,
            .packed_bytes = patches_packed_bytes,
            .pack = patches_blocks_pack,
            .scratch_bytes = patches_blocks_scratch_bytes,
            .units = patches_blocks_units,
            .run = patches_blocks_run,
            .prepare = patches_blocks_prepare,
            .prepare_units = patches_blocks_prepare_units,
            .work_bytes = patches_blocks_work_bytes,
        },
};
#endif

#endif

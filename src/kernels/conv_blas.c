/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Convolution as a matrix product: some output rows at a time are unrolled to patches (im2col) and multiplied by
 * OpenBLAS.
 *
 * Packed weights as in conv_direct.c: bias, then [kernel y][kernel x][in_channels][out_channels], which is the
 * right-hand matrix. A unit is one such block of rows. */
#include "kernels.h"

#include "../blas.h"

#include <stdlib.h>
#include <string.h>

extern const r18_conv_kernel r18_conv_direct_c;

static size_t packed_bytes(const r18_conv *conv) {
  return r18_conv_direct_c.packed_bytes(conv);
}

static bool pack(const r18_conv *conv, unsigned first, const float *weights, const float *bias, void *packed) {
  return r18_conv_direct_c.pack(conv, first, weights, bias, packed);
}

/* Rows in one product: enough pixels for the GEMM to be efficient, few enough for the patches to stay in cache. */
static unsigned block_rows(unsigned width) {
  return width >= 56 ? 1 : width >= 28 ? 2 : 7;
}

static bool accepts(const r18_conv *conv) {
  return r18_blas_gemm() != NULL && conv->out_size % block_rows(conv->out_size) == 0;
}

static size_t patch_floats(const r18_conv *conv) {
  return (size_t)conv->kernel * conv->kernel * conv->in_channels;
}

static size_t scratch_bytes(const r18_conv *conv) {
  return sizeof(float) * block_rows(conv->out_size) * conv->out_size * (patch_floats(conv) + conv->out_channels);
}

static unsigned units(const r18_conv *conv) {
  return conv->out_size / block_rows(conv->out_size);
}

static float *unroll(const r18_step *step, const r18_run *run, unsigned image, int y, float *patch) {
  const size_t row = (size_t)step->kernel_size * step->in.channels;
  for (int x = 0; x < (int)step->out.width; x++)
    for (int ky = 0; ky < (int)step->kernel_size; ky++, patch += row)
      memcpy(patch,
             r18_at_f32(run, &step->in, image, y * (int)step->stride - (int)step->pad + ky,
                        x * (int)step->stride - (int)step->pad),
             sizeof(float) * row);
  return patch;
}

static void finish(const r18_step *step, const r18_run *run, unsigned image, int y, const float *product) {
  const float *bias = (const float *)(const void *)step->weights;
  for (int x = 0; x < (int)step->out.width; x++, product += step->out.channels) {
    float *out = r18_at_f32(run, &step->out, image, y, x);
    const float *residual = step->residual.element ? r18_at_f32(run, &step->residual, image, y, x) : NULL;
    for (unsigned o = 0; o < step->out.channels; o++) {
      float value = product[o] + bias[o] + (residual ? residual[o] : 0.0f);
      out[o] = step->relu && value < 0.0f ? 0.0f : value;
    }
  }
}

static void run_blocks(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  const unsigned rows = block_rows(step->out.width), channels = step->out.channels;
  const int pixels = (int)(rows * step->out.width);
  const int depth = (int)(step->kernel_size * step->kernel_size * step->in.channels);
  float *patches = (float *)(void *)run->scratch, *product = patches + (size_t)pixels * (size_t)depth;
  const float *weights = (const float *)(const void *)step->weights + channels;
  const r18_gemm gemm = r18_blas_gemm();
  for (unsigned unit = begin; unit < end; unit++) {
    const unsigned image = unit / step->units;
    const int first = (int)(unit % step->units * rows);
    float *next = patches;
    for (unsigned r = 0; r < rows; r++)
      next = unroll(step, run, image, first + (int)r, next);
    gemm(pixels, (int)channels, depth, patches, depth, weights, (int)channels, product, (int)channels);
    for (unsigned r = 0; r < rows; r++)
      finish(step, run, image, first + (int)r, product + (size_t)r * step->out.width * channels);
  }
}

const r18_conv_kernel r18_conv_blas_c = {
    .name = "conv_blas",
    .set = R18_CPU_BLAS,
    .element = sizeof(float),
    .accepts = accepts,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .scratch_bytes = scratch_bytes,
    .units = units,
    .run = run_blocks,
};

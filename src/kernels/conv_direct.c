/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Direct convolution of floats: the definition that every faster kernel is compared with.
 *
 * Packed weights: bias [out_channels], then [kernel y][kernel x][in_channels][out_channels], so that the innermost loop
 * runs over output channels. A unit is one output row. */
#include "kernels.h"

static bool accepts(const r18_conv *conv) {
  return true;
}

static size_t packed_bytes(const r18_conv *conv) {
  return sizeof(float) * conv->out_channels * (1 + (size_t)conv->kernel * conv->kernel * conv->in_channels);
}

static bool pack(const r18_conv *conv, unsigned first, const float *weights, const float *bias, void *packed) {
  float *packed_bias = packed, *packed_weights = packed_bias + conv->out_channels;
  const size_t taps = (size_t)conv->kernel * conv->kernel;
  for (unsigned o = 0; o < R18_PACK_GROUP; o++) {
    packed_bias[first + o] = bias[o];
    for (unsigned i = 0; i < conv->in_channels; i++)
      for (size_t tap = 0; tap < taps; tap++)
        packed_weights[(tap * conv->in_channels + i) * conv->out_channels + first + o] =
            weights[(o * conv->in_channels + i) * taps + tap];
  }
  return true;
}

static size_t scratch_bytes(const r18_conv *conv) {
  return sizeof(float) * conv->out_channels;
}

static unsigned units(const r18_conv *conv) {
  return conv->out_size;
}

/* One output pixel: all output channels, taps in the order of memory. */
static void pixel(const r18_step *step, const r18_run *run, unsigned image, int y, int x, float *restrict sum) {
  const unsigned out_channels = step->out.channels, in_channels = step->in.channels;
  const float *bias = (const float *)(const void *)step->weights, *w = bias + out_channels;
  const int top = y * (int)step->stride - (int)step->pad, left = x * (int)step->stride - (int)step->pad;
  for (unsigned o = 0; o < out_channels; o++)
    sum[o] = bias[o];
  for (unsigned ky = 0; ky < step->kernel_size; ky++)
    for (unsigned kx = 0; kx < step->kernel_size; kx++) {
      const float *in = r18_at_f32(run, &step->in, image, top + (int)ky, left + (int)kx);
      for (unsigned i = 0; i < in_channels; i++, w += out_channels)
        for (unsigned o = 0; o < out_channels; o++)
          sum[o] += in[i] * w[o];
    }
}

static void run_rows(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  float *sum = (float *)(void *)run->scratch;
  for (unsigned unit = begin; unit < end; unit++) {
    const unsigned image = unit / step->units;
    const int y = (int)(unit % step->units);
    for (int x = 0; x < (int)step->out.width; x++) {
      pixel(step, run, image, y, x, sum);
      float *out = r18_at_f32(run, &step->out, image, y, x);
      const float *residual = step->residual.element ? r18_at_f32(run, &step->residual, image, y, x) : NULL;
      for (unsigned o = 0; o < step->out.channels; o++) {
        float value = sum[o] + (residual ? residual[o] : 0.0f);
        out[o] = step->relu && value < 0.0f ? 0.0f : value;
      }
    }
  }
}

const r18_conv_kernel r18_conv_direct_c = {
    .name = "conv_direct",
    .set = R18_CPU_C,
    .element = sizeof(float),
    .accepts = accepts,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .scratch_bytes = scratch_bytes,
    .units = units,
    .run = run_rows,
};

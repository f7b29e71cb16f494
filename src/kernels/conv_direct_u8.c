/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Direct convolution on u8, any shape: the plain C definition. */
#include "conv_u8.h"
#include "quantize.h"

/* Packed: int8 weights [out][ky][kx][in], then multiplier [out], then bias [out]. */
static size_t weight_count(const r18_conv *conv) {
  return (size_t)conv->out_channels * conv->kernel * conv->kernel * conv->in_channels;
}

static size_t table_offset(size_t weights) {
  return (weights + 63) & ~(size_t)63;
}

static bool accepts(const r18_conv *conv) {
  return conv->kernel < 7;
}

static size_t packed_bytes(const r18_conv *conv) {
  return table_offset(weight_count(conv)) + (size_t)conv->out_channels * 2 * sizeof(float);
}

static void pack(const r18_conv *conv, unsigned first, const r18_int8_group *group, void *packed) {
  const size_t each = (size_t)conv->kernel * conv->kernel * conv->in_channels;
  float *multiplier = (float *)(void *)((int8_t *)packed + table_offset(weight_count(conv))) + first;
  float *offset = multiplier + conv->out_channels;
  memcpy((int8_t *)packed + first * each, group->weights, R18_PACK_GROUP * each);
  for (size_t o = 0; o < R18_PACK_GROUP; o++) {
    multiplier[o] = conv->in_scale * group->scale[o] / conv->out_scale;
    offset[o] = r18_output_bias(conv, group->bias[o]);
  }
}

static unsigned units(const r18_conv *conv) {
  return conv->out_size;
}

static int32_t dot(const uint8_t *x, const int8_t *w, size_t count) {
  int32_t sum = 0;
  for (size_t i = 0; i < count; i++)
    sum += x[i] * w[i];
  return sum;
}

static void pixel(const r18_step *step, const r18_run *run, unsigned image, int y, int x) {
  size_t row = (size_t)step->kernel_size * step->in.channels;
  const int8_t *w = (const int8_t *)step->weights;
  size_t count = step->out.channels * step->kernel_size * row;
  const float *multiplier = (const float *)(const void *)(step->weights + table_offset(count));
  const float *offset = multiplier + step->out.channels;
  int top = y * (int)step->stride - (int)step->pad, left = x * (int)step->stride - (int)step->pad;
  uint8_t *out = r18_at(run, &step->out, image, y, x);
  const uint8_t *residual = step->residual.element ? r18_at(run, &step->residual, image, y, x) : NULL;
  float residual_multiplier = residual ? step->residual.scale / step->out.scale : 0.0f;
  for (unsigned o = 0; o < step->out.channels; o++) {
    int32_t sum = 0;
    for (unsigned ky = 0; ky < step->kernel_size; ky++, w += row)
      sum += dot(r18_at(run, &step->in, image, top + (int)ky, left), w, row);
    float value = fmaf((float)sum, multiplier[o], offset[o]);
    if (residual)
      value = fmaf((float)residual[o], residual_multiplier, value);
    out[o] = r18_to_u8(value); /* NOLINT(clang-analyzer-core.NullDereference): an address in the arena is not NULL */
  }
}

static void run_rows(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  for (unsigned unit = begin; unit < end; unit++)
    for (unsigned x = 0; x < step->out.width; x++)
      pixel(step, run, unit / step->units, (int)(unit % step->units), (int)x);
}

const r18_conv_kernel r18_conv_direct_u8_c = {
    .name = "conv_direct_u8",
    .set = R18_CPU_C,
    .element = 1,
    .accepts = accepts,
    .packed_bytes = packed_bytes,
    .quantize = r18_quantize_direct,
    .pack_int8 = pack,
    .units = units,
    .run = run_rows,
};

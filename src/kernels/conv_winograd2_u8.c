/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Winograd F(2x2,3x3) on u8: the plain C definition. */
#include "conv_u8.h"
#include "quantize.h"

/* Packed: factor [16] int32, then weights [out][16][in] int8, then scale [out][16], then bias [out]. */
typedef struct {
  const int32_t *factor;
  const int8_t *weights;
  const float *scale, *bias;
} packed_view;

/* Of the weights, up to where the scales begin. */
static size_t weight_bytes(size_t in, size_t out) {
  return (out * R18_POSITIONS * in + 63) & ~(size_t)63;
}

static packed_view view(const void *packed, size_t in, size_t out) {
  packed_view v;
  v.factor = packed;
  v.weights = (const int8_t *)packed + 64;
  v.scale = (const float *)(const void *)(v.weights + weight_bytes(in, out));
  v.bias = v.scale + out * R18_POSITIONS;
  return v;
}

static bool accepts(const r18_conv *conv) {
  return conv->kernel == 3 && conv->stride == 1 && conv->position_max;
}

static size_t packed_bytes(const r18_conv *conv) {
  const size_t out = conv->out_channels;
  return 64 + weight_bytes(conv->in_channels, out) + (out * R18_POSITIONS + out) * sizeof(float);
}

static void pack(const r18_conv *conv, unsigned first, const r18_int8_group *group, void *packed) {
  const size_t in = conv->in_channels, row = (size_t)first * R18_POSITIONS;
  packed_view v = view(packed, in, conv->out_channels);
  float *scale = (float *)v.scale + row, *offset = (float *)v.bias + first;
  int factor[R18_POSITIONS];
  for (int p = 0; p < R18_POSITIONS; p++)
    factor[p] = r18_position_factor(conv, p);
  memcpy((int8_t *)v.weights + row * in, group->weights, R18_PACK_GROUP * R18_POSITIONS * in);
  for (size_t o = 0; o < R18_PACK_GROUP; o++) {
    for (size_t p = 0; p < R18_POSITIONS; p++)
      scale[o * R18_POSITIONS + p] =
          group->scale[o * R18_POSITIONS + p] * r18_position_scale(conv->in_scale, factor[p]) / conv->out_scale;
    offset[o] = r18_output_bias(conv, group->bias[o]);
  }
  if (first == 0)
    for (int p = 0; p < R18_POSITIONS; p++)
      ((int32_t *)packed)[p] = factor[p];
}

/* Rows of tiles. */
static unsigned units(const r18_conv *conv) {
  return (conv->out_size + 1) / 2;
}

static size_t scratch_bytes(const r18_conv *conv) {
  return R18_POSITIONS * conv->in_channels * sizeof(int16_t);
}

static void transform_1d(const int *d, int *t, int stride) {
  t[0] = d[0] - d[2 * stride];
  t[stride] = d[stride] + d[2 * stride];
  t[2 * stride] = d[2 * stride] - d[stride];
  t[3 * stride] = d[stride] - d[3 * stride];
}

/* The tile whose first output pixel is (y, x): out[position][channel]. */
static void transform(const r18_step *step, const r18_run *run, const int32_t *factor, unsigned image, int y, int x,
                      int16_t *out) {
  size_t in = step->in.channels;
  for (size_t c = 0; c < in; c++) {
    int d[16], half[16], v[16];
    for (int i = 0; i < 16; i++) {
      int from_y = y - 1 + i / 4, from_x = x - 1 + i % 4;
      bool inside = from_y <= (int)step->in.height && from_x <= (int)step->in.width;
      d[i] = inside ? r18_at(run, &step->in, image, from_y, from_x)[c] : 0;
    }
    for (int i = 0; i < 4; i++)
      transform_1d(d + i, half + i, 4);
    for (int i = 0; i < 4; i++)
      transform_1d(half + 4 * i, v + 4 * i, 1);
    for (size_t p = 0; p < R18_POSITIONS; p++) {
      int q = (v[p] * factor[p] + 0x4000) >> 15;
      const int least = p == R18_UNSIGNED_POSITION ? 0 : -128, most = least + 255;
      out[p * in + c] = (int16_t)(q > most ? most : q < least ? least : q);
    }
  }
}

/* The 2x2 outputs of one channel from its 16 sums. */
static void untransform(const int32_t *sum, const float *scale, float bias, float y[2][2]) {
  float z[2][4];
  for (int j = 0; j < 4; j++) {
    float m[4];
    for (int i = 0; i < 4; i++)
      m[i] = (float)sum[4 * i + j];
    float start = j == 1 ? bias : 0.0f;
    const float *s = scale + j;
    z[0][j] = fmaf(m[2], s[8], fmaf(m[1], s[4], fmaf(m[0], s[0], start)));
    z[1][j] = fmaf(-m[3], s[12], fmaf(-m[2], s[8], fmaf(m[1], s[4], start)));
  }
  for (int i = 0; i < 2; i++) {
    y[i][0] = (z[i][0] + z[i][1]) + z[i][2];
    y[i][1] = (z[i][1] - z[i][2]) - z[i][3];
  }
}

static void put(const r18_step *step, const r18_run *run, unsigned image, int y, int x, unsigned channel, float value) {
  if (y >= (int)step->out.height || x >= (int)step->out.width)
    return;
  if (step->residual.element)
    value =
        fmaf((float)r18_at(run, &step->residual, image, y, x)[channel], step->residual.scale / step->out.scale, value);
  r18_at(run, &step->out, image, y, x)[channel] = r18_to_u8(value);
}

static void tile(const r18_step *step, const r18_run *run, const packed_view *v, unsigned image, int y, int x,
                 const int16_t *input) {
  size_t in = step->in.channels;
  for (unsigned o = 0; o < step->out.channels; o++) {
    int32_t sum[R18_POSITIONS] = {0};
    for (size_t p = 0; p < R18_POSITIONS; p++)
      for (size_t c = 0; c < in; c++)
        sum[p] += input[p * in + c] * v->weights[(o * R18_POSITIONS + p) * in + c];
    float result[2][2];
    untransform(sum, v->scale + (size_t)o * R18_POSITIONS, v->bias[o], result);
    for (int i = 0; i < 4; i++)
      put(step, run, image, y + i / 2, x + i % 2, o, result[i / 2][i % 2]);
  }
}

static void run_tiles(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  packed_view v = view(step->weights, step->in.channels, step->out.channels);
  int16_t *input = (int16_t *)(void *)run->scratch;
  for (unsigned unit = begin; unit < end; unit++) {
    unsigned image = unit / step->units;
    int y = 2 * (int)(unit % step->units);
    for (int x = 0; x < (int)step->out.width; x += 2) {
      transform(step, run, v.factor, image, y, x, input);
      tile(step, run, &v, image, y, x, input);
    }
  }
}

const r18_conv_kernel r18_conv_winograd2_u8_c = {
    .name = "conv_winograd2_u8",
    .set = R18_CPU_C,
    .element = 1,
    .accepts = accepts,
    .packed_bytes = packed_bytes,
    .positions = true,
    .quantize = r18_quantize_positions,
    .pack_int8 = pack,
    .scratch_bytes = scratch_bytes,
    .units = units,
    .run = run_tiles,
};

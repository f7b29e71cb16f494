/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* First layer on raw pixels: 7x7/2 convolution, ReLU and 3x3/2 max pooling. The plain C definition. */
#include "conv_u8.h"
#include "quantize.h"

typedef struct {
  int8_t taps[R18_STEM_CHANNELS][R18_STEM_TAPS];
  float multiplier[R18_STEM_CHANNELS], offset[R18_STEM_CHANNELS];
} packed_stem;

static bool accepts(const r18_conv *conv) {
  return conv->kernel == 7 && conv->in_channels == 3 && conv->out_channels == R18_STEM_CHANNELS &&
         conv->in_size == RESNET18_SIZE && conv->out_zero == 0;
}

static size_t packed_bytes(const r18_conv *conv) {
  return sizeof(packed_stem);
}

static void pack(const r18_conv *conv, unsigned first, const r18_int8_group *group, void *packed) {
  packed_stem *p = packed;
  for (unsigned o = 0; o < R18_STEM_CHANNELS; o++)
    r18_stem_channel(conv, group, o, p->taps[o], &p->multiplier[o], &p->offset[o]);
}

/* Pooled rows. */
static unsigned units(const r18_conv *conv) {
  return RESNET18_SIZE / 4;
}

/* The pixels under the filter at convolution output (y, x). */
static void window(const uint8_t *rgb, int y, int x, uint8_t *out) {
  for (int ky = 0; ky < 7; ky++)
    for (int kx = 0; kx < 7; kx++) {
      int from_y = 2 * y - 3 + ky, from_x = 2 * x - 3 + kx;
      bool inside = from_y >= 0 && from_y < RESNET18_SIZE && from_x >= 0 && from_x < RESNET18_SIZE;
      memcpy(out + ky * R18_STEM_ROW + 3 * kx, inside ? rgb + (from_y * RESNET18_SIZE + from_x) * 3 : r18_mean_rgb, 3);
    }
}

static void convolve(const packed_stem *p, const uint8_t *rgb, int y, int x, uint8_t *out) {
  uint8_t pixels[R18_STEM_TAPS] = {0};
  window(rgb, y, x, pixels);
  for (unsigned o = 0; o < R18_STEM_CHANNELS; o++) {
    int32_t sum = 0;
    for (unsigned t = 0; t < R18_STEM_TAPS; t++)
      sum += pixels[t] * p->taps[o][t];
    out[o] = r18_to_u8(fmaf((float)sum, p->multiplier[o], p->offset[o]));
  }
}

static void pooled_pixel(const packed_stem *p, const uint8_t *rgb, int y, int x, uint8_t *out) {
  memset(out, 0, R18_STEM_CHANNELS);
  for (int from_y = 2 * y - 1; from_y <= 2 * y + 1; from_y++)
    for (int from_x = 2 * x - 1; from_x <= 2 * x + 1; from_x++) {
      if (from_y < 0 || from_x < 0)
        continue; /* the right and lower edge are never crossed: 112 is even */
      uint8_t value[R18_STEM_CHANNELS];
      convolve(p, rgb, from_y, from_x, value);
      for (unsigned o = 0; o < R18_STEM_CHANNELS; o++)
        out[o] = value[o] > out[o] ? value[o] : out[o];
    }
}

static void run_rows(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  const packed_stem *p = (const packed_stem *)(const void *)step->weights;
  for (unsigned unit = begin; unit < end; unit++) {
    unsigned image = unit / step->units;
    int y = (int)(unit % step->units);
    for (int x = 0; x < (int)step->out.width; x++)
      pooled_pixel(p, run->rgb + (size_t)image * RESNET18_RGB_BYTES, y, x, r18_at(run, &step->out, image, y, x));
  }
}

const r18_conv_kernel r18_conv_stem_u8_c = {
    .name = "conv_stem_u8",
    .set = R18_CPU_C,
    .element = 1,
    .fuses_maxpool = true,
    .reads_rgb = true,
    .accepts = accepts,
    .packed_bytes = packed_bytes,
    .quantize = r18_quantize_stem,
    .pack_int8 = pack,
    .units = units,
    .run = run_rows,
};

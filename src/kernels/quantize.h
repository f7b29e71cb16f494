/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The arithmetic of the int8 convolutions, in one place: what every instruction set must reproduce bit for bit.
 *
 * Weights: int8 with one scale an output channel (direct) or one a position and output channel (Winograd),
 * value / scale rounded to the nearest integer, ties to even.
 * Sums: int32, exact.
 * Epilogue: y = fma(sum, multiplier, bias), then fma(residual, residual multiplier, y) where there is a residual, cut
 * to 0..255 and rounded to the nearest integer, ties to even. The zero points sit in the bias.
 *
 * Winograd F(2x2,3x3) (Lavin and Gray, arXiv:1509.09308) in int8 (LoWino, doi 10.1145/3472456.3472464): the input
 * transform is exact in int16; each of the 16 positions is then rounded to eight bits with its own scale. Position (1,
 * 1) is a sum of four inputs and so never below 0: it is cut to 0..255, the others to -128..127. */
#ifndef RESNET18_QUANTIZE_H
#define RESNET18_QUANTIZE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels.h"

enum {
  R18_POSITIONS = 16,
  R18_UNSIGNED_POSITION = 5, /* (1, 1) */
  R18_STEM_CHANNELS = R18_PACK_GROUP,
  R18_STEM_ROW = 24, /* bytes of one row of the first layer's filter: 7 RGB pixels, filled up to whole dwords */
  R18_STEM_TAPS = 7 * R18_STEM_ROW
};

/* What the picture is continued with beyond its edge: ImageNet's mean colour, 0 after normalisation. */
static const uint8_t r18_mean_rgb[3] = {124, 116, 104};

/* Every product that is followed by a sum is an fma by name or exact, so that nothing depends on what a compiler makes
 * of a * b + c. */

/* a * b to the nearest integer, ties to even, below 2^22; vectorises where lrintf does not. */
static inline int r18_round_product(float a, float b) {
  float shifted = fmaf(a, b, 12582912.0f); /* 1.5 * 2^23 */
  int32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  return bits - 0x4b400000;
}

static inline uint8_t r18_to_u8(float y) {
  float low = y > 0.0f ? y : 0.0f;
  float cut = low < 255.0f ? low : 255.0f;
  return (uint8_t)r18_round_product(cut, 1.0f);
}

/* Quantises `count` weights; returns the scale, 1 where all are 0. */
static inline float r18_quantize_weights(const float *weights, size_t count, int8_t *out) {
  float largest = 0.0f;
  for (size_t i = 0; i < count; i++) {
    float magnitude = fabsf(weights[i]);
    largest = magnitude > largest ? magnitude : largest;
  }
  float scale = largest > 0.0f ? largest / 127.0f : 1.0f;
  float inverse = 1.0f / scale;
  for (size_t i = 0; i < count; i++) {
    int q = r18_round_product(weights[i], inverse);
    out[i] = (int8_t)(q > 127 ? 127 : q < -127 ? -127 : q);
  }
  return scale;
}

/* The bias in steps of the output, both zero points included. */
static inline float r18_output_bias(const r18_conv *conv, float bias) {
  float zero = (float)conv->out_zero;
  if (conv->residual)
    zero -= (float)conv->residual_zero * (conv->residual_scale / conv->out_scale);
  return bias / conv->out_scale + zero;
}

/* U = G w G^T of one 3x3 filter, written to u[position * stride]. */
static inline void r18_winograd_weights(const float *w, float *u, size_t stride) {
  float half[4][3];
  for (int x = 0; x < 3; x++) {
    float outer = w[x] + w[6 + x];
    half[0][x] = w[x];
    half[1][x] = 0.5f * (outer + w[3 + x]);
    half[2][x] = 0.5f * (outer - w[3 + x]);
    half[3][x] = w[6 + x];
  }
  for (int y = 0; y < 4; y++) {
    float outer = half[y][0] + half[y][2];
    u[(size_t)(4 * y) * stride] = half[y][0];
    u[(size_t)(4 * y + 1) * stride] = 0.5f * (outer + half[y][1]);
    u[(size_t)(4 * y + 2) * stride] = 0.5f * (outer - half[y][1]);
    u[(size_t)(4 * y + 3) * stride] = half[y][2];
  }
}

static inline int r18_position_levels(int position) {
  return position == R18_UNSIGNED_POSITION ? 255 : 127;
}

/* What the integers of a position are multiplied with to fit eight bits: (v * factor + 2^14) >> 15. */
static inline int r18_position_factor(const r18_conv *conv, int position) {
  float factor = 32768.0f * (float)r18_position_levels(position) * conv->in_scale / conv->position_max[position];
  return factor < 32767.0f ? (int)factor : 32767;
}

/* Real value of one step at a position with that factor. */
static inline float r18_position_scale(float in_scale, int factor) {
  return in_scale * 32768.0f / (float)factor;
}

/* The first layer on raw pixels: mean and standard deviation folded in, and the mean taken off with the quantised
 * weights, so that their rounding does not turn the mean colour into an offset. `taps`: [channel][R18_STEM_TAPS]. */
static inline void r18_stem_quantize(const r18_conv *conv, const float *weights, const float *bias, int8_t *taps,
                                     float *multiplier, float *offset) {
  static const float mean[3] = {0.485f * 255, 0.456f * 255, 0.406f * 255};
  static const float deviation[3] = {0.229f * 255, 0.224f * 255, 0.225f * 255};
  for (unsigned channel = 0; channel < conv->out_channels; channel++) {
    float folded[R18_STEM_TAPS] = {0};
    for (int c = 0; c < 3; c++)
      for (int y = 0; y < 7; y++)
        for (int x = 0; x < 7; x++)
          folded[y * R18_STEM_ROW + 3 * x + c] =
              weights[((channel * 3 + (unsigned)c) * 7 + (unsigned)y) * 7 + (unsigned)x] / deviation[c];
    int8_t *out = taps + (size_t)channel * R18_STEM_TAPS;
    float scale = r18_quantize_weights(folded, R18_STEM_TAPS, out);
    double dark = 0;
    for (int y = 0; y < 7; y++)
      for (int x = 0; x < 21; x++)
        dark += (double)out[y * R18_STEM_ROW + x] * mean[x % 3]; /* exact: 8 + 24 bits */
    multiplier[channel] = scale / conv->out_scale;
    offset[channel] = r18_output_bias(conv, (float)fma(-dark, scale, bias[channel]));
  }
}

#endif

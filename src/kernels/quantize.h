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

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
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

/* Quantises `count` weights; returns the scale, 1 where all are 0 or too small for the scale to be a normal number. */
static inline float r18_quantize_weights(const float *weights, size_t count, int8_t *out) {
  float largest = 0.0f;
  for (size_t i = 0; i < count; i++) {
    float magnitude = fabsf(weights[i]);
    largest = magnitude > largest ? magnitude : largest;
  }
  float scale = largest > 127.0f * FLT_MIN ? largest / 127.0f : 1.0f;
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

/* ---- Forms of an r18_int8_group: static functions, so that each instruction set has them in its own instructions --
 */

/* [in][taps] to [taps][in]. */
static inline void r18_taps_first(const int8_t *weights, size_t in, size_t taps, int8_t *out) {
  for (size_t t = 0; t < taps; t++)
    for (size_t i = 0; i < in; i++)
      out[t * in + i] = weights[i * taps + t]; /* NOLINT(clang-analyzer-core.uninitialized.Assign): in * taps of them */
}

static inline bool r18_quantize_direct(const r18_conv *conv, const float *weights, int8_t *out, float *scale) {
  const size_t taps = (size_t)conv->kernel * conv->kernel, each = taps * conv->in_channels;
  int8_t *oihw = malloc(each);
  if (!oihw)
    return false;
  for (size_t o = 0; o < R18_PACK_GROUP; o++) {
    scale[o] = r18_quantize_weights(weights + o * each, each, oihw);
    r18_taps_first(oihw, conv->in_channels, taps, out + o * each);
  }
  free(oihw);
  return true;
}

static inline bool r18_quantize_positions(const r18_conv *conv, const float *weights, int8_t *out, float *scale) {
  const size_t in = conv->in_channels;
  float *u = malloc(R18_POSITIONS * in * sizeof *u);
  if (!u)
    return false;
  for (size_t o = 0; o < R18_PACK_GROUP; o++) {
    for (size_t i = 0; i < in; i++)
      r18_winograd_weights(weights + (o * in + i) * 9, u + i, in);
    for (size_t row = o * R18_POSITIONS, p = 0; p < R18_POSITIONS; p++)
      scale[row + p] = r18_quantize_weights(u + p * in, in, out + (row + p) * in);
  }
  free(u);
  return true;
}

/* The first layer on raw pixels: the standard deviation is folded into its weights. */
static inline bool r18_quantize_stem(const r18_conv *conv, const float *weights, int8_t *out, float *scale) {
  enum { EACH = 7 * 7 * 3 };
  static const float deviation[3] = {0.229f * 255, 0.224f * 255, 0.225f * 255};
  for (unsigned o = 0; o < R18_STEM_CHANNELS; o++) {
    float folded[EACH];
    for (unsigned c = 0; c < 3; c++)
      for (unsigned t = 0; t < 7 * 7; t++)
        folded[t * 3 + c] = weights[(o * 3 + c) * 49 + t] / deviation[c];
    scale[o] = r18_quantize_weights(folded, EACH, out + (size_t)o * EACH);
  }
  return true;
}

/* Channel o of the first layer with its rows filled up to R18_STEM_ROW. The mean is taken off with the quantised
 * weights, so that their rounding does not turn the mean colour into an offset. */
static inline void r18_stem_channel(const r18_conv *conv, const r18_int8_group *group, unsigned o,
                                    int8_t taps[R18_STEM_TAPS], float *multiplier, float *offset) {
  static const float mean[3] = {0.485f * 255, 0.456f * 255, 0.406f * 255};
  const int8_t *weights = group->weights + (size_t)o * 7 * 21;
  double dark = 0;
  for (unsigned y = 0; y < 7; y++)
    for (unsigned x = 0; x < R18_STEM_ROW; x++)
      taps[y * R18_STEM_ROW + x] = x < 21 ? weights[y * 21 + x] : 0;
  for (unsigned y = 0; y < 7; y++)
    for (unsigned x = 0; x < 21; x++)
      dark += (double)weights[y * 21 + x] * mean[x % 3]; /* exact: 8 + 24 bits */
  *multiplier = group->scale[o] / conv->out_scale;
  *offset = r18_output_bias(conv, (float)fma(-dark, group->scale[o], group->bias[o]));
}

#endif

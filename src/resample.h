/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Weights of an antialiased bilinear resize along one axis, as Pillow computes them. */
#ifndef RESNET18_RESAMPLE_H
#define RESNET18_RESAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One axis of a resize: `in` samples become `size`, of which `count` from `from` on are wanted. */
typedef struct {
  uint32_t in, size, from, count;
} r18_axis;

/* output[i] = sum over k < taps[i] of weight[i * max_taps + k] * sample[first[i] + k]
 * The weights of an output sum to 1: first as real numbers, then, after r18_filter_quantize, as integers of
 * R18_NARROW_BITS or R18_WIDE_BITS fraction bits. */
typedef struct {
  uint32_t count; /* outputs */
  uint32_t max_taps;
  uint32_t *first;
  uint32_t *taps;
  double *real;
  uint16_t *weight; /* narrow: 1 is stored as 65535 */
  uint32_t *wide;   /* instead of `weight` where the sums are long */
} r18_filter;

enum {
  R18_NARROW_BITS = 16,
  R18_WIDE_BITS = 24,
  /* Narrow arithmetic is precise enough while vertical and horizontal taps together are at most this many:
   * docs/preprocess.md derives it. */
  R18_NARROW_TAPS = 120
};

/* The triangle filter of Pillow's Resample.c. False: out of memory. A filter is all zeros before it is made. */
bool r18_filter_make(r18_filter *filter, const r18_axis *axis);

/* The same resize for chroma samples that stand for two luma samples each: linear interpolation to the `in` luma
 * samples, of which the first has the index `origin` in the picture, followed by `luma`. `cosited`: chroma sample c
 * sits on luma sample 2c, else between 2c and 2c + 1. Sample 0 is the chroma sample of luma sample `origin`. */
bool r18_filter_make_chroma(r18_filter *filter, const r18_filter *luma, uint32_t in, uint32_t origin, bool cosited);

/* Replaces the real weights by integers; drops taps that became zero at the ends. */
bool r18_filter_quantize(r18_filter *filter, bool wide);

void r18_filter_clear(r18_filter *filter);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The resize of Pillow, to the last bit. The arithmetic follows precompute_coeffs and ImagingResampleHorizontal_8bpc
 * of its Resample.c step by step: another order of the same sums would round differently. */
#include "pillow.h"

#include <math.h>
#include <stdlib.h>

/* 8 bits for the sample and 2 for overshoot leave so many fraction bits of 32. */
enum { FRACTION_BITS = 32 - 8 - 2 };

/* out[i] = sum over k < taps[i] of weight[i * max_taps + k] * in[first[i] + k] */
typedef struct {
  uint32_t count, max_taps;
  uint32_t *first, *taps;
  int32_t *weight;
} filter;

struct r18_pillow {
  filter across, down;
  uint32_t top, rows; /* rows of the picture that are needed */
  uint8_t *between;   /* [rows][across.count]: one channel after the horizontal sums */
};

static double triangle(double x) {
  if (x < 0.0)
    x = -x;
  return x < 1.0 ? 1.0 - x : 0.0;
}

static void make_output(filter *f, const r18_axis *axis, uint32_t i, double *real) {
  const double scale = (double)axis->in / axis->size;
  const double support = scale < 1.0 ? 1.0 : scale, inverse = 1.0 / support;
  const double centre = ((double)axis->from + i + 0.5) * scale;
  int begin = (int)(centre - support + 0.5), end = (int)(centre + support + 0.5);
  double sum = 0.0;
  if (begin < 0)
    begin = 0;
  if (end > (int)axis->in)
    end = (int)axis->in;
  for (int k = 0; k < end - begin; k++) {
    real[k] = triangle((k + begin - centre + 0.5) * inverse);
    sum += real[k];
  }
  f->first[i] = (uint32_t)begin;
  f->taps[i] = (uint32_t)(end - begin);
  for (int k = 0; k < end - begin; k++) {
    if (sum != 0.0)
      real[k] /= sum;
    f->weight[(size_t)i * f->max_taps + (size_t)k] = (int32_t)(0.5 + real[k] * (1 << FRACTION_BITS));
  }
}

static void clear(filter *f) {
  free(f->first);
  free(f->taps);
  free(f->weight);
}

static bool make_filter(filter *f, const r18_axis *axis) {
  const double scale = (double)axis->in / axis->size;
  f->count = axis->count;
  f->max_taps = 2 * (uint32_t)ceil(scale < 1.0 ? 1.0 : scale) + 1;
  f->first = calloc(f->count, sizeof *f->first);
  f->taps = calloc(f->count, sizeof *f->taps);
  f->weight = calloc((size_t)f->count * f->max_taps, sizeof *f->weight);
  double *real = calloc(f->max_taps, sizeof *real);
  const bool ok = f->first && f->taps && f->weight && real;
  for (uint32_t i = 0; ok && i < f->count; i++)
    make_output(f, axis, i, real);
  free(real);
  return ok;
}

r18_pillow *r18_pillow_new(const r18_axis *across, const r18_axis *down) {
  r18_pillow *p = calloc(1, sizeof *p);
  if (p == NULL)
    return NULL;
  if (make_filter(&p->across, across) && make_filter(&p->down, down)) {
    const uint32_t last = p->down.count - 1;
    p->top = p->down.first[0];
    p->rows = p->down.first[last] + p->down.taps[last] - p->top;
    /* NOLINTNEXTLINE(clang-analyzer-optin.portability.UnixAPI): an axis has outputs */
    p->between = malloc((size_t)p->rows * p->across.count);
  }
  if (p->between)
    return p;
  r18_pillow_free(p);
  return NULL;
}

void r18_pillow_free(r18_pillow *p) {
  if (p == NULL)
    return;
  clear(&p->across);
  clear(&p->down);
  free(p->between);
  free(p);
}

static uint8_t weighted_sum(const filter *f, uint32_t i, const uint8_t *in, ptrdiff_t step) {
  const int32_t *weight = f->weight + (size_t)i * f->max_taps;
  int32_t sum = 1 << (FRACTION_BITS - 1);
  for (uint32_t k = 0; k < f->taps[i]; k++)
    sum += in[(ptrdiff_t)k * step] * weight[k];
  sum >>= FRACTION_BITS;
  return sum > UINT8_MAX ? UINT8_MAX : (uint8_t)sum;
}

void r18_pillow_run(r18_pillow *p, const r18_pillow_channel *in, uint8_t *out, size_t pitch) {
  const size_t width = p->across.count;
  for (uint32_t y = 0; y < p->rows; y++) {
    const uint8_t *row = in->first + (ptrdiff_t)(p->top + y) * in->stride;
    for (uint32_t x = 0; x < width; x++)
      p->between[y * width + x] = weighted_sum(&p->across, x, row + p->across.first[x] * in->step, (ptrdiff_t)in->step);
  }
  for (uint32_t y = 0; y < p->down.count; y++) {
    const uint8_t *column = p->between + (size_t)(p->down.first[y] - p->top) * width;
    for (uint32_t x = 0; x < width; x++)
      out[y * pitch + 3 * (size_t)x] = weighted_sum(&p->down, y, column + x, (ptrdiff_t)width);
  }
}

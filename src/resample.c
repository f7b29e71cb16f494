/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filter tables of the resize. */
#include "resample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool allocate(r18_filter *filter, uint32_t count, uint32_t max_taps) {
  filter->count = count;
  filter->max_taps = max_taps;
  filter->first = calloc(count, sizeof *filter->first);
  filter->taps = calloc(count, sizeof *filter->taps);
  filter->real = calloc((size_t)count * max_taps, sizeof *filter->real);
  if (filter->first && filter->taps && filter->real)
    return true;
  r18_filter_clear(filter);
  return false;
}

void r18_filter_clear(r18_filter *filter) {
  free(filter->first);
  free(filter->taps);
  free(filter->real);
  free(filter->weight);
  free(filter->wide);
  memset(filter, 0, sizeof *filter);
}

static double triangle(double x) {
  x = fabs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

/* One output of precompute_coeffs() in Pillow's Resample.c. */
static void make_output(r18_filter *filter, const r18_axis *axis, uint32_t i) {
  double scale = (double)axis->in / axis->size;
  double support = scale < 1.0 ? 1.0 : scale;
  double centre = ((double)axis->from + i + 0.5) * scale;
  double low = floor(centre - support + 0.5), high = floor(centre + support + 0.5);
  uint32_t begin = low < 0 ? 0 : (uint32_t)low;
  uint32_t end = high > axis->in ? axis->in : (uint32_t)high;
  double *weight = filter->real + (size_t)i * filter->max_taps;
  double sum = 0;
  for (uint32_t k = begin; k < end; k++) {
    weight[k - begin] = triangle((k - centre + 0.5) / support);
    sum += weight[k - begin];
  }
  for (uint32_t k = 0; k < end - begin; k++)
    weight[k] /= sum;
  filter->first[i] = begin;
  filter->taps[i] = end - begin;
}

bool r18_filter_make(r18_filter *filter, const r18_axis *axis) {
  double scale = (double)axis->in / axis->size;
  if (!allocate(filter, axis->count, 2 * (uint32_t)ceil(scale < 1.0 ? 1.0 : scale) + 1))
    return false;
  for (uint32_t i = 0; i < axis->count; i++)
    make_output(filter, axis, i);
  return true;
}

/* Adds `weight` times luma sample `luma` (index in the picture) to the chroma samples it is interpolated from, of which
 * `first` to `last` exist; to[0] stands for chroma sample `low`. */
static void add_chroma(double *to, uint32_t low, uint32_t first, uint32_t last, uint32_t luma, bool cosited,
                       double weight) {
  double place = cosited ? luma / 2.0 : (luma - 0.5) / 2.0;
  place = fmin(fmax(place, first), last);
  uint32_t below = (uint32_t)place;
  double part = place - below;
  to[below - low] += weight * (1.0 - part);
  if (part > 0)
    to[below + 1 - low] += weight * part;
}

bool r18_filter_make_chroma(r18_filter *filter, const r18_filter *luma, uint32_t in, uint32_t origin, bool cosited) {
  uint32_t first = origin / 2, last = (origin + in - 1) / 2;
  /* t luma samples touch at most t / 2 + 2 chroma samples. */
  if (!allocate(filter, luma->count, luma->max_taps / 2 + 3))
    return false;
  for (uint32_t i = 0; i < luma->count; i++) {
    uint32_t begin = origin + luma->first[i];
    uint32_t low = begin > 0 ? (begin - 1) / 2 : 0;
    uint32_t high = (begin + luma->taps[i]) / 2;
    low = low < first ? first : low;
    high = high > last ? last : high;
    filter->first[i] = low - first;
    filter->taps[i] = high - low + 1;
    double *to = filter->real + (size_t)i * filter->max_taps;
    for (uint32_t k = 0; k < luma->taps[i]; k++) {
      double weight = luma->real[(size_t)i * luma->max_taps + k];
      add_chroma(to, low, first, last, begin + k, cosited, weight);
    }
  }
  return true;
}

/* Rounds the running sum rather than each weight, so that the integers sum to exactly 1. */
static void round_weights(const double *real, uint32_t taps, unsigned bits, uint32_t *rounded) {
  double sum = 0, one = (double)(1u << bits);
  uint32_t before = 0;
  for (uint32_t k = 0; k < taps; k++) {
    sum += real[k];
    uint32_t now = k + 1 == taps ? 1u << bits : (uint32_t)(sum * one + 0.5);
    rounded[k] = now - before;
    before = now;
  }
}

static void trim(r18_filter *filter, uint32_t i) {
  uint32_t *weight = filter->wide + (size_t)i * filter->max_taps;
  uint32_t skip = 0, taps = filter->taps[i];
  while (taps > 1 && weight[taps - 1] == 0)
    taps--;
  while (taps > 1 && weight[skip] == 0)
    skip++, taps--;
  memmove(weight, weight + skip, taps * sizeof *weight);
  filter->first[i] += skip;
  filter->taps[i] = taps;
}

static bool narrow_weights(r18_filter *filter) {
  size_t weights = (size_t)filter->count * filter->max_taps;
  filter->weight = calloc(weights, sizeof *filter->weight);
  if (!filter->weight)
    return false;
  for (size_t i = 0; i < weights; i++)
    filter->weight[i] = filter->wide[i] > UINT16_MAX ? UINT16_MAX : (uint16_t)filter->wide[i];
  free(filter->wide);
  filter->wide = NULL;
  return true;
}

bool r18_filter_quantize(r18_filter *filter, bool wide) {
  filter->wide = calloc((size_t)filter->count * filter->max_taps, sizeof *filter->wide);
  if (!filter->wide)
    return false;
  for (uint32_t i = 0; i < filter->count; i++) {
    size_t at = (size_t)i * filter->max_taps;
    round_weights(filter->real + at, filter->taps[i], wide ? R18_WIDE_BITS : R18_NARROW_BITS, filter->wide + at);
    trim(filter, i);
  }
  free(filter->real);
  filter->real = NULL;
  return wide || narrow_weights(filter);
}

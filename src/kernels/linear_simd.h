/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The last layer in floats (linear.c is the definition). Its weights are read once from memory, which is what it waits
 * for. Included by one file for each instruction set. */
#ifndef RESNET18_LINEAR_SIMD_H
#define RESNET18_LINEAR_SIMD_H

#include "kernels.h"
#include "simd.h"

#include <string.h>

enum { LINEAR_VECTORS = R18_LINEAR_GROUP / LANES, LINEAR_PREFETCH = 64 * R18_LINEAR_GROUP };

static inline void linear_group(const float *weights, const float *features, unsigned channels, float *sums) {
  /* Two sets of sums: one addition after the other would be waited for. */
  vec even[LINEAR_VECTORS], odd[LINEAR_VECTORS];
  for (unsigned n = 0; n < LINEAR_VECTORS; n++) {
    even[n] = vec_load(weights + (size_t)channels * R18_LINEAR_GROUP + n * LANES);
    odd[n] = vec_all(0);
  }
  for (unsigned i = 0; i + 2 <= channels; i += 2, weights += 2 * R18_LINEAR_GROUP) {
    const vec x = vec_all(features[i]), y = vec_all(features[i + 1]);
    for (unsigned line = 0; line < 2 * R18_LINEAR_GROUP; line += 16)
      __builtin_prefetch(weights + LINEAR_PREFETCH + line, 0, 2);
#pragma GCC unroll 16
    for (unsigned n = 0; n < LINEAR_VECTORS; n++) {
      even[n] += x * vec_load(weights + n * LANES);
      odd[n] += y * vec_load(weights + R18_LINEAR_GROUP + n * LANES);
    }
  }
  for (unsigned n = 0; n < LINEAR_VECTORS; n++)
    vec_store(sums + n * LANES, even[n] + odd[n]);
}

static inline void linear_run(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  const unsigned channels = step->in.channels; /* RESNET18_FEATURES: even */
  const size_t group_floats = (size_t)(channels + 1) * R18_LINEAR_GROUP;
  for (unsigned unit = begin; unit < end; unit++) {
    const float *weights = (const float *)(const void *)step->weights + unit * group_floats;
    const unsigned first = unit * R18_LINEAR_GROUP, left = step->classes - first;
    for (unsigned image = 0; image < run->batch; image++) {
      float sums[R18_LINEAR_GROUP];
      linear_group(weights, r18_at_f32(run, &step->in, image, 0, 0), channels, sums);
      memcpy(run->logits + (size_t)image * step->classes + first, sums,
             sizeof(float) * (left < R18_LINEAR_GROUP ? left : R18_LINEAR_GROUP));
    }
  }
}

#endif

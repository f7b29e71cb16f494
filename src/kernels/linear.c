/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The last layer. A unit is a group of R18_LINEAR_GROUP classes, for all pictures, so that each weight is read once. */
#include "kernels.h"

#include <string.h>

static void group(const float *weights, const float *features, unsigned channels, float *restrict sum) {
  memcpy(sum, weights + (size_t)channels * R18_LINEAR_GROUP, sizeof(float) * R18_LINEAR_GROUP);
  for (unsigned i = 0; i < channels; i++)
    for (unsigned c = 0; c < R18_LINEAR_GROUP; c++)
      sum[c] += features[i] * weights[i * R18_LINEAR_GROUP + c];
}

static void run_groups(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  const unsigned channels = step->in.channels;
  const size_t group_floats = (size_t)(channels + 1) * R18_LINEAR_GROUP;
  for (unsigned unit = begin; unit < end; unit++) {
    const float *weights = (const float *)(const void *)step->weights + unit * group_floats;
    const unsigned first = unit * R18_LINEAR_GROUP;
    const unsigned count = step->classes - first < R18_LINEAR_GROUP ? step->classes - first : R18_LINEAR_GROUP;
    for (unsigned image = 0; image < run->batch; image++) {
      float sum[R18_LINEAR_GROUP];
      group(weights, r18_at_f32(run, &step->in, image, 0, 0), channels, sum);
      memcpy(run->logits + (size_t)image * step->classes + first, sum, sizeof(float) * count);
    }
  }
}

const r18_plain_kernel r18_linear_c = {"linear", R18_CPU_C, run_groups};

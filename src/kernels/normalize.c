/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 0..255 RGB -> (value / 255 - mean) / std, into a picture with a halo of zeros. A unit is one row. */
#include "kernels.h"

#include "../model.h"

static void run_rows(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  float factor[3], offset[3];
  for (int c = 0; c < 3; c++) {
    factor[c] = 1.0f / (255.0f * r18_std[c]);
    offset[c] = -r18_mean[c] / r18_std[c];
  }
  for (unsigned unit = begin; unit < end; unit++) {
    const unsigned image = unit / step->units, y = unit % step->units;
    const uint8_t *in = run->rgb + (size_t)image * RESNET18_RGB_BYTES + (size_t)y * RESNET18_SIZE * 3;
    float *out = r18_at_f32(run, &step->out, image, (int)y, 0);
    for (unsigned x = 0; x < RESNET18_SIZE; x++)
      for (unsigned c = 0; c < 3; c++)
        out[3 * x + c] = (float)in[3 * x + c] * factor[c] + offset[c];
  }
}

const r18_plain_kernel r18_normalize_c = {"normalize", R18_CPU_C, run_rows};

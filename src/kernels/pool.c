/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Max pooling after the first convolution, and the mean before the last layer. */
#include "kernels.h"

/* 3x3, stride 2, padding 1. The input is >= 0 (it comes out of a ReLU), so a tap outside the picture counts as 0, which
 * is what torch's -infinity comes to. A unit is one output row. */
static void maxpool_rows(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  const int height = (int)step->in.height, width = (int)step->in.width;
  for (unsigned unit = begin; unit < end; unit++) {
    const unsigned image = unit / step->units;
    const int y = (int)(unit % step->units);
    for (int x = 0; x < (int)step->out.width; x++) {
      float *restrict out = r18_at_f32(run, &step->out, image, y, x);
      for (unsigned c = 0; c < step->out.channels; c++)
        out[c] = 0.0f;
      for (int iy = 2 * y - 1; iy <= 2 * y + 1; iy++)
        for (int ix = 2 * x - 1; ix <= 2 * x + 1; ix++) {
          if (iy < 0 || iy >= height || ix < 0 || ix >= width)
            continue;
          const float *in = r18_at_f32(run, &step->in, image, iy, ix);
          for (unsigned c = 0; c < step->out.channels; c++)
            out[c] = in[c] > out[c] ? in[c] : out[c];
        }
    }
  }
}

enum { CHANNELS = 64 };

/* A unit is 64 channels. */
static void avgpool_channels(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  const float share = 1.0f / (float)(step->in.height * step->in.width);
  for (unsigned unit = begin; unit < end; unit++) {
    const unsigned image = unit / step->units, first = unit % step->units * CHANNELS;
    float sum[CHANNELS] = {0};
    for (unsigned y = 0; y < step->in.height; y++)
      for (unsigned x = 0; x < step->in.width; x++) {
        const float *in = r18_at_f32(run, &step->in, image, (int)y, (int)x) + first;
        for (unsigned c = 0; c < CHANNELS; c++)
          sum[c] += in[c];
      }
    float *out = r18_at_f32(run, &step->out, image, 0, 0) + first;
    for (unsigned c = 0; c < CHANNELS; c++)
      out[c] = sum[c] * share;
  }
}

const r18_plain_kernel r18_maxpool_f32_c = {"maxpool", R18_CPU_C, maxpool_rows};
const r18_plain_kernel r18_avgpool_f32_c = {"avgpool", R18_CPU_C, avgpool_channels};

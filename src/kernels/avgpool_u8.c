/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mean over the last feature map, u8 -> float. Exact integer sums, so one plain version does for every set. */
#include "conv_u8.h"

enum { GROUP = 64 };

static void group(const r18_step *step, const r18_run *run, unsigned image, unsigned first) {
  uint32_t sum[GROUP] = {0};
  for (unsigned y = 0; y < step->in.height; y++)
    for (unsigned x = 0; x < step->in.width; x++) {
      const uint8_t *pixel = r18_at(run, &step->in, image, (int)y, (int)x) + first;
      for (unsigned c = 0; c < GROUP; c++)
        sum[c] += pixel[c];
    }
  float scale = step->in.scale / (float)(step->in.height * step->in.width);
  float *out = r18_at_f32(run, &step->out, image, 0, 0) + first;
  for (unsigned c = 0; c < GROUP; c++)
    out[c] = (float)sum[c] * scale;
}

static void avgpool(const r18_step *step, const r18_run *run, unsigned begin, unsigned end) {
  for (unsigned unit = begin; unit < end; unit++)
    group(step, run, unit / step->units, unit % step->units * GROUP);
}

const r18_plain_kernel r18_avgpool_u8_c = {.name = "avgpool_u8", .set = R18_CPU_C, .run = avgpool};

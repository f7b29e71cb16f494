/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the int8 convolutions finish: residual, ReLU and rounding, and where the results go. */
#ifndef RESNET18_U8_OUTPUT_H
#define RESNET18_U8_OUTPUT_H

#include "kernels.h"
#include "u8_vector.h"

typedef struct {
  const uint8_t *residual; /* NULL: none */
  size_t residual_step;    /* bytes from one pixel to the next */
  float residual_multiplier;
  uint8_t *out;
  size_t out_step;
} output_row;

static inline void finish_vector(const output_row *o, size_t pixel, unsigned lane, vector_f y) {
  if (o->residual)
    y = fma_add(load_u8(o->residual + pixel * o->residual_step + lane), spread(o->residual_multiplier), y);
  store_u8(o->out + pixel * o->out_step + lane, y);
}

/* Where the outputs (y, x), (y, x + 1), ... from channel `channel` on go. */
static inline output_row output_at(const r18_step *step, const r18_run *run, unsigned image, unsigned y, unsigned x,
                                   unsigned channel) {
  output_row o = {.out = r18_at(run, &step->out, image, (int)y, (int)x) + channel, .out_step = step->out.channels};
  if (step->residual.element) {
    o.residual = r18_at(run, &step->residual, image, (int)y, (int)x) + channel;
    o.residual_step = step->residual.channels;
    o.residual_multiplier = step->residual.scale / step->out.scale;
  }
  return o;
}

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conv_case.h"

#include <stdlib.h>
#include <string.h>

#define SHAPE(in, in_c, out, out_c, k, s, p, has_relu, has_residual)                                                   \
  {                                                                                                                    \
    .in_size = in, .in_channels = in_c, .out_size = out, .out_channels = out_c, .kernel = k, .stride = s, .pad = p,    \
    .relu = has_relu, .residual = has_residual, .max_batch = 1, .threads = 1                                           \
  }

const conv_case_layer conv_case_layers[] = {
    {"conv1", 1, SHAPE(224, 3, 112, 64, 7, 2, 3, true, false)},
    {"layer1 conv1", 2, SHAPE(56, 64, 56, 64, 3, 1, 1, true, false)},
    {"layer1 conv2", 2, SHAPE(56, 64, 56, 64, 3, 1, 1, true, true)},
    {"layer2.0.conv1", 1, SHAPE(56, 64, 28, 128, 3, 2, 1, true, false)},
    {"layer2.0.down", 1, SHAPE(56, 64, 28, 128, 1, 2, 0, false, false)},
    {"layer2 conv1", 1, SHAPE(28, 128, 28, 128, 3, 1, 1, true, false)},
    {"layer2 conv2", 2, SHAPE(28, 128, 28, 128, 3, 1, 1, true, true)},
    {"layer3.0.conv1", 1, SHAPE(28, 128, 14, 256, 3, 2, 1, true, false)},
    {"layer3.0.down", 1, SHAPE(28, 128, 14, 256, 1, 2, 0, false, false)},
    {"layer3 conv1", 1, SHAPE(14, 256, 14, 256, 3, 1, 1, true, false)},
    {"layer3 conv2", 2, SHAPE(14, 256, 14, 256, 3, 1, 1, true, true)},
    {"layer4.0.conv1", 1, SHAPE(14, 256, 7, 512, 3, 2, 1, true, false)},
    {"layer4.0.down", 1, SHAPE(14, 256, 7, 512, 1, 2, 0, false, false)},
    {"layer4 conv1", 1, SHAPE(7, 512, 7, 512, 3, 1, 1, true, false)},
    {"layer4 conv2", 2, SHAPE(7, 512, 7, 512, 3, 1, 1, true, true)},
};
const unsigned conv_case_layer_count = sizeof conv_case_layers / sizeof *conv_case_layers;

static float uniform(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  return (float)(*state >> 8) * (2.0f / (1 << 24)) - 1.0f;
}

static float *uniform_array(size_t count, uint32_t *state) {
  float *array = malloc(sizeof *array * count);
  for (size_t i = 0; i < count; i++)
    array[i] = uniform(state);
  return array;
}

static void *aligned_zeros(size_t bytes) {
  bytes = (bytes + 63) & ~(size_t)63;
  void *block = aligned_alloc(64, bytes ? bytes : 64);
  memset(block, 0, bytes);
  return block;
}

static r18_place place_new(conv_case *c, unsigned size, unsigned channels, unsigned halo, unsigned element) {
  r18_place place = {.offset = c->arena_bytes,
                     .height = size,
                     .width = size,
                     .channels = channels,
                     .halo = halo,
                     .element = element,
                     .row = (size_t)(size + 2 * halo) * channels * element,
                     .scale = 1.0f};
  place.image = (place.row * (size + 2 * halo) + 63) & ~(size_t)63;
  c->arena_bytes += place.image * c->batch;
  return place;
}

static void fill_picture(const conv_case *c, const r18_place *place, uint32_t *state) {
  for (unsigned image = 0; image < c->batch; image++)
    for (unsigned y = 0; y < place->height; y++) {
      float *row = r18_at_f32(&c->run, place, image, (int)y, 0);
      for (unsigned i = 0; i < place->width * place->channels; i++)
        row[i] = uniform(state);
    }
}

static void make_steps(conv_case *c) {
  const r18_conv *conv = &c->conv;
  const unsigned out_size = c->kernel->fuses_maxpool ? conv->out_size / 2 : conv->out_size;
  const bool stem = conv->in_channels == 3;
  r18_step *step = &c->step;
  *step = (r18_step){
      .kernel_size = conv->kernel, .stride = conv->stride, .pad = conv->pad, .relu = conv->relu, .max_batch = c->batch};
  step->in = place_new(c, conv->in_size, conv->in_channels, stem ? 3 : 1, sizeof(float));
  step->out = place_new(c, out_size, conv->out_channels, stem && !c->kernel->fuses_maxpool ? 0 : 1, sizeof(float));
  if (conv->residual)
    step->residual = place_new(c, out_size, conv->out_channels, 1, sizeof(float));
  if (c->kernel->prepare)
    step->work = place_new(c, 1, (unsigned)c->kernel->work_bytes(conv), 0, 1);
  c->prepare = *step;
  c->prepare.run = c->kernel->prepare;
  if (c->kernel->prepare)
    c->prepare.units = c->kernel->prepare_units(conv);
  step->run = c->kernel->run;
  step->units = c->kernel->units(conv);
  step->spans_batch = c->kernel->spans_batch;
  step->weight_bytes = c->kernel->packed_bytes(conv);
}

static void pack(conv_case *c) {
  const size_t filter = (size_t)c->conv.in_channels * c->conv.kernel * c->conv.kernel;
  c->packed = aligned_zeros(c->step.weight_bytes);
  for (unsigned first = 0; first < c->conv.out_channels; first += R18_PACK_GROUP)
    r18_pack_floats(c->kernel, &c->conv, first, c->weights + first * filter, c->bias + first, c->packed);
  c->step.weights = c->packed;
}

conv_case conv_case_new(const r18_conv_kernel *kernel, const r18_conv *conv, unsigned batch, uint32_t seed) {
  conv_case c = {.kernel = kernel, .conv = *conv, .batch = batch};
  uint32_t state = seed;
  c.conv.max_batch = batch;
  make_steps(&c);
  c.weights = uniform_array((size_t)conv->out_channels * conv->in_channels * conv->kernel * conv->kernel, &state);
  c.bias = uniform_array(conv->out_channels, &state);
  pack(&c);
  c.run.batch = batch;
  c.run.arena = aligned_zeros(c.arena_bytes);
  c.run.scratch = aligned_zeros(kernel->scratch_bytes ? kernel->scratch_bytes(&c.conv) : 0);
  fill_picture(&c, &c.step.in, &state);
  if (conv->residual)
    fill_picture(&c, &c.step.residual, &state);
  memset(c.run.arena + c.step.out.offset, CONV_CASE_UNTOUCHED, c.step.out.image * batch);
  return c;
}

void conv_case_free(conv_case *c) {
  free(c->weights);
  free(c->bias);
  free(c->packed);
  free(c->run.arena);
  free(c->run.scratch);
}

static void run_step(const conv_case *c, const r18_step *step, unsigned total, unsigned piece, bool backwards) {
  const unsigned pieces = (total + piece - 1) / piece;
  r18_run run = c->run;
  for (unsigned i = 0; i < pieces; i++) {
    const unsigned begin = (backwards ? pieces - 1 - i : i) * piece;
    step->run(step, &run, begin, begin + piece < total ? begin + piece : total);
    run.continues = true;
  }
}

void conv_case_run(const conv_case *c, unsigned piece, bool backwards) {
  if (c->prepare.run)
    run_step(c, &c->prepare, c->prepare.units * c->batch, piece, backwards);
  run_step(c, &c->step, c->step.spans_batch ? c->step.units : c->step.units * c->batch, piece, backwards);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Weights of floats, quantised for int8 and written. */
#include "error.h"
#include "kernels/quantize.h"
#include "quantized.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TENSORS = R18_CONVS * R18_QUANTIZED_PARTS + 2 };

/* The file's content: memory that only grows, so that tensors keep their place. */
struct writer {
  r18_tensors tensors;
  r18_tensor tensor[MOST_TENSORS];
  unsigned char *memory;
  size_t used;
};

static size_t weights_of(unsigned index) {
  const r18_conv_shape *conv = &r18_convs[index];
  const size_t taps = r18_has_positions(index) ? R18_POSITIONS : (size_t)conv->kernel * conv->kernel;
  return conv->out_channels * taps * conv->in_channels;
}

/* Bytes of all tensors but the last layer's, each at a multiple of 64. */
static size_t memory_needed(void) {
  size_t bytes = 0;
  for (unsigned i = 0; i < R18_CONVS; i++)
    bytes += weights_of(i) + r18_convs[i].out_channels * (R18_POSITIONS + 1) * sizeof(float) + 8 * 64;
  return bytes;
}

static void *add(struct writer *w, unsigned index, const char *part, r18_dtype dtype, unsigned dims,
                 const uint64_t *shape) {
  r18_tensor *tensor = &w->tensor[w->tensors.count++];
  *tensor = (r18_tensor){.dtype = dtype, .dims = dims, .data = w->memory + w->used, .bytes = r18_dtype_bytes(dtype)};
  snprintf(tensor->name, sizeof tensor->name, "%s.%s", r18_convs[index].name, part);
  for (unsigned i = 0; i < dims; i++) {
    tensor->shape[i] = shape[i];
    tensor->bytes *= (size_t)shape[i];
  }
  void *start = w->memory + w->used;
  w->used += (tensor->bytes + 63) & ~(size_t)63;
  return start;
}

static void add_ranges(struct writer *w, const r18_calibration *calibration, unsigned index) {
  static const uint64_t one[] = {1}, positions[] = {R18_POSITIONS};
  memcpy(add(w, index, "range", R18_F32, 1, one), &calibration->range[index], sizeof(float));
  if (r18_has_positions(index))
    memcpy(add(w, index, "positions", R18_F32, 1, positions), calibration->position[index],
           sizeof calibration->position[index]);
}

static bool quantize_group(const r18_conv *conv, bool positions, const float *weights, int8_t *out, float *scale) {
  if (positions)
    return r18_quantize_positions(conv, weights, out, scale);
  return conv->kernel == 7 ? r18_quantize_stem(conv, weights, out, scale)
                           : r18_quantize_direct(conv, weights, out, scale);
}

static resnet18_status add_conv(struct writer *w, const resnet18_model *model, unsigned index, resnet18_error *error) {
  const r18_conv_shape *shape = &r18_convs[index];
  const r18_conv conv = {
      .kernel = shape->kernel, .in_channels = shape->in_channels, .out_channels = shape->out_channels};
  const bool positions = r18_has_positions(index);
  const uint64_t filters[] = {shape->out_channels, shape->kernel, shape->kernel, shape->in_channels};
  const uint64_t transformed[] = {shape->out_channels, R18_POSITIONS, shape->in_channels};
  const size_t each = weights_of(index) / shape->out_channels, scales = positions ? R18_POSITIONS : 1;
  const size_t floats = (size_t)R18_PACK_GROUP * shape->in_channels * shape->kernel * shape->kernel;
  int8_t *weight = add(w, index, "weight", R18_I8, positions ? 3 : 4, positions ? transformed : filters);
  float *scale = add(w, index, "scale", R18_F32, positions ? 2 : 1, transformed);
  float *bias = add(w, index, "bias", R18_F32, 1, transformed);
  float *group = malloc(sizeof *group * floats);
  bool good = group != NULL;
  for (unsigned first = 0; first < shape->out_channels && good; first += R18_PACK_GROUP) {
    r18_model_conv(model, index, first, R18_PACK_GROUP, group, bias + first);
    good = quantize_group(&conv, positions, group, weight + first * each, scale + first * scales);
  }
  free(group);
  r18_model_release(model, index);
  return good ? RESNET18_OK : r18_fail_memory(error, sizeof *group * floats);
}

static void add_linear(struct writer *w, const r18_tensors *from) {
  static const char *const names[] = {"fc.weight", "fc.bias"};
  for (unsigned i = 0; i < 2; i++)
    w->tensor[w->tensors.count++] = *r18_tensors_find(from, names[i]);
}

resnet18_status r18_quantized_write(const resnet18_model *model, const char *path, resnet18_error *error) {
  const r18_calibration *calibration = r18_model_calibration(model);
  const size_t bytes = memory_needed();
  struct writer *w = calloc(1, sizeof *w);
  resnet18_status status = RESNET18_OK;
  if (!w || !(w->memory = calloc(1, bytes))) {
    status = r18_fail_memory(error, bytes);
    goto out;
  }
  w->tensors.tensor = w->tensor;
  for (unsigned i = 0; i < R18_CONVS && !status; i++) {
    status = add_conv(w, model, i, error);
    if (!status)
      add_ranges(w, calibration, i);
  }
  if (status)
    goto out;
  add_linear(w, r18_model_tensors(model));
  status = r18_safetensors_write(&w->tensors, path, error);
out:
  if (w)
    free(w->memory);
  free(w);
  return status;
}

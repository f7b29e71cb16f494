/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Weights that were quantised for int8 before: reading and checking. */
#include "quantized.h"

#include "error.h"
#include "expect.h"

#include <float.h>
#include <string.h>

enum { WEIGHT, SCALE, BIAS, RANGE, POSITIONS };
static const char *const part_names[R18_QUANTIZED_PARTS] = {"weight", "scale", "bias", "range", "positions"};

bool r18_is_quantized(const r18_tensors *tensors) {
  const r18_tensor *first = r18_tensors_find(tensors, "conv1.weight");
  return first && first->dtype == R18_I8;
}

static r18_expected expected_part(unsigned index, unsigned part) {
  const r18_conv_shape *conv = &r18_convs[index];
  const bool positions = r18_has_positions(index);
  switch (part) {
  case WEIGHT:
    if (positions)
      return (r18_expected){R18_ONLY_I8, 3, {conv->out_channels, R18_CALIBRATION_POSITIONS, conv->in_channels}};
    return (r18_expected){R18_ONLY_I8, 4, {conv->out_channels, conv->kernel, conv->kernel, conv->in_channels}};
  case SCALE:
    return (r18_expected){
        R18_ONLY_F32, positions ? 2 : 1, {conv->out_channels, positions ? R18_CALIBRATION_POSITIONS : 0}};
  case BIAS:
    return (r18_expected){R18_ONLY_F32, 1, {conv->out_channels}};
  case RANGE:
    return (r18_expected){R18_ONLY_F32, 1, {1}};
  default:
    return (r18_expected){R18_ONLY_F32, 1, {R18_CALIBRATION_POSITIONS}};
  }
}

static resnet18_status find_parts(const r18_tensors *tensors, r18_quantized *quantized, resnet18_error *error) {
  resnet18_status status = RESNET18_OK;
  for (unsigned i = 0; i < R18_CONVS; i++)
    for (unsigned part = 0; part < R18_QUANTIZED_PARTS && !status; part++) {
      const r18_expected expected = expected_part(i, part);
      if (part != POSITIONS || r18_has_positions(i))
        status = r18_expect(tensors, r18_convs[i].name, part_names[part], &expected, &quantized->part[i][part], error);
    }
  return status;
}

/* Nothing else is in the file. */
static resnet18_status check_rest(const r18_tensors *tensors, const r18_tensor *const fc[2],
                                  const r18_quantized *quantized, resnet18_error *error) {
  for (size_t k = 0; k < tensors->count; k++) {
    const r18_tensor *tensor = &tensors->tensor[k];
    bool known = tensor == fc[0] || tensor == fc[1];
    for (unsigned i = 0; i < R18_CONVS && !known; i++)
      for (unsigned part = 0; part < R18_QUANTIZED_PARTS && !known; part++)
        known = tensor == quantized->part[i][part];
    if (!known)
      return r18_tensor_fail(tensors, tensor->name, "does not belong to the int8 weights of ResNet-18", error);
  }
  return RESNET18_OK;
}

/* ---- Values --------------------------------------------------------------------------------------------- */

static resnet18_status check_weights(const r18_tensors *tensors, const r18_tensor *weight, resnet18_error *error) {
  resnet18_status status = RESNET18_OK;
  if (r18_tensor_largest(tensors, weight) > 127)
    status = r18_tensor_fail(tensors, weight->name, "has a weight of -128, below the least of -127", error);
  r18_tensor_release(tensors, weight);
  return status;
}

/* Every number is between the two; NaN is not. */
static resnet18_status check_between(const r18_tensors *tensors, const r18_tensor *tensor, float least, float most,
                                     resnet18_error *error) {
  for (size_t i = 0; i < r18_tensor_count(tensor); i++) {
    float value;
    r18_tensor_read(tensor, i, 1, &value);
    if (!(value >= least && value <= most))
      return r18_fail(error, RESNET18_ERROR_FORMAT, "%s: tensor '%s' has the value %g at index %zu instead of %g to %g",
                      tensors->source, tensor->name, (double)value, i, (double)least, (double)most);
  }
  return RESNET18_OK;
}

/* The calibration is small and always looked at. */
static resnet18_status read_ranges(const r18_tensors *tensors, const r18_quantized *quantized,
                                   r18_calibration *calibration, resnet18_error *error) {
  resnet18_status status = RESNET18_OK;
  for (unsigned i = 0; i < R18_CONVS && !status; i++) {
    const r18_tensor *range = quantized->part[i][RANGE], *positions = quantized->part[i][POSITIONS];
    status = check_between(tensors, range, R18_RANGE_LEAST, R18_RANGE_MOST, error);
    if (!status && positions)
      status = check_between(tensors, positions, R18_RANGE_LEAST, R18_RANGE_MOST, error);
    if (status)
      break;
    r18_tensor_read(range, 0, 1, &calibration->range[i]);
    if (positions)
      r18_tensor_read(positions, 0, R18_CALIBRATION_POSITIONS, calibration->position[i]);
  }
  return status;
}

resnet18_status r18_quantized_check(const r18_tensors *tensors, const r18_quantized *quantized, resnet18_error *error) {
  resnet18_status status = RESNET18_OK;
  for (unsigned i = 0; i < R18_CONVS && !status; i++) {
    const r18_tensor *const *part = quantized->part[i];
    status = check_weights(tensors, part[WEIGHT], error);
    if (!status)
      status = check_between(tensors, part[SCALE], FLT_MIN, FLT_MAX / 127, error);
    if (!status)
      status = r18_expect_finite(tensors, part[BIAS], NULL, error);
  }
  return status;
}

resnet18_status r18_quantized_find(const r18_tensors *tensors, const r18_tensor *const fc[2], r18_quantized *quantized,
                                   r18_calibration *calibration, resnet18_error *error) {
  *quantized = (r18_quantized){0};
  *calibration = (r18_calibration){0};
  resnet18_status status = find_parts(tensors, quantized, error);
  if (!status)
    status = check_rest(tensors, fc, quantized, error);
  return status ? status : read_ranges(tensors, quantized, calibration, error);
}

/* ---- Reading -------------------------------------------------------------------------------------------- */

r18_int8_group r18_quantized_group(const r18_quantized *quantized, unsigned index, unsigned first,
                                   r18_group_floats *room) {
  const r18_tensor *const *part = quantized->part[index];
  const size_t weights = part[WEIGHT]->bytes / r18_convs[index].out_channels;
  const size_t scales = r18_has_positions(index) ? R18_CALIBRATION_POSITIONS : 1;
  r18_tensor_read(part[SCALE], first * scales, R18_PACK_GROUP * scales, room->scale);
  r18_tensor_read(part[BIAS], first, R18_PACK_GROUP, room->bias);
  return (r18_int8_group){
      .weights = (const int8_t *)part[WEIGHT]->data + first * weights, .scale = room->scale, .bias = room->bias};
}

void r18_quantized_release(const r18_tensors *tensors, const r18_quantized *quantized, unsigned index) {
  r18_tensor_release(tensors, quantized->part[index][WEIGHT]);
}

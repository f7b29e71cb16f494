/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks of single tensors. */
#include "expect.h"

#include "error.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

resnet18_status r18_tensor_fail(const r18_tensors *tensors, const char *name, const char *what, resnet18_error *error) {
  return r18_fail(error, RESNET18_ERROR_FORMAT, "%s: tensor '%s' %s", tensors->source, name, what);
}

static void print_shape(const uint64_t *shape, unsigned dims, char *out, size_t room) {
  size_t used = (size_t)snprintf(out, room, "[");
  for (unsigned i = 0; i < dims && used < room; i++)
    used += (size_t)snprintf(out + used, room - used, i ? ", %ju" : "%ju", (uintmax_t)shape[i]);
  if (used < room)
    snprintf(out + used, room - used, "]");
}

static resnet18_status shape_fail(const r18_tensors *tensors, const r18_tensor *tensor, const r18_expected *expected,
                                  resnet18_error *error) {
  char is[R18_MAX_DIMS * 22 + 3], must[R18_MAX_DIMS * 22 + 3];
  print_shape(tensor->shape, tensor->dims, is, sizeof is);
  print_shape(expected->shape, expected->dims, must, sizeof must);
  return r18_fail(error, RESNET18_ERROR_FORMAT, "%s: tensor '%s' has the shape %s instead of %s", tensors->source,
                  tensor->name, is, must);
}

static const char *set_name(unsigned dtypes) {
  return dtypes == R18_ONLY_F32 ? "F32" : dtypes == R18_ONLY_I8 ? "I8" : "F32, F16 or BF16";
}

resnet18_status r18_expect(const r18_tensors *tensors, const char *name, const char *part, const r18_expected *expected,
                           const r18_tensor **tensor, resnet18_error *error) {
  char full[R18_MAX_NAME];
  snprintf(full, sizeof full, "%s.%s", name, part);
  const r18_tensor *found = *tensor = r18_tensors_find(tensors, full);
  if (!found)
    return r18_tensor_fail(tensors, full, "is missing", error);
  if (!(expected->dtypes & 1u << found->dtype))
    return r18_fail(error, RESNET18_ERROR_FORMAT, "%s: tensor '%s' has the dtype %s instead of %s", tensors->source,
                    full, r18_dtype_name(found->dtype), set_name(expected->dtypes));
  if (found->dims != expected->dims || memcmp(found->shape, expected->shape, found->dims * sizeof *found->shape) != 0)
    return shape_fail(tensors, found, expected, error);
  return RESNET18_OK;
}

/* The index of the first value that is not finite, for the message. */
static size_t first_not_finite(const r18_tensor *tensor) {
  size_t count = r18_tensor_count(tensor), i = 0;
  float value = 0.0f;
  for (; i < count; i++) {
    r18_tensor_read(tensor, i, 1, &value);
    if (!isfinite(value))
      break;
  }
  return i;
}

resnet18_status r18_expect_finite(const r18_tensors *tensors, const r18_tensor *tensor, float *largest,
                                  resnet18_error *error) {
  const float found = r18_tensor_largest(tensors, tensor);
  if (largest)
    *largest = found;
  if (isfinite(found))
    return RESNET18_OK;
  return r18_fail(error, RESNET18_ERROR_FORMAT, "%s: tensor '%s' has a value that is not finite at index %zu",
                  tensors->source, tensor->name, first_not_finite(tensor));
}

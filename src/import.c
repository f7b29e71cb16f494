/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any weight file that can be loaded, as a safetensors file: as it is, or quantised. */
#include "error.h"
#include "model.h"
#include "quantized.h"

#include <stdlib.h>

/* The tensors but for the integers: in a checked model those are the batch norms' counters. */
static resnet18_status without_counters(const r18_tensors *all, r18_tensors *floats, resnet18_error *error) {
  *floats = *all;
  floats->count = 0;
  floats->tensor = calloc(all->count, sizeof *floats->tensor);
  if (!floats->tensor)
    return r18_fail_memory(error, all->count * sizeof *floats->tensor);
  for (size_t i = 0; i < all->count; i++)
    if (all->tensor[i].dtype != R18_I64)
      floats->tensor[floats->count++] = all->tensor[i];
  return RESNET18_OK;
}

static resnet18_status write_copy(const resnet18_model *model, const char *to, resnet18_error *error) {
  r18_tensors floats = {0};
  if (r18_model_quantized(model))
    return r18_safetensors_write(r18_model_tensors(model), to, error);
  resnet18_status status = without_counters(r18_model_tensors(model), &floats, error);
  if (!status)
    status = r18_safetensors_write(&floats, to, error);
  free(floats.tensor);
  return status;
}

static resnet18_status write_int8(const resnet18_model *model, const char *to, resnet18_error *error) {
  if (r18_model_quantized(model))
    return write_copy(model, to, error);
  if (!r18_model_calibration(model))
    return r18_fail(error, RESNET18_ERROR_UNSUPPORTED, "%s has no int8 calibration; make one with 'resnet18 calibrate'",
                    resnet18_model_source(model));
  return r18_quantized_write(model, to, error);
}

static resnet18_status import_as(const char *from, const char *to,
                                 resnet18_status (*write)(const resnet18_model *, const char *, resnet18_error *),
                                 resnet18_error *error) {
  resnet18_model *model = NULL;
  if (!from || !to)
    return r18_fail(error, RESNET18_ERROR_ARGUMENT, "an import needs a file to read and a file to write");
  resnet18_status status = resnet18_model_load(from, &model, error);
  if (!status)
    status = write(model, to, error);
  resnet18_model_unref(model);
  return status;
}

resnet18_status resnet18_import(const char *from, const char *to, resnet18_error *error) {
  return import_as(from, to, write_copy, error);
}

resnet18_status resnet18_import_int8(const char *from, const char *to, resnet18_error *error) {
  return import_as(from, to, write_int8, error);
}

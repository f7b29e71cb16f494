/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any weight file that can be loaded, as a safetensors file. */
#include "error.h"
#include "model.h"

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

resnet18_status resnet18_import(const char *from, const char *to, resnet18_error *error) {
  resnet18_model *model = NULL;
  r18_tensors floats = {0};
  if (!from || !to)
    return r18_fail(error, RESNET18_ERROR_ARGUMENT, "an import needs a file to read and a file to write");
  resnet18_status status = resnet18_model_load(from, &model, error);
  if (!status)
    status = without_counters(r18_model_tensors(model), &floats, error);
  if (!status)
    status = r18_safetensors_write(&floats, to, error);
  free(floats.tensor);
  resnet18_model_unref(model);
  return status;
}

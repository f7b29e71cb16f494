/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Weight files: safetensors, zip checkpoints and legacy checkpoints, told apart by their first bytes. */
#include "fuzz.h"

#include "tensors.h"

#include <stdlib.h>
#include <string.h>

/* Both ends and the middle of a tensor, which a wrong length would place outside. */
static void read_tensor(const r18_tensors *tensors, const r18_tensor *tensor) {
  float value[16];
  const size_t count = r18_tensor_count(tensor);
  if (tensor->dtype == R18_I64 || count == 0)
    return;
  const size_t some = count < 16 ? count : 16;
  r18_tensor_read(tensor, 0, some, value);
  r18_tensor_read(tensor, (count - some) / 2, some, value);
  r18_tensor_read(tensor, count - some, some, value);
  (void)r18_tensor_largest(tensors, tensor);
}

/* A pickle's values, members and memo are limited in number (src/pickle.c), and move once while they grow. */
enum { SAFETENSORS_TABLES = 256 << 10, CHECKPOINT_TABLES = 8 << 20 };

static bool is_checkpoint(const r18_tensors *tensors) {
  return tensors->size > 1 && (tensors->base[0] == 'P' || tensors->base[0] == 0x80);
}

static resnet18_status read_any(r18_tensors *tensors, resnet18_error *error) {
  return is_checkpoint(tensors) ? r18_checkpoint_read(tensors, error) : r18_safetensors_read(tensors, error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  resnet18_error error = {0};
  if (size == 0)
    return 0;
  /* What is read from a file is never written to; a copy of exactly this size shows a read behind its end. */
  uint8_t *copy = malloc(size);
  if (copy == NULL)
    return 0;
  memcpy(copy, data, size);
  r18_tensors tensors = {.source = strdup("input"), .base = copy, .size = size};
  fuzz_watch_memory();
  const resnet18_status status = read_any(&tensors, &error);
  fuzz_expect_memory(size, is_checkpoint(&tensors) ? CHECKPOINT_TABLES : SAFETENSORS_TABLES);
  fuzz_expect(status == RESNET18_OK || error.message[0] != '\0', "a refusal without a reason");
  for (size_t i = 0; status == RESNET18_OK && i < tensors.count; i++)
    read_tensor(&tensors, &tensors.tensor[i]);
  r18_tensors_clear(&tensors);
  free(copy);
  return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests for inference. First byte: bit 0 the model, bit 1 whether the JSON's length is given, by the two bytes after
 * it; bit 2: not a request but the numbers of a small tensor, whose shape these bytes give. Each '#' stands for the
 * numbers of a picture, each '$' for its bytes. */
#include "fuzz.h"

#include "kserve_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 1000, MOST = 2, PICTURE = 3 * 224 * 224 };

static size_t expanded(const uint8_t *data, size_t size, char *out) {
  size_t length = 0, pictures = 0;
  for (size_t i = 0; i < size; i++) {
    const bool numbers = data[i] == '#' && pictures < MOST + 1, bytes = data[i] == '$' && pictures < MOST + 1;
    if (!numbers && !bytes) {
      if (out)
        out[length] = (char)data[i];
      length++;
      continue;
    }
    const size_t size_here = numbers ? 2 * PICTURE - 1 : PICTURE;
    for (size_t k = 0; out && k < size_here; k++)
      out[length + k] = numbers && k % 2 ? ',' : '0';
    length += size_here;
    pictures++;
  }
  return length;
}

static void request(const kserve_model *model, const char *body, size_t length, const char *json_length) {
  kserve_request r;
  char reason[256] = "";
  if (!kserve_parse(model, body, length, json_length, CLASSES, MOST, &r, reason)) {
    fuzz_expect(reason[0] != '\0', "a refusal without a reason");
    return;
  }
  fuzz_expect(r.pictures >= 1 && r.pictures <= MOST, "a number of pictures out of range");
  fuzz_expect(r.output_count >= 1 && r.output_count <= model->outputs, "a number of outputs out of range");
  for (size_t i = 0; i < r.output_count; i++)
    fuzz_expect(r.outputs[i].classification <= CLASSES, "more classes than there are");
  /* All of it can be read. */
  const volatile uint8_t *bytes = r.data;
  for (size_t i = 0; i < r.pictures * kserve_picture_bytes(model->input); i++)
    (void)bytes[i];
  kserve_request_clear(&r);
}

static void numbers(kserve_type type, const uint8_t *shape_bytes, const char *text, size_t length) {
  const int64_t shape[] = {1 + shape_bytes[0] % 3, 1 + shape_bytes[0] / 3 % 3, 1 + shape_bytes[1] % 3};
  const size_t rank = 1 + shape_bytes[1] / 3 % 3, size = type == KSERVE_FP32 ? sizeof(float) : 1;
  size_t count = 1;
  for (size_t i = 0; i < rank; i++)
    count *= (size_t)shape[i];
  void *out = malloc(count * size);
  char reason[256] = "";
  const bool good = kserve_read_numbers(&(kserve_array){text, length}, type, shape, rank, out, reason);
  fuzz_expect(good || reason[0] != '\0', "a refusal without a reason");
  free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char header[16];
  if (size < 4)
    return 0;
  const kserve_model *model = &kserve_models[data[0] & 1];
  const size_t length = expanded(data + 3, size - 3, NULL);
  char *body = malloc(length);
  expanded(data + 3, size - 3, body);
  snprintf(header, sizeof header, "%d", data[1] << 8 | data[2]);
  if (data[0] & 4)
    numbers(model->input, data + 1, body, length);
  else
    request(model, body, length, data[0] & 2 ? header : NULL);
  free(body);
  return 0;
}

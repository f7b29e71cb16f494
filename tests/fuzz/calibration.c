/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The text of an int8 calibration. What is read must be written, and read again, as the same numbers. */
#include "fuzz.h"

#include "calibration.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t fingerprint = 0x0123456789abcdefu;

static void check_numbers(const r18_calibration *calibration) {
  for (unsigned i = 0; i < R18_CONVS; i++) {
    fuzz_expect(isfinite(calibration->range[i]) && calibration->range[i] > 0.0f, "a range that is no range");
    for (unsigned k = 0; r18_has_positions(i) && k < R18_CALIBRATION_POSITIONS; k++)
      fuzz_expect(isfinite(calibration->position[i][k]) && calibration->position[i][k] > 0.0f,
                  "a position's range that is no range");
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  resnet18_error error = {0};
  r18_calibration *calibration = calloc(2, sizeof *calibration);
  char *copy = malloc(size ? size : 1);
  if (calibration && copy) {
    memcpy(copy, data, size);
    const resnet18_status status = r18_calibration_parse("input", copy, size, fingerprint, &calibration[0], &error);
    fuzz_expect(status == RESNET18_OK || error.message[0] != '\0', "a refusal without a reason");
    char *text = status == RESNET18_OK ? r18_calibration_text(&calibration[0]) : NULL;
    if (text) {
      check_numbers(&calibration[0]);
      fuzz_expect(r18_calibration_parse("text", text, strlen(text), fingerprint, &calibration[1], &error) ==
                      RESNET18_OK,
                  "its own text is refused");
    }
    free(text);
  }
  free(copy);
  free(calibration);
  return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program of the build: the weights and their calibration become the int8 weights to be built in. */
#include "builtin.h"
#include "model.h"
#include "quantized.h"

#include <stdio.h>

/* It makes what others have in them. */
const unsigned char r18_builtin_weights[1], r18_builtin_weights_end[1], r18_builtin_int8[1], r18_builtin_int8_end[1],
    r18_builtin_calibration[1], r18_builtin_calibration_end[1];

int main(int argc, char **argv) {
  resnet18_model *model = NULL;
  resnet18_error error;
  if (argc != 4) {
    fprintf(stderr, "usage: quantize_weights WEIGHTS CALIBRATION OUTPUT\n");
    return 2;
  }
  resnet18_status status = r18_model_load_calibrated(argv[1], argv[2], &model, &error);
  if (!status)
    status = r18_quantized_write(model, argv[3], &error);
  resnet18_model_unref(model);
  if (status)
    fprintf(stderr, "quantize_weights: %s\n", error.message);
  return status ? 1 : 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs one network on one picture, for check_networks.py.
 *
 *     network WEIGHTS PICTURE OUTPUT fp32|int8
 *
 * PICTURE: RESNET18_RGB_BYTES. OUTPUT: the logits, then the last layer before pooling, floats. int8 is calibrated with
 * that picture where there is no calibration yet. Prints the instruction set. */
#include "resnet18.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAYER = 7 * 7 * RESNET18_FEATURES };

static uint8_t picture[RESNET18_RGB_BYTES];

static resnet18_status calibrate(const char *weights, const char *path, resnet18_error *error) {
  resnet18_model *model = NULL;
  resnet18_calibrator *calibrator = NULL;
  resnet18_status status = resnet18_model_load(weights, &model, error);
  if (!status)
    status = resnet18_calibrator_new(model, &calibrator, error);
  if (!status)
    status = resnet18_calibrator_add(calibrator, picture, error);
  if (!status)
    status = resnet18_calibrator_write(calibrator, path, error);
  resnet18_calibrator_free(calibrator);
  resnet18_model_unref(model);
  return status;
}

static resnet18_status run(const char *weights, resnet18_precision precision, FILE *out, resnet18_error *error) {
  static float layer[LAYER];
  const resnet18_session_options options = {.precision = precision, .threads = 2};
  resnet18_model *model = NULL;
  resnet18_session *session = NULL;
  float *logits = NULL;
  resnet18_status status = resnet18_model_load(weights, &model, error);
  if (!status)
    status = resnet18_session_new(model, &options, &session, error);
  if (!status) {
    const size_t classes = resnet18_model_classes(model);
    logits = calloc(classes, sizeof *logits);
    status = resnet18_session_run(session, picture, 1, logits, error);
    resnet18_session_layer(session, RESNET18_LAYER_4, 0, layer);
    fwrite(logits, sizeof *logits, classes, out);
    fwrite(layer, sizeof *layer, LAYER, out);
    printf("%s\n", resnet18_session_kernels(session));
  }
  free(logits);
  resnet18_session_free(session);
  resnet18_model_unref(model);
  return status;
}

int main(int argc, char **argv) {
  char calibration[4096];
  resnet18_error error;
  if (argc != 5)
    return 2;
  FILE *in = fopen(argv[2], "rb"), *out = fopen(argv[3], "wb");
  if (!in || !out || fread(picture, 1, sizeof picture, in) != sizeof picture)
    return 2;
  fclose(in);
  const resnet18_precision precision = strcmp(argv[4], "int8") == 0 ? RESNET18_PRECISION_INT8 : RESNET18_PRECISION_FP32;
  snprintf(calibration, sizeof calibration, "%s.calibration", argv[1]);
  resnet18_status status = RESNET18_OK;
  FILE *made = fopen(calibration, "rb");
  if (made)
    fclose(made);
  else if (precision == RESNET18_PRECISION_INT8)
    status = calibrate(argv[1], calibration, &error);
  if (!status)
    status = run(argv[1], precision, out, &error);
  if (status)
    fprintf(stderr, "%s\n", error.message);
  return status || fclose(out) ? 1 : 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The built-in goldens: what torch computes for three made-up pictures, compared with what this CPU computes. */
#include "error.h"
#include "model.h"
#include "preprocess.h"
#include "selftest_golden.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = RESNET18_SIZE, CLASSES = 1000, LAYER_FLOATS = 56 * 56 * 64 };

/* fp32 against torch in float64: a fraction of the largest magnitude of the layer or the logits. */
static const double FP32_TOLERANCE = 1e-4;
/* int8 against torch: relative distance of the logit vectors, |a - b| / |b|. Eight bits an activation leave a noise of
 * about 2^-8 / sqrt(3) a layer; twenty layers' independent noises add up to some 4 %; pictures that no camera takes,
 * such as these, are outside the calibrated ranges now and then. */
static const double INT8_TOLERANCE = 0.25;

/* The same formulas as in tests/golden/make_engine.py. */
static void make_picture(unsigned kind, uint8_t *rgb) {
  uint32_t state = 12345;
  for (int y = 0; y < SIZE; y++)
    for (int x = 0; x < SIZE; x++)
      for (int c = 0; c < 3; c++) {
        state = state * 1664525u + 1013904223u;
        const int stripes = (x * (3 + c) / 4 + y * (5 - c) / 4 + (((x >> 4) ^ (y >> 4)) & 1) * 64) & 255;
        const int inside = (x - 100) * (x - 100) + (y - 120) * (y - 120) < 70 * 70;
        *rgb++ = (uint8_t)(kind == 0 ? (int)(state >> 24) : kind == 1 ? stripes : inside ? 255 - 60 * c : 0);
      }
}

struct test {
  resnet18_selftest_report report;
  void *user;
  unsigned failed;
  uint8_t *rgb; /* [GOLDEN_PICTURES][RGB] */
  float logits[GOLDEN_PICTURES][CLASSES];
  float *layer;
};

__attribute__((format(printf, 4, 5))) static void say(struct test *test, const char *check, bool passed,
                                                      const char *format, ...) {
  char detail[640];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(detail, sizeof detail, format, arguments);
  va_end(arguments);
  test->failed += !passed;
  if (test->report)
    test->report(check, passed, detail, test->user);
}

/* A NaN makes the result NaN, and no comparison with NaN passes. */
static double largest_difference(const float *a, const float *b, size_t count) {
  double largest = 0;
  for (size_t i = 0; i < count; i++) {
    const double difference = fabs((double)a[i] - b[i]);
    if (!(difference <= largest))
      largest = difference;
  }
  return largest;
}

static double largest_magnitude(const float *a, size_t count) {
  double largest = 0;
  for (size_t i = 0; i < count; i++) {
    const double magnitude = fabs((double)a[i]); /* gcc 12 for 64-bit ARM crashes on fmax here */
    largest = magnitude > largest ? magnitude : largest;
  }
  return largest;
}

static void check_logits(struct test *test, const char *check, unsigned picture, const float *logits) {
  const float *golden = golden_logits[picture];
  const double difference = largest_difference(logits, golden, CLASSES) / largest_magnitude(golden, CLASSES);
  say(test, check, difference <= FP32_TOLERANCE, "picture %u: logits differ by %.1e of the largest, allowed %.0e",
      picture, difference, FP32_TOLERANCE);
}

static size_t layer_floats(resnet18_layer layer) {
  static const size_t floats[] = {56 * 56 * 64, 56 * 56 * 64, 28 * 28 * 128, 14 * 14 * 256, 7 * 7 * 512};
  return floats[layer];
}

static void check_layer(struct test *test, const resnet18_session *session, unsigned picture, resnet18_layer layer) {
  static const char *const names[] = {"maxpool", "layer1", "layer2", "layer3", "layer4"};
  const size_t count = layer_floats(layer);
  float sample[GOLDEN_SAMPLES];
  char check[64];
  snprintf(check, sizeof check, "fp32 %s", names[layer]);
  resnet18_session_layer(session, layer, picture, test->layer);
  for (size_t i = 0; i < GOLDEN_SAMPLES; i++)
    sample[i] = test->layer[(i * count / GOLDEN_SAMPLES + i) % count];
  const double difference = largest_difference(sample, golden_layer[picture][layer], GOLDEN_SAMPLES) /
                            (double)golden_layer_max[picture][layer];
  say(test, check, difference <= FP32_TOLERANCE, "picture %u: differs by %.1e of the largest, allowed %.0e", picture,
      difference, FP32_TOLERANCE);
}

/* All pictures in one batch, then one by one. */
static void run_fp32(struct test *test, resnet18_session *session) {
  resnet18_session_run(session, test->rgb, GOLDEN_PICTURES, &test->logits[0][0], NULL);
  for (unsigned i = 0; i < GOLDEN_PICTURES; i++) {
    check_logits(test, "fp32 logits", i, test->logits[i]);
    for (unsigned layer = 0; layer < GOLDEN_LAYERS; layer++)
      check_layer(test, session, i, (resnet18_layer)layer);
  }
  for (unsigned i = 0; i < GOLDEN_PICTURES; i++) {
    float logits[CLASSES];
    resnet18_session_run(session, test->rgb + (size_t)i * RESNET18_RGB_BYTES, 1, logits, NULL);
    check_logits(test, "fp32 logits, batch 1", i, logits);
  }
}

static void run_int8(struct test *test, resnet18_session *session) {
  for (unsigned i = 0; i < GOLDEN_PICTURES; i++) {
    float logits[CLASSES];
    double squares = 0, scale = 0;
    resnet18_session_run(session, test->rgb + (size_t)i * RESNET18_RGB_BYTES, 1, logits, NULL);
    for (unsigned c = 0; c < CLASSES; c++) {
      squares += pow((double)logits[c] - golden_logits[i][c], 2);
      scale += pow(golden_logits[i][c], 2);
    }
    const double distance = sqrt(squares / scale);
    say(test, "int8 logits", distance <= INT8_TOLERANCE, "picture %u: %.3f from torch, allowed %.2f", i, distance,
        INT8_TOLERANCE);
  }
}

static void run_precision(struct test *test, resnet18_model *model, resnet18_precision precision,
                          void (*run)(struct test *, resnet18_session *)) {
  const resnet18_session_options options = {
      .precision = precision, .max_batch = GOLDEN_PICTURES, .keep_layers = precision == RESNET18_PRECISION_FP32};
  resnet18_session *session;
  resnet18_error error;
  if (resnet18_session_new(model, &options, &session, &error)) {
    say(test, precision == RESNET18_PRECISION_INT8 ? "int8" : "fp32", false, "%s", error.message);
    return;
  }
  run(test, session);
  resnet18_session_free(session);
}

unsigned resnet18_selftest(resnet18_selftest_report report, void *user) {
  struct test *test = calloc(1, sizeof *test);
  resnet18_model *model = NULL;
  resnet18_error error;
  if (!test)
    return 1;
  *test = (struct test){.report = report, .user = user};
  test->rgb = malloc((size_t)GOLDEN_PICTURES * RESNET18_RGB_BYTES);
  test->layer = malloc(sizeof(float) * LAYER_FLOATS);
  if (!test->rgb || !test->layer) {
    say(test, "memory", false, "out of memory");
  } else if (r18_model_load_builtin(&model, &error)) {
    say(test, "built-in weights", false, "%s", error.message);
  } else {
    for (unsigned i = 0; i < GOLDEN_PICTURES; i++)
      make_picture(i, test->rgb + (size_t)i * RESNET18_RGB_BYTES);
    if (resnet18_model_supports(model, RESNET18_PRECISION_FP32))
      run_precision(test, model, RESNET18_PRECISION_FP32, run_fp32);
    else
      say(test, "fp32", true, "not applicable: the built-in weights are int8 only");
    if (resnet18_model_supports(model, RESNET18_PRECISION_INT8))
      run_precision(test, model, RESNET18_PRECISION_INT8, run_int8);
  }
  const unsigned failed = test->failed + r18_preprocess_selftest(report, user);
  resnet18_model_unref(model);
  free(test->rgb);
  free(test->layer);
  free(test);
  return failed;
}

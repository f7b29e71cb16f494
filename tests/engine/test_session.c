/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sessions: the same numbers however a forward pass is run, and errors for what cannot be run. */
#include "model.h"
#include "resnet18.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CLASSES = 1000, PICTURES = RESNET18_MAX_BATCH };

static resnet18_model *model;
static uint8_t *pictures;

/* Allocations and locks are counted while `counting` is set; meson wraps these functions at link time. */
static volatile bool counting;
static volatile unsigned counted;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
int __real_pthread_mutex_lock(void *mutex);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
int __wrap_pthread_mutex_lock(void *mutex);

static void count(void) {
  if (counting)
    counted++;
}

void *__wrap_malloc(size_t size) {
  count();
  return __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
  count();
  return __real_calloc(n, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size) {
  count();
  return __real_aligned_alloc(alignment, size);
}

int __wrap_pthread_mutex_lock(void *mutex) {
  count();
  return __real_pthread_mutex_lock(mutex);
}

static int set_up(void **state) {
  resnet18_error error;
  if (r18_model_load_builtin(&model, &error)) {
    print_error("%s\n", error.message);
    return -1;
  }
  pictures = malloc((size_t)PICTURES * RESNET18_RGB_BYTES);
  uint32_t seed = 7;
  for (size_t i = 0; i < (size_t)PICTURES * RESNET18_RGB_BYTES; i++) {
    seed = seed * 1664525u + 1013904223u;
    pictures[i] = (uint8_t)((seed >> 24) * (1 + i / RESNET18_RGB_BYTES) / PICTURES); /* each brighter than the last */
  }
  return 0;
}

static int tear_down(void **state) {
  resnet18_model_unref(model);
  free(pictures);
  return 0;
}

static resnet18_session *open_session(resnet18_precision precision, unsigned threads, unsigned max_batch) {
  resnet18_session_options options = {.precision = precision, .threads = threads, .max_batch = max_batch};
  resnet18_session *session;
  resnet18_error error;
  if (resnet18_session_new(model, &options, &session, &error))
    fail_msg("%s", error.message);
  return session;
}

/* A batch may be cut into other tiles than a single picture, so sums are added in another order: 1e-5 of the largest is
 * some 100 units in the last place of a sum of up to 4,608 terms. */
static void assert_close(const float *a, const float *b) {
  float largest = 0;
  for (int i = 0; i < CLASSES; i++)
    largest = fmaxf(largest, fabsf(b[i]));
  for (int i = 0; i < CLASSES; i++)
    if (!(fabsf(a[i] - b[i]) <= 1e-5f * largest))
      fail_msg("class %d: %g is not %g (largest %g)", i, (double)a[i], (double)b[i], (double)largest);
}

static void threads_do_not_change_the_result(void **state) {
  float one[CLASSES], many[CLASSES];
  resnet18_session *session = open_session(RESNET18_PRECISION_FP32, 1, 1);
  assert_int_equal(resnet18_session_run(session, pictures, 1, one, NULL), RESNET18_OK);
  resnet18_session_free(session);
  for (unsigned threads = 2; threads <= 5; threads++) {
    session = open_session(RESNET18_PRECISION_FP32, threads, 1);
    assert_int_equal(resnet18_session_threads(session), threads);
    for (int run = 0; run < 3; run++) {
      assert_int_equal(resnet18_session_run(session, pictures, 1, many, NULL), RESNET18_OK);
      assert_close(many, one);
    }
    resnet18_session_free(session);
  }
}

static bool uses_blas(const resnet18_session *session) {
  resnet18_step_info info;
  for (size_t i = 0; resnet18_session_step(session, i, &info); i++)
    if (strcmp(info.set, "blas") == 0)
      return true;
  return false;
}

/* A matrix product of OpenBLAS may add up a batch in another order; ours do not. */
static void check_batch(resnet18_session *session, unsigned n, float (*single)[CLASSES]) {
  static float batch[RESNET18_MAX_BATCH][CLASSES];
  memset(batch, 0, sizeof batch);
  assert_int_equal(resnet18_session_run(session, pictures, n, batch[0], NULL), RESNET18_OK);
  for (unsigned i = 0; i < n && uses_blas(session); i++)
    assert_close(batch[i], single[i]);
  if (!uses_blas(session))
    assert_memory_equal(batch, single, n * sizeof *batch);
  for (unsigned i = n; i < RESNET18_MAX_BATCH; i++)
    assert_true(batch[i][0] == 0.0f && batch[i][CLASSES - 1] == 0.0f); /* nothing written behind the batch */
  assert_non_null(resnet18_session_features(session, n - 1));
  assert_null(resnet18_session_features(session, n));
}

static void batches_equal_single_pictures(void **state) {
  static const struct {
    resnet18_precision precision;
    unsigned threads, max_batch;
  } cases[] = {
      {RESNET18_PRECISION_FP32, 1, 3},
      {RESNET18_PRECISION_FP32, 2, RESNET18_MAX_BATCH},
      {RESNET18_PRECISION_FP32, 5, 8},
      {RESNET18_PRECISION_INT8, 1, 3},
      {RESNET18_PRECISION_INT8, 2, RESNET18_MAX_BATCH},
      {RESNET18_PRECISION_INT8, 5, 8},
  };
  static float single[RESNET18_MAX_BATCH][CLASSES];
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    resnet18_session *session = open_session(cases[c].precision, cases[c].threads, cases[c].max_batch);
    for (unsigned i = 0; i < cases[c].max_batch; i++)
      resnet18_session_run(session, pictures + i * RESNET18_RGB_BYTES, 1, single[i], NULL);
    for (unsigned n = cases[c].max_batch; n >= 1; n = n > 4 ? n / 2 : n - 1)
      check_batch(session, n, single);
    resnet18_session_free(session);
  }
}

static void normalized_input_equals_rgb(void **state) {
  float from_rgb[CLASSES], from_floats[CLASSES];
  float *nchw = malloc(sizeof *nchw * RESNET18_RGB_BYTES);
  const size_t plane = (size_t)RESNET18_SIZE * RESNET18_SIZE;
  for (size_t i = 0; i < plane; i++)
    for (unsigned c = 0; c < 3; c++)
      nchw[c * plane + i] = ((float)pictures[3 * i + c] / 255.0f - r18_mean[c]) / r18_std[c];
  resnet18_session *session = open_session(RESNET18_PRECISION_FP32, 1, 1);
  resnet18_session_run(session, pictures, 1, from_rgb, NULL);
  assert_int_equal(resnet18_session_run_normalized(session, nchw, 1, from_floats, NULL), RESNET18_OK);
  assert_close(from_floats, from_rgb);
  resnet18_session_free(session);
  /* int8 begins with bytes: those that the floats stand for, and what is outside the colours is at their end. */
  session = open_session(RESNET18_PRECISION_INT8, 1, 1);
  resnet18_session_run(session, pictures, 1, from_rgb, NULL);
  assert_int_equal(resnet18_session_run_normalized(session, nchw, 1, from_floats, NULL), RESNET18_OK);
  assert_memory_equal(from_floats, from_rgb, sizeof from_rgb);
  uint8_t *ends = malloc(RESNET18_RGB_BYTES);
  for (size_t i = 0; i < RESNET18_RGB_BYTES; i++)
    ends[i] = nchw[i % 3 * plane + i / 3] > 0 ? 255 : 0;
  for (size_t i = 0; i < RESNET18_RGB_BYTES; i++)
    nchw[i] = nchw[i] > 0 ? 1e9f : i % 2 ? NAN : -1e9f;
  resnet18_session_run(session, ends, 1, from_rgb, NULL);
  assert_int_equal(resnet18_session_run_normalized(session, nchw, 1, from_floats, NULL), RESNET18_OK);
  assert_memory_equal(from_floats, from_rgb, sizeof from_rgb);
  assert_int_equal(resnet18_session_run_normalized(session, nchw, 2, from_floats, NULL), RESNET18_ERROR_ARGUMENT);
  resnet18_session_free(session);
  free(ends);
  free(nchw);
}

/* The last layer's row times the features is the logit: what a class activation map and another head rely on. */
static void features_and_class_rows_give_the_logits(void **state) {
  float logits[CLASSES], row[RESNET18_FEATURES], layer[7 * 7 * RESNET18_FEATURES];
  resnet18_session *session = open_session(RESNET18_PRECISION_FP32, 2, 1);
  resnet18_session_run(session, pictures, 1, logits, NULL);
  const float *features = resnet18_session_features(session, 0);
  double difference[2] = {0};
  for (unsigned c = 0; c < 2; c++) {
    assert_true(resnet18_model_class_row(model, c * 999, row));
    for (unsigned i = 0; i < RESNET18_FEATURES; i++)
      difference[c] += (double)row[i] * features[i];
    difference[c] -= logits[c * 999];
    assert_true(fabs(difference[c]) < 0.5); /* what is left is the bias, which is small in these weights */
  }
  assert_false(resnet18_model_class_row(model, CLASSES, row));
  assert_true(resnet18_session_layer(session, RESNET18_LAYER_4, 0, layer));
  assert_false(resnet18_session_layer(session, RESNET18_LAYER_1, 0, layer)); /* not asked for */
  for (unsigned i = 0; i < RESNET18_FEATURES; i++) {
    double mean = 0;
    for (unsigned p = 0; p < 49; p++)
      mean += layer[p * RESNET18_FEATURES + i];
    assert_true(fabs(mean / 49 - features[i]) <= 1e-5 * (1 + features[i]));
  }
  resnet18_session_free(session);
}

static void a_steady_pass_allocates_and_locks_nothing(void **state) {
  float logits[CLASSES];
  resnet18_session *session = open_session(RESNET18_PRECISION_AUTO, 2, 1);
  resnet18_session_run(session, pictures, 1, logits, NULL);
  if (uses_blas(session)) {
    resnet18_session_free(session);
    print_message("a serial OpenBLAS takes turns under a lock: nothing to see on this CPU\n");
    skip();
  }
  counted = 0;
  counting = true;
  for (int i = 0; i < 5; i++)
    resnet18_session_run(session, pictures, 1, logits, NULL);
  counting = false;
  assert_int_equal(counted, 0);
  counting = true;
  free(malloc(1)); /* the counter works */
  counting = false;
  assert_int_equal(counted, 1);
  resnet18_session_free(session);
}

static const void *packed_in_slot(void) {
  r18_packed_slots *slots = r18_model_lock_packed(model);
  const void *packed = slots->packed[RESNET18_PRECISION_FP32];
  r18_model_unlock_packed(model);
  return packed;
}

static void sessions_share_packed_weights(void **state) {
  resnet18_session *first = open_session(RESNET18_PRECISION_FP32, 1, 1);
  resnet18_session *second = open_session(RESNET18_PRECISION_FP32, 2, 4);
  const void *shared = packed_in_slot();
  assert_non_null(shared);
  resnet18_session_free(first);
  float logits[CLASSES];
  assert_int_equal(resnet18_session_run(second, pictures, 1, logits, NULL), RESNET18_OK);
  assert_ptr_equal(packed_in_slot(), shared);
  resnet18_session_free(second);
  assert_null(packed_in_slot());
}

static void bad_arguments_are_named(void **state) {
  resnet18_session *session = NULL;
  resnet18_error error;
  resnet18_session_options options = {.max_batch = 17};
  assert_int_equal(resnet18_session_new(model, &options, &session, &error), RESNET18_ERROR_ARGUMENT);
  assert_string_equal(error.message, "max_batch is 17, must be at most 16");
  assert_null(session);
  options = (resnet18_session_options){.threads = 1000};
  assert_int_equal(resnet18_session_new(model, &options, &session, &error), RESNET18_ERROR_ARGUMENT);
  assert_string_equal(error.message, "threads is 1000, must be 1 to 64");
  options = (resnet18_session_options){.precision = (resnet18_precision)9};
  assert_int_equal(resnet18_session_new(model, &options, &session, &error), RESNET18_ERROR_ARGUMENT);
  session = open_session(RESNET18_PRECISION_FP32, 1, 2);
  float logits[CLASSES];
  resnet18_session *none = session;
  assert_int_equal(resnet18_session_new(NULL, NULL, &none, &error), RESNET18_ERROR_ARGUMENT);
  assert_null(none);
  assert_string_equal(error.message, "a session needs a model");
  resnet18_calibrator *calibrator;
  assert_int_equal(resnet18_calibrator_new(NULL, &calibrator, &error), RESNET18_ERROR_ARGUMENT);
  assert_null(calibrator);
  assert_int_equal(resnet18_session_run(session, pictures, 0, logits, &error), RESNET18_ERROR_ARGUMENT);
  assert_int_equal(resnet18_session_run(session, pictures, 3, logits, &error), RESNET18_ERROR_ARGUMENT);
  assert_string_equal(error.message, "batch is 3, must be 1 to 2");
  resnet18_session_free(session);
  resnet18_session_free(NULL);
}

static void profile_times_every_step(void **state) {
  float logits[CLASSES];
  resnet18_session *session = open_session(RESNET18_PRECISION_FP32, 2, 1);
  resnet18_session_profile(session, true);
  resnet18_session_run(session, pictures, 1, logits, NULL);
  double flop = 0;
  resnet18_step_info info;
  for (size_t i = 0; i < resnet18_session_steps(session); i++) {
    assert_true(resnet18_session_step(session, i, &info));
    assert_true(info.seconds > 0);
    flop += info.flop;
  }
  assert_true(fabs(flop / 2 - 1.814e9) < 1e6); /* multiply-adds of ResNet-18 at 224x224 */
  assert_false(resnet18_session_step(session, resnet18_session_steps(session), &info));
  resnet18_session_free(session);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(threads_do_not_change_the_result),
      cmocka_unit_test(batches_equal_single_pictures),
      cmocka_unit_test(normalized_input_equals_rgb),
      cmocka_unit_test(features_and_class_rows_give_the_logits),
      cmocka_unit_test(a_steady_pass_allocates_and_locks_nothing),
      cmocka_unit_test(sessions_share_packed_weights),
      cmocka_unit_test(bad_arguments_are_named),
      cmocka_unit_test(profile_times_every_step),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}

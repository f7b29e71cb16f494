/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Smoothing, hysteresis and events, on logits made for the purpose. */
#include "track.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { CLASSES = 4 };

/* Logits whose softmax is the given probabilities. */
static void logits_of(const float *probability, float *logits) {
  for (unsigned i = 0; i < CLASSES; i++)
    logits[i] = logf(probability[i] + 1e-12f);
}

typedef struct {
  float probability[CLASSES];
  guint64 time; /* s */
  const char *event;
  int first; /* class, -1 = none */
} Step;

static void run(const GstResnet18Criteria *settings, const Step *steps, gsize n) {
  GstResnet18Track *track = gst_resnet18_track_new(CLASSES);
  for (gsize i = 0; i < n; i++) {
    GstResnet18Verdict verdict;
    float logits[CLASSES];
    logits_of(steps[i].probability, logits);
    gst_resnet18_track_update(track, settings, logits, steps[i].time * GST_SECOND, &verdict);
    if (g_strcmp0(verdict.event, steps[i].event) != 0)
      fail_msg("step %zu: event %s, expected %s", i, verdict.event, steps[i].event);
    assert_int_equal(verdict.n_best > 0 ? (int)verdict.best[0].index : -1, steps[i].first);
    assert_int_equal(verdict.has_previous, verdict.event && strcmp(verdict.event, "entered") != 0);
  }
  gst_resnet18_track_free(track);
}

static GstResnet18Criteria settings_with(float threshold, float hysteresis, GstClockTime smoothing) {
  GstResnet18Criteria settings = {.top_k = 3, .threshold = threshold, .hysteresis = hysteresis, .smoothing = smoothing};
  return settings;
}

static void events_follow_the_threshold(void **state) {
  static const Step steps[] = {{{.3f, .3f, .2f, .2f}, 0, NULL, -1},      {{.7f, .1f, .1f, .1f}, 1, "entered", 0},
                               {{.6f, .2f, .1f, .1f}, 2, NULL, 0},       {{.2f, .6f, .1f, .1f}, 3, "changed", 1},
                               {{.3f, .4f, .2f, .1f}, 4, "left", -1},    {{.3f, .4f, .2f, .1f}, 5, NULL, -1},
                               {{.1f, .8f, .05f, .05f}, 6, "entered", 1}};
  GstResnet18Criteria settings = settings_with(0.5f, 0, 0);
  run(&settings, steps, G_N_ELEMENTS(steps));
}

static void hysteresis_keeps_the_current_class(void **state) {
  static const Step steps[] = {{{.5f, .3f, .1f, .1f}, 0, "entered", 0},
                               {{.4f, .5f, .05f, .05f}, 1, NULL, 0},
                               {{.35f, .5f, .1f, .05f}, 2, NULL, 0},
                               {{.2f, .6f, .1f, .1f}, 3, "changed", 1},
                               {{.5f, .4f, .05f, .05f}, 4, NULL, 1}};
  GstResnet18Criteria settings = settings_with(0, 0.2f, 0);
  run(&settings, steps, G_N_ELEMENTS(steps));
}

static void hysteresis_holds_below_the_threshold(void **state) {
  static const Step steps[] = {{{.6f, .2f, .1f, .1f}, 0, "entered", 0},
                               {{.45f, .35f, .1f, .1f}, 1, NULL, 0},
                               {{.3f, .3f, .2f, .2f}, 2, "left", -1},
                               {{.45f, .35f, .1f, .1f}, 3, NULL, -1}};
  GstResnet18Criteria settings = settings_with(0.5f, 0.1f, 0);
  run(&settings, steps, G_N_ELEMENTS(steps));
}

static void a_kept_class_comes_first_and_once(void **state) {
  GstResnet18Track *track = gst_resnet18_track_new(CLASSES);
  GstResnet18Criteria settings = settings_with(0, 0.9f, 0);
  GstResnet18Verdict verdict;
  float logits[CLASSES];
  logits_of((const float[]){.7f, .1f, .1f, .1f}, logits);
  gst_resnet18_track_update(track, &settings, logits, 0, &verdict);
  logits_of((const float[]){.1f, .2f, .4f, .3f}, logits);
  gst_resnet18_track_update(track, &settings, logits, GST_SECOND, &verdict);
  assert_int_equal(verdict.n_best, 3);
  assert_int_equal(verdict.best[0].index, 0);
  assert_int_equal(verdict.best[1].index, 2);
  assert_int_equal(verdict.best[2].index, 3);
  assert_true(fabsf(verdict.best[0].score - .1f) < 1e-5f);
  settings.top_k = 1;
  gst_resnet18_track_update(track, &settings, logits, 2 * GST_SECOND, &verdict);
  assert_int_equal(verdict.n_best, 1);
  assert_int_equal(verdict.best[0].index, 0);
  gst_resnet18_track_free(track);
}

/* From class 0 to class 1 with a time constant of 2 s: after 1 s the old one still weighs exp(-1/2). */
static void smoothing_is_exponential(void **state) {
  GstResnet18Track *track = gst_resnet18_track_new(CLASSES);
  GstResnet18Criteria settings = settings_with(0, 0, 2 * GST_SECOND);
  GstResnet18Verdict verdict;
  float logits[CLASSES];
  logits_of((const float[]){1, 0, 0, 0}, logits);
  gst_resnet18_track_update(track, &settings, logits, 10 * GST_SECOND, &verdict);
  logits_of((const float[]){0, 1, 0, 0}, logits);
  gst_resnet18_track_update(track, &settings, logits, 11 * GST_SECOND, &verdict);
  assert_true(fabs(gst_resnet18_track_scores(track)[0] - exp(-0.5)) < 1e-5);
  assert_int_equal(verdict.best[0].index, 0);
  gst_resnet18_track_update(track, &settings, logits, 12 * GST_SECOND, &verdict);
  assert_true(fabs(gst_resnet18_track_scores(track)[0] - exp(-1.0)) < 1e-5);
  assert_int_equal(verdict.best[0].index, 1);
  gst_resnet18_track_reset(track);
  logits_of((const float[]){0, 0, 1, 0}, logits);
  gst_resnet18_track_update(track, &settings, logits, 13 * GST_SECOND, &verdict);
  assert_true(gst_resnet18_track_scores(track)[2] > 0.999f);
  gst_resnet18_track_free(track);
}

static void uncertain_pictures_are_unknown(void **state) {
  static const struct {
    float probability[CLASSES];
    gboolean unknown;
  } rows[] = {{{.25f, .25f, .25f, .25f}, TRUE}, {{.97f, .01f, .01f, .01f}, FALSE}, {{.5f, .5f, 0, 0}, FALSE}};
  GstResnet18Criteria settings = settings_with(0, 0, 0);
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    GstResnet18Track *track = gst_resnet18_track_new(CLASSES);
    GstResnet18Verdict verdict;
    float logits[CLASSES];
    logits_of(rows[i].probability, logits);
    gst_resnet18_track_update(track, &settings, logits, 0, &verdict);
    assert_int_equal(verdict.unknown, rows[i].unknown);
    gst_resnet18_track_free(track);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(events_follow_the_threshold),
      cmocka_unit_test(hysteresis_keeps_the_current_class),
      cmocka_unit_test(hysteresis_holds_below_the_threshold),
      cmocka_unit_test(a_kept_class_comes_first_and_once),
      cmocka_unit_test(smoothing_is_exponential),
      cmocka_unit_test(uncertain_pictures_are_unknown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

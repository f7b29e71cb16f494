/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes a calibration: runs pictures through the network in floats and keeps a histogram of every range wanted. */
#include "calibration.h"
#include "error.h"
#include "file.h"
#include "kernels/quantize.h"
#include "session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BINS = 2048 };

/* Magnitudes above 0: bin i counts those in (i, i + 1] * top / BINS. `top` doubles as often as needed. */
typedef struct {
  float top; /* 0: nothing counted yet */
  uint64_t count[BINS];
} histogram;

struct resnet18_calibrator {
  resnet18_model *model;
  resnet18_session *session;
  size_t pictures;
  histogram range[R18_CONVS], position[R18_CONVS][R18_CALIBRATION_POSITIONS];
};

/* ---- Histograms --------------------------------------------------------------------------------------- */

static void widen(histogram *h) {
  for (size_t i = 0; i < BINS / 2; i++)
    h->count[i] = h->count[2 * i] + h->count[2 * i + 1];
  memset(h->count + BINS / 2, 0, sizeof h->count / 2);
  h->top *= 2;
}

static void count_value(histogram *h, float value) {
  const float magnitude = fabsf(value);
  if (!(magnitude > 1e-6f) || !(magnitude < 1e6f)) /* 0 is exact at any scale; beyond is nobody's activation */
    return;
  if (h->top == 0.0f)
    h->top = magnitude;
  while (magnitude > h->top)
    widen(h);
  size_t bin = (size_t)(magnitude / h->top * BINS);
  h->count[bin < BINS ? bin : BINS - 1]++;
}

/* Squared error of quantising to steps of limit / levels and cutting off what is above the limit. */
static double error_of(const histogram *h, double limit, double levels) {
  const double step = limit / levels, rounding = step * step / 12, width = h->top / BINS;
  double sum = 0;
  for (size_t i = 0; i < BINS; i++) {
    const double value = ((double)i + 0.5) * width, cut = value - limit;
    sum += (double)h->count[i] * (cut > 0 ? cut * cut : rounding);
  }
  return sum;
}

/* The limit with the least squared error. */
static float best_limit(const histogram *h, double levels) {
  enum { CANDIDATES = 256 };
  double best = INFINITY, limit = 1.0; /* nothing was ever above 0: any range will do */
  for (int i = CANDIDATES / 16; i <= CANDIDATES && h->top > 0.0f; i++) {
    const double candidate = (double)h->top * i / CANDIDATES, error = error_of(h, candidate, levels);
    if (error < best) {
      best = error;
      limit = candidate;
    }
  }
  return (float)limit;
}

/* ---- Pictures ----------------------------------------------------------------------------------------- */

static void count_place(histogram *h, const r18_run *run, const r18_place *place) {
  for (unsigned y = 0; y < place->height; y++) {
    const float *row = r18_at_f32(run, place, 0, (int)y, 0);
    for (size_t i = 0; i < (size_t)place->width * place->channels; i++)
      count_value(h, row[i]);
  }
}

static void transform_1d(const float *d, float *t, int stride) {
  t[0] = d[0] - d[2 * stride];
  t[stride] = d[stride] + d[2 * stride];
  t[2 * stride] = d[2 * stride] - d[stride];
  t[3 * stride] = d[stride] - d[3 * stride];
}

/* B^T d B of the 4x4 pixels whose upper left output is (y, x), one channel; beyond the edge are zeros. */
static void count_tile(histogram *h, const r18_run *run, const r18_place *place, int y, int x, unsigned channel) {
  float d[16], half[16], v[16];
  for (int i = 0; i < 16; i++) {
    const int from_y = y - 1 + i / 4, from_x = x - 1 + i % 4;
    const bool inside = from_y <= (int)place->height && from_x <= (int)place->width;
    d[i] = inside ? r18_at_f32(run, place, 0, from_y, from_x)[channel] : 0.0f;
  }
  for (int i = 0; i < 4; i++)
    transform_1d(d + i, half + i, 4);
  for (int i = 0; i < 4; i++)
    transform_1d(half + 4 * i, v + 4 * i, 1);
  for (int i = 0; i < 16; i++)
    count_value(&h[i], v[i]);
}

static void count_positions(histogram *h, const r18_run *run, const r18_place *place) {
  for (int y = 0; y < (int)place->height; y += 2)
    for (int x = 0; x < (int)place->width; x += 2)
      for (unsigned channel = 0; channel < place->channels; channel++)
        count_tile(h, run, place, y, x, channel);
}

/* ---- The public functions ----------------------------------------------------------------------------- */

resnet18_status resnet18_calibrator_new(resnet18_model *model, resnet18_calibrator **out, resnet18_error *error) {
  *out = NULL;
  if (!model)
    return r18_fail(error, RESNET18_ERROR_ARGUMENT, "a calibrator needs a model");
  resnet18_calibrator *c = calloc(1, sizeof *c);
  if (!c)
    return r18_fail_memory(error, sizeof *c);
  c->model = resnet18_model_ref(model);
  const resnet18_session_options options = {.precision = RESNET18_PRECISION_FP32, .keep_layers = true};
  resnet18_status status = resnet18_session_new(model, &options, &c->session, error);
  if (status) {
    resnet18_calibrator_free(c);
    return status;
  }
  *out = c;
  return r18_ok(error);
}

void resnet18_calibrator_free(resnet18_calibrator *c) {
  if (!c)
    return;
  resnet18_session_free(c->session);
  resnet18_model_unref(c->model);
  free(c);
}

resnet18_status resnet18_calibrator_add(resnet18_calibrator *c, const uint8_t *rgb, resnet18_error *error) {
  float *logits = malloc(resnet18_model_classes(c->model) * sizeof *logits);
  if (!logits)
    return r18_fail_memory(error, resnet18_model_classes(c->model) * sizeof *logits);
  resnet18_status status = resnet18_session_run(c->session, rgb, 1, logits, error);
  free(logits);
  if (status)
    return status;
  for (unsigned i = 0; i < R18_CONVS; i++) {
    r18_run run;
    count_place(&c->range[i], &run, r18_session_conv_out(c->session, i, &run));
    if (r18_has_positions(i))
      count_positions(c->position[i], &run, r18_session_conv_out(c->session, r18_conv_input(i), &run));
  }
  c->pictures++;
  return r18_ok(error);
}

static resnet18_status compute(const resnet18_calibrator *c, r18_calibration *calibration, resnet18_error *error) {
  resnet18_status status = r18_fingerprint(c->model, &calibration->weights, error);
  for (unsigned i = 0; i < R18_CONVS && !status; i++) {
    calibration->range[i] = best_limit(&c->range[i], r18_convs[i].kernel == 1 ? 127 : 255);
    for (unsigned p = 0; p < R18_CALIBRATION_POSITIONS; p++)
      calibration->position[i][p] = best_limit(&c->position[i][p], r18_position_levels((int)p));
  }
  return status;
}

resnet18_status resnet18_calibrator_write(const resnet18_calibrator *c, const char *path, resnet18_error *error) {
  r18_calibration calibration = {0};
  if (c->pictures == 0)
    return r18_fail(error, RESNET18_ERROR_ARGUMENT, "%s: a calibration needs at least one picture", path);
  resnet18_status status = compute(c, &calibration, error);
  if (status)
    return status;
  char *text = r18_calibration_text(&calibration);
  if (!text)
    return r18_fail_memory(error, R18_CALIBRATION_LIMIT);
  r18_new_file file;
  status = r18_file_create(path, &file, error);
  if (!status)
    status = r18_file_write(&file, text, strlen(text), error);
  if (!status)
    status = r18_file_commit(&file, error);
  r18_file_abandon(&file);
  free(text);
  return status;
}

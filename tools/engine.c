/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options about weights, precision, threads and preparation, and the engine that they make. */
#include "engine.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const precisions[] = {"auto", "fp32", "int8", NULL};     /* in the order of resnet18_precision */
static const char *const crops[] = {"center", "squash", "letterbox", NULL}; /* ... of resnet18_crop */

enum { MAX_THREADS = 64, MIN_RESIZE = RESNET18_SIZE, MAX_RESIZE = 1024 };

void engine_options_init(engine_options *o, unsigned parts) {
  GOptionEntry *e = o->entries;
  memset(o, 0, sizeof *o);
  o->batch = 1;
  *e++ = (GOptionEntry){"weights",   'w',
                        0,           G_OPTION_ARG_FILENAME,
                        &o->weights, "Weights: a .safetensors file or a PyTorch checkpoint (default: built in)",
                        "FILE"};
  if (parts & ENGINE_LABELS)
    *e++ = (GOptionEntry){"labels",   'l',
                          0,          G_OPTION_ARG_FILENAME,
                          &o->labels, "Class names: one a line, or index, wnid, name separated by tabs",
                          "FILE"};
  if (parts & ENGINE_RUNS) {
    *e++ = (GOptionEntry){"precision",
                          'p',
                          0,
                          G_OPTION_ARG_STRING,
                          &o->precision,
                          "fp32, int8, or auto: int8 where it is fast and calibrated (default: fp32)",
                          "P"};
    *e++ = (GOptionEntry){"threads",   't',
                          0,           G_OPTION_ARG_INT,
                          &o->threads, "Threads of one forward pass (default: as many as this process may use)",
                          "N"};
  }
  if (parts & ENGINE_PICTURES) {
    *e++ = (GOptionEntry){
        "crop", 'c', 0, G_OPTION_ARG_STRING, &o->crop, "center (the middle), squash or letterbox (all of the picture)",
        "C"};
    *e++ = (GOptionEntry){"resize-short",
                          0,
                          0,
                          G_OPTION_ARG_INT,
                          &o->resize_short,
                          "With center: pixels of the short side before the 224x224 crop (default: 256)",
                          "N"};
  }
  *e = (GOptionEntry){NULL};
}

void engine_options_clear(engine_options *o) {
  g_free(o->weights);
  g_free(o->labels);
  g_free(o->precision);
  g_free(o->crop);
}

bool engine_options_check(const command *self, const engine_options *o, resnet18_preprocess_options *prepare) {
  int precision = 0, crop = 0;
  if (!command_choose(self, "--precision", o->precision, precisions, &precision) ||
      !command_choose(self, "--crop", o->crop, crops, &crop) ||
      !command_in_range(self, "--threads", o->threads, 0, MAX_THREADS))
    return false;
  if (o->resize_short && !command_in_range(self, "--resize-short", o->resize_short, MIN_RESIZE, MAX_RESIZE))
    return false;
  if (prepare)
    *prepare = (resnet18_preprocess_options){
        .crop = (resnet18_crop)crop, .resize_short = (uint32_t)o->resize_short, .exact = true};
  return true;
}

/* Unlike the element: fp32 where the weights have it, because then the scores are PyTorch's. */
static resnet18_precision default_precision(const resnet18_model *model) {
  return resnet18_model_supports(model, RESNET18_PRECISION_FP32) ? RESNET18_PRECISION_FP32 : RESNET18_PRECISION_INT8;
}

static resnet18_precision precision_of(const engine_options *o, const resnet18_model *model) {
  int precision = (int)default_precision(model);
  for (int i = 0; o->precision && precisions[i]; i++)
    if (strcmp(o->precision, precisions[i]) == 0)
      precision = i;
  return (resnet18_precision)precision;
}

static resnet18_status open_session(engine *e, const engine_options *o, resnet18_error *error) {
  const resnet18_session_options session = {
      .precision = precision_of(o, e->model), .threads = (unsigned)o->threads, .max_batch = (unsigned)o->batch};
  e->scores = g_new(float, e->classes);
  return resnet18_session_new(e->model, &session, &e->session, error);
}

bool engine_open(engine *e, const engine_options *o, bool labels) {
  resnet18_error error;

  memset(e, 0, sizeof *e);
  if (resnet18_model_load(o->weights, &e->model, &error) != RESNET18_OK)
    goto failed;
  e->classes = resnet18_model_classes(e->model);
  if (labels && resnet18_labels_load(o->labels, e->classes, &e->labels, &error) != RESNET18_OK)
    goto failed;
  if (open_session(e, o, &error) != RESNET18_OK)
    goto failed;
  if (*resnet18_session_warning(e->session))
    fprintf(stderr, "resnet18: warning: %s\n", resnet18_session_warning(e->session));
  return true;
failed:
  command_fail("%s", error.message);
  engine_close(e);
  return false;
}

bool engine_share(engine *e, const engine *first, const engine_options *o) {
  resnet18_error error;
  *e = (engine){.model = resnet18_model_ref(first->model), .classes = first->classes};
  if (first->labels)
    e->labels = resnet18_labels_ref(first->labels);
  if (open_session(e, o, &error) == RESNET18_OK)
    return true;
  command_fail("%s", error.message);
  engine_close(e);
  return false;
}

void engine_close(engine *e) {
  resnet18_session_free(e->session);
  resnet18_labels_unref(e->labels);
  resnet18_model_unref(e->model);
  g_free(e->scores);
  memset(e, 0, sizeof *e);
}

const char *engine_precision(const engine *e) {
  return precisions[resnet18_session_precision(e->session)];
}

double engine_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

bool engine_run(engine *e, const uint8_t *rgb, double *seconds) {
  resnet18_error error;
  const double start = engine_clock();
  if (resnet18_session_run(e->session, rgb, 1, e->scores, &error) != RESNET18_OK) {
    command_fail("%s", error.message);
    return false;
  }
  *seconds = engine_clock() - start;
  return true;
}

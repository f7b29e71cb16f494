/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine's scores of one picture -> what is reported about it. */
#include "answer.h"

void answer_fill(const engine *e, const answer_options *o, resnet18_class *best, report *r) {
  r->model = resnet18_model_source(e->model);
  r->precision = engine_precision(e);
  r->labels = e->labels;
  r->uncertainty = (double)resnet18_uncertainty(e->scores, e->classes);
  r->best = best;
  r->n_best = resnet18_top_k(e->scores, e->classes, (size_t)o->top_k, (float)o->threshold, best);
}

bool answer_picture(engine *e, const uint8_t *rgb, const answer_options *o, resnet18_class *best, report *r) {
  double seconds;
  if (!engine_run(e, rgb, &seconds))
    return false;
  resnet18_softmax(e->scores, e->classes, e->scores);
  r->inference_time = (GstClockTime)(seconds * 1e9);
  answer_fill(e, o, best, r);
  return true;
}

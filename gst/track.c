/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Result tracking. */
#include "track.h"

#include "result.h"

#include <math.h>
#include <string.h>

enum { NONE = -1 };

struct _GstResnet18Track {
  gsize classes;
  gfloat *scores; /* of the last picture */
  gfloat *smooth; /* over time */
  GstClockTime time;
  gboolean begun;
  gint64 current; /* the class that is reported, NONE */
};

GstResnet18Track *gst_resnet18_track_new(gsize classes) {
  GstResnet18Track *t = g_new0(GstResnet18Track, 1);
  t->classes = classes;
  t->scores = g_new(gfloat, classes);
  t->smooth = g_new(gfloat, classes);
  gst_resnet18_track_reset(t);
  return t;
}

void gst_resnet18_track_free(GstResnet18Track *t) {
  if (!t)
    return;
  g_free(t->scores);
  g_free(t->smooth);
  g_free(t);
}

void gst_resnet18_track_reset(GstResnet18Track *t) {
  t->begun = FALSE;
  t->current = NONE;
}

const gfloat *gst_resnet18_track_scores(const GstResnet18Track *t) {
  return t->smooth;
}

/* Exponential smoothing: what was seen `constant` ago still weighs 1/e. */
static void smooth(GstResnet18Track *t, GstClockTime constant, GstClockTime time) {
  gdouble passed = t->begun && time > t->time ? (gdouble)(time - t->time) : 0;
  gfloat weight = t->begun && constant > 0 ? (gfloat)-expm1(-passed / (gdouble)constant) : 1.0f;
  if (weight >= 1.0f)
    memcpy(t->smooth, t->scores, t->classes * sizeof *t->smooth);
  else
    for (gsize i = 0; i < t->classes; i++)
      t->smooth[i] += weight * (t->scores[i] - t->smooth[i]);
  t->begun = TRUE;
  t->time = time;
}

/* The current class stays unless another exceeds it by the hysteresis, or it falls below the threshold by it. */
static gint64 decide(const GstResnet18Track *t, const GstResnet18Criteria *s, const GstResnet18Verdict *v) {
  gint64 best = v->n_best ? (gint64)v->best[0].index : NONE;
  gfloat score;
  if (t->current == NONE || t->current == best)
    return best;
  score = t->smooth[t->current];
  if (best == NONE)
    return score < s->threshold - s->hysteresis || s->hysteresis <= 0 ? NONE : t->current;
  return v->best[0].score > score + s->hysteresis ? best : t->current;
}

/* Moves or puts the class in front. */
static void put_first(const GstResnet18Track *t, const GstResnet18Criteria *s, GstResnet18Verdict *v, guint32 index) {
  gsize at = 0;
  while (at < v->n_best && v->best[at].index != index)
    at++;
  if (at == v->n_best && v->n_best < s->top_k)
    v->n_best++;
  memmove(v->best + 1, v->best, MIN(at, v->n_best - 1) * sizeof *v->best);
  v->best[0] = (resnet18_class){index, t->smooth[index]};
}

static void tell(GstResnet18Track *t, GstResnet18Verdict *v, gint64 now) {
  v->event = NULL;
  v->has_previous = FALSE;
  if (now == t->current)
    return;
  v->event = t->current == NONE ? "entered" : now == NONE ? "left" : "changed";
  if (t->current != NONE) {
    v->has_previous = TRUE;
    v->previous = (resnet18_class){(guint32)t->current, t->smooth[t->current]};
  }
  t->current = now;
}

void gst_resnet18_track_update(GstResnet18Track *t, const GstResnet18Criteria *s, const gfloat *logits,
                               GstClockTime time, GstResnet18Verdict *v) {
  gint64 now;
  resnet18_softmax(logits, t->classes, t->scores);
  smooth(t, s->smoothing, time);
  v->n_best = resnet18_top_k(t->smooth, t->classes, s->top_k, s->threshold, v->best);
  now = decide(t, s, v);
  if (now != NONE && (v->n_best == 0 || v->best[0].index != (guint32)now))
    put_first(t, s, v, (guint32)now);
  v->uncertainty = resnet18_uncertainty(t->smooth, t->classes);
  v->unknown = v->n_best == 0 || v->uncertainty > GST_RESNET18_UNKNOWN_UNCERTAINTY;
  tell(t, v, now);
}

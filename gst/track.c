/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Result tracking. */
#include "track.h"

struct _GstResnet18Track {
  gsize classes;
  gfloat *scores;
  gint64 current; /* best class of the picture before, -1 = none reached the threshold, -2 = no picture yet */
};

GstResnet18Track *gst_resnet18_track_new(gsize classes) {
  GstResnet18Track *t = g_new0(GstResnet18Track, 1);
  t->classes = classes;
  t->scores = g_new(gfloat, classes);
  gst_resnet18_track_reset(t);
  return t;
}

void gst_resnet18_track_free(GstResnet18Track *t) {
  if (!t)
    return;
  g_free(t->scores);
  g_free(t);
}

void gst_resnet18_track_reset(GstResnet18Track *t) {
  t->current = -2;
}

void gst_resnet18_track_update(GstResnet18Track *t, const GstResnet18Settings *settings, const gfloat *logits,
                               GstResnet18Verdict *v) {
  gint64 before = t->current;
  resnet18_softmax(logits, t->classes, t->scores);
  v->n_best = resnet18_top_k(t->scores, t->classes, settings->top_k, settings->threshold, v->best);
  v->uncertainty = resnet18_uncertainty(t->scores, t->classes);
  v->unknown = v->n_best == 0;
  t->current = v->n_best ? (gint64)v->best[0].index : -1;
  v->changed = t->current != before;
}

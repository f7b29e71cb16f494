/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Result tracking: from a forward pass's logits to what is said about the picture, with the memory that one picture
 * after another needs. */
#ifndef GST_RESNET18_TRACK_H
#define GST_RESNET18_TRACK_H

#include "resnet18.h"

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct _GstResnet18Track GstResnet18Track;

#define GST_RESNET18_MAX_TOP_K 20

/* The properties that decide what is said. */
typedef struct {
  guint top_k;
  gfloat threshold;
  GstClockTime smoothing;
  gfloat hysteresis;
  gboolean groups;
} GstResnet18Criteria;

/* What is said about one picture. */
typedef struct {
  resnet18_class best[GST_RESNET18_MAX_TOP_K]; /* by score, but the class that hysteresis keeps comes first */
  gsize n_best;
  gdouble uncertainty;
  gboolean unknown;
  const gchar *event;      /* "entered", "left", "changed"; NULL = the class is the one before */
  gboolean has_previous;   /* after "left" and "changed" */
  resnet18_class previous; /* the class before, with its score now */
} GstResnet18Verdict;

GstResnet18Track *gst_resnet18_track_new(gsize classes);
/* NULL is allowed. */
void gst_resnet18_track_free(GstResnet18Track *track);
/* Forgets the past. */
void gst_resnet18_track_reset(GstResnet18Track *track);
/* `time` of the picture in ns: running time, or any other clock that does not change while the track lives. */
void gst_resnet18_track_update(GstResnet18Track *track, const GstResnet18Criteria *criteria, const gfloat *logits,
                               GstClockTime time, GstResnet18Verdict *verdict);
/* The scores of the last update, smoothed: as many as classes. */
const gfloat *gst_resnet18_track_scores(const GstResnet18Track *track);

G_END_DECLS

#endif

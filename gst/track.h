/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Result tracking: from a forward pass's logits to what is said about the picture, with the memory that one picture
 * after another needs. */
#ifndef GST_RESNET18_TRACK_H
#define GST_RESNET18_TRACK_H

#include "settings.h"

G_BEGIN_DECLS

typedef struct _GstResnet18Track GstResnet18Track;

/* What is said about one picture. */
typedef struct {
  resnet18_class best[GST_RESNET18_MAX_TOP_K];
  gsize n_best;
  gdouble uncertainty;
  gboolean unknown;
  gboolean changed; /* the best class is another than before, or there was none before */
} GstResnet18Verdict;

GstResnet18Track *gst_resnet18_track_new(gsize classes);
/* NULL is allowed. */
void gst_resnet18_track_free(GstResnet18Track *track);
/* Forgets the past. */
void gst_resnet18_track_reset(GstResnet18Track *track);
void gst_resnet18_track_update(GstResnet18Track *track, const GstResnet18Settings *settings, const gfloat *logits,
                               GstResnet18Verdict *verdict);

G_END_DECLS

#endif

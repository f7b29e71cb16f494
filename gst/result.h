/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making the result's structure; resnet18meta.h says what is in it. Used by the element and by the command, so that
 * both say the same. */
#ifndef GST_RESNET18_RESULT_H
#define GST_RESNET18_RESULT_H

#include "cam_map.h"
#include "resnet18.h"
#include "resnet18meta.h"

#include <gst/gst.h>

G_BEGIN_DECLS

/* Normalised entropy above which nothing is recognised: as if more than 1000^0.7 = 126 classes were alike. Of 800
 * validation pictures of ImageNet 1 % are above it; black, white, noise and colour bars are at 0.76 to 0.92. */
#define GST_RESNET18_UNKNOWN_UNCERTAINTY 0.7

/* What a result says. Zero-initialise, then set the times: GST_CLOCK_TIME_NONE = unknown. */
typedef struct {
  const gchar *model;
  GstClockTime pts, running_time, stream_time, duration;
  GstClockTime age;
  GstClockTime inference_time;
  gboolean has_roi;
  gint roi_id, roi_x, roi_y, roi_w, roi_h; /* pixels of the frame */
  const resnet18_class *best;              /* `n_best` entries, best first */
  gsize n_best;
  resnet18_labels *labels;
  const gchar *group; /* NULL = none asked for */
  gdouble group_score;
  gdouble uncertainty;
  gboolean unknown;
  const gchar *event;             /* NULL = none */
  const resnet18_class *previous; /* of the event, NULL = none */
  const gfloat *cam;              /* GST_RESNET18_CAM_CELLS, NULL = none */
} GstResnet18ResultFields;

/* Free with gst_structure_free. */
GstStructure *gst_resnet18_result_new(const GstResnet18ResultFields *fields);

G_END_DECLS

#endif

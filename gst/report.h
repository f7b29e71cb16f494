/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One result that many frames carry: made once and never changed. Each frame gets a copy of its structure, which is
 * made ahead, while no frame waits for it. */
#ifndef GST_RESNET18_REPORT_H
#define GST_RESNET18_REPORT_H

#include "metadata.h"

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct {
  GstStructure *structure; /* its age is 0 */
  const gchar *event;      /* "entered", "left" or "changed"; NULL = none */
  GstResnet18Scores *scores;

  GstStructure *ready; /* the next copy, NULL = not made yet */
  GValue *ready_age;   /* in it */
} GstResnet18Report;

/* Takes the structure; `event` must be a literal. */
GstResnet18Report *gst_resnet18_report_new(GstStructure *structure, const gchar *event);
void gst_resnet18_report_free(GstResnet18Report *report);

/* Makes the next copy ahead. */
void gst_resnet18_report_prepare(GstResnet18Report *report);
/* A copy with this age, for the caller to free. */
GstStructure *gst_resnet18_report_copy(GstResnet18Report *report, GstClockTime age);

G_END_DECLS

#endif

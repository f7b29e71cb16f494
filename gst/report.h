/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One result that many frames carry: made once, never changed, and freed when the last buffer has let go of it. */
#ifndef GST_RESNET18_REPORT_H
#define GST_RESNET18_REPORT_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct {
  GQuark name;
  GValue value;
} GstResnet18Field;

typedef struct {
  GstStructure *structure; /* its age is 0 */
  const gchar *event;      /* "entered", "left" or "changed"; NULL = none */
  GstResnet18Field *lent;  /* the structure's fields as they are given to others */
  guint n_lent;
} GstResnet18Report;

/* Takes the structure; `event` must be a literal. From any thread, as the two below. */
GstResnet18Report *gst_resnet18_report_new(GstStructure *structure, const gchar *event);
GstResnet18Report *gst_resnet18_report_ref(GstResnet18Report *report);
void gst_resnet18_report_unref(GstResnet18Report *report);

/* Gives `to` the report's fields, and this age. What is large in them stays the report's, so that `to` must not outlive
 * it; a copy of `to` may. */
void gst_resnet18_report_share(const GstResnet18Report *report, GstStructure *to, GstClockTime age);

G_END_DECLS

#endif

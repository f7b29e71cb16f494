/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Telling a new result from one that has been seen on an earlier frame. */
#ifndef GST_RESNET18_FRESH_H
#define GST_RESNET18_FRESH_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* Two resnet18classify in a row, with as many regions as each classifies. */
#define GST_RESNET18_FRESH_MEMORY 32

/* What a result is recognised by. */
typedef struct {
  guint64 pts, inference_time;
  guint64 said;  /* hash of the region, the classes and the uncertainty */
  guint64 frame; /* on which it was seen last */
} GstResnet18FreshKey;

/* The last results. Zero-initialise to forget. */
typedef struct {
  GstResnet18FreshKey seen[GST_RESNET18_FRESH_MEMORY];
  guint n, next;
  guint64 frame;
} GstResnet18Fresh;

/* What is checked from now on is on another frame. */
void gst_resnet18_fresh_next_frame(GstResnet18Fresh *fresh);
/* Whether the result is none of the last ones; it is one of them from then on. */
gboolean gst_resnet18_fresh_check(GstResnet18Fresh *fresh, const GstStructure *result);

G_END_DECLS

#endif

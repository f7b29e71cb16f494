/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attaching results to buffers. */
#ifndef GST_RESNET18_METADATA_H
#define GST_RESNET18_METADATA_H

#include "regions.h"

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct _GstResnet18Scores GstResnet18Scores;

/* Once a process; further calls do nothing. */
void gst_resnet18_metadata_register(void);

/* Takes the result; `buffer` must be writable. */
void gst_resnet18_metadata_attach(GstBuffer *buffer, GstStructure *result);

/* The three below do nothing where GStreamer has no GstAnalytics (before 1.24). */

/* The classes of a result as GstAnalyticsClsMtd wants them, made once for all frames that carry it. Free with g_free;
 * NULL if there are none. */
GstResnet18Scores *gst_resnet18_analytics_scores_new(const GstStructure *result);
/* The same result as GstAnalyticsClsMtd, related to the region's GstAnalyticsODMtd; `region` NULL = the frame. */
void gst_resnet18_analytics_attach(GstBuffer *buffer, const GstResnet18Scores *scores, const GstResnet18Region *region);
/* The buffer's GstAnalyticsODMtd; their ids are those of a tracker where there was one. */
void gst_resnet18_analytics_add_regions(GstResnet18Regions *regions, GstBuffer *buffer, guint width, guint height);

G_END_DECLS

#endif

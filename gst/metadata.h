/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attaching results to buffers. */
#ifndef GST_RESNET18_METADATA_H
#define GST_RESNET18_METADATA_H

#include "regions.h"

#include <gst/gst.h>

G_BEGIN_DECLS

/* Once a process; further calls do nothing. */
void gst_resnet18_metadata_register(void);

/* Takes the result; `buffer` must be writable. */
void gst_resnet18_metadata_attach(GstBuffer *buffer, GstStructure *result);

/* The two below do nothing where GStreamer has no GstAnalytics (before 1.24). */

/* The same result as GstAnalyticsClsMtd, related to the region's GstAnalyticsODMtd; `region` NULL = the frame. */
void gst_resnet18_analytics_attach(GstBuffer *buffer, const GstStructure *result, const GstResnet18Region *region);
/* The buffer's GstAnalyticsODMtd; their ids are those of a tracker where there was one. */
void gst_resnet18_analytics_add_regions(GstResnet18Regions *regions, GstBuffer *buffer, guint width, guint height);

G_END_DECLS

#endif

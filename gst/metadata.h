/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attaching results to buffers. */
#ifndef GST_RESNET18_METADATA_H
#define GST_RESNET18_METADATA_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* Once a process; further calls do nothing. */
void gst_resnet18_metadata_register(void);

/* `buffer` must be writable. `age` replaces the result's. */
void gst_resnet18_metadata_attach(GstBuffer *buffer, const GstStructure *result, GstClockTime age);

/* The same result as GstAnalyticsClsMtd; does nothing where GStreamer has none (before 1.24). */
void gst_resnet18_analytics_attach(GstBuffer *buffer, const GstStructure *result);

G_END_DECLS

#endif

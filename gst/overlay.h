/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The result on the picture: a panel with a line for each class, drawn by pango and cairo only when what it says
 * changes, then attached as overlay composition meta or blended. */
#ifndef GST_RESNET18_OVERLAY_H
#define GST_RESNET18_OVERLAY_H

#include "report.h"
#include "settings.h"

#include <gst/video/video.h>

G_BEGIN_DECLS

typedef struct _GstResnet18Overlay GstResnet18Overlay;

GstResnet18Overlay *gst_resnet18_overlay_new(void);
void gst_resnet18_overlay_free(GstResnet18Overlay *overlay);

/* Frames to come look like this; `attach` says that downstream draws overlay composition metas. */
void gst_resnet18_overlay_set_info(GstResnet18Overlay *overlay, const GstVideoInfo *info, gboolean attach);

/* What to show from now on: the first settings->overlay_top classes of the result, or, where a detector has marked
 * regions, each region with its best class; `regions` has as many entries as `reports`, 0 = nothing. */
void gst_resnet18_overlay_set_results(GstResnet18Overlay *overlay, GstResnet18Report *const *reports,
                                      const GstResnet18Regions *regions, const GstResnet18Settings *settings);

/* `buffer` must be writable. False and `error` filled if it cannot be mapped for writing. */
gboolean gst_resnet18_overlay_apply(GstResnet18Overlay *overlay, GstBuffer *buffer, resnet18_error *error);

G_END_DECLS

#endif

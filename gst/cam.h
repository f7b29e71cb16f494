/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Drawing class activation maps. */
#ifndef GST_RESNET18_CAM_H
#define GST_RESNET18_CAM_H

#include "cam_map.h"
#include "result.h"
#include "settings.h"

#include <gst/video/video.h>

G_BEGIN_DECLS

/* The part of the frame, in pixels, that the map covers when `region` is classified with `crop`; it may reach beyond
 * the region where bars were added. */
GstVideoRectangle gst_resnet18_cam_area(const GstVideoRectangle *region, resnet18_crop crop);

/* Draws what of the map on `area` lies on `part` of it as a translucent heat map of width x height pixels, cairo's
 * ARGB32. */
void gst_resnet18_cam_draw(const gfloat *cam, const GstVideoRectangle *area, const GstVideoRectangle *part, gint width,
                           gint height, guint8 *argb, gsize stride);

G_END_DECLS

#endif

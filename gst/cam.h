/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Class activation maps (Zhou et al., "Learning Deep Features for Discriminative Localization", 2016): where in the
 * picture the network sees a class. */
#ifndef GST_RESNET18_CAM_H
#define GST_RESNET18_CAM_H

#include "result.h"
#include "settings.h"

#include <gst/video/video.h>

G_BEGIN_DECLS

/* `features`: the last stage's output, 7 x 7 x RESNET18_FEATURES (HWC). `cam` receives GST_RESNET18_CAM_CELLS numbers
 * of 0..1, the largest 1 unless nothing speaks for the class. */
void gst_resnet18_cam(resnet18_model *model, guint32 class_index, const gfloat *features, gfloat *cam);

/* The part of the frame, in pixels, that the map covers when `region` is classified with `crop`; it may reach beyond
 * the region where bars were added. */
GstVideoRectangle gst_resnet18_cam_area(const GstVideoRectangle *region, resnet18_crop crop);

/* Draws what of the map on `area` lies on `part` of it as a translucent heat map of width x height pixels, cairo's
 * ARGB32. */
void gst_resnet18_cam_draw(const gfloat *cam, const GstVideoRectangle *area, const GstVideoRectangle *part, gint width,
                           gint height, guint8 *argb, gsize stride);

G_END_DECLS

#endif

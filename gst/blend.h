/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Drawing pictures into frames. A picture is turned into the frame's own samples once; each frame then costs a
 * multiplication and an addition for each byte that the picture covers. */
#ifndef GST_RESNET18_BLEND_H
#define GST_RESNET18_BLEND_H

#include <gst/video/video.h>

G_BEGIN_DECLS

typedef struct _GstResnet18Layer GstResnet18Layer;

/* Whether frames of this format can be drawn into here: samples of 8 bits, alpha if at all in four bytes a pixel. The
 * rest is left to gst_video_overlay_composition_blend. */
gboolean gst_resnet18_layer_suits(const GstVideoInfo *info);

/* `argb`: rows of cairo's ARGB32 (alpha multiplied in, the machine's byte order). The upper left corner comes to x, y;
 * what lies outside the frame is cut off. NULL if nothing is left. */
GstResnet18Layer *gst_resnet18_layer_new(const GstVideoInfo *info, const guint8 *argb, gsize stride, gint width,
                                         gint height, gint x, gint y);
void gst_resnet18_layer_free(GstResnet18Layer *layer);
/* The frame must be mapped for reading and writing, and have room for one of the size that the layer was made for at
 * x, y. */
void gst_resnet18_layer_blend(const GstResnet18Layer *layer, GstVideoFrame *frame, guint x, guint y);

/* For gst_video_overlay_composition_blend, which turns RGB into BT.601 whatever the frame is, and multiplies alpha in
 * twice where both it and the frame have it: ARGB32 to ARGB, or where the frame is YUV or grey to AYUV in its matrix
 * and range, alpha not multiplied in. */
void gst_resnet18_blend_prepare(const GstVideoInfo *info, guint32 *pixels, gsize n);

G_END_DECLS

#endif

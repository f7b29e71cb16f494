/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frame geometry: what the caps say about a frame, resolved once, and reading a part of it into the network's
 * 224x224 RGB picture. */
#ifndef GST_RESNET18_FRAME_H
#define GST_RESNET18_FRAME_H

#include "resnet18.h"

#include <gst/video/video.h>

G_BEGIN_DECLS

typedef struct _GstResnet18Frame GstResnet18Frame;

/* A part of the picture, in pixels; w 0 = all of it. */
typedef struct {
  gdouble x, y, w, h;
} GstResnet18Part;

/* NULL and `error` filled if neither the engine nor GstVideoConverter reads such frames. */
GstResnet18Frame *gst_resnet18_frame_new(const GstVideoInfo *info, resnet18_error *error);
/* NULL is allowed. */
void gst_resnet18_frame_free(GstResnet18Frame *frame);

/* Maps the buffer for reading; an error if it is smaller than its caps or its GstVideoMeta say. */
gboolean gst_resnet18_frame_map(GstResnet18Frame *frame, GstBuffer *buffer, resnet18_error *error);
void gst_resnet18_frame_unmap(GstResnet18Frame *frame);

/* Size in pixels of the mapped frame's visible picture. */
void gst_resnet18_frame_size(const GstResnet18Frame *frame, guint *width, guint *height);

/* Reads a part of the mapped frame. The tables for the last few parts are kept, so that the same part costs nothing
 * anew. An error if the part lies outside the picture. */
gboolean gst_resnet18_frame_read(GstResnet18Frame *frame, const GstResnet18Part *part, resnet18_crop crop, guint8 *rgb,
                                 resnet18_error *error);

/* gst_video_frame_map with checks: an error too if the buffer is smaller than its caps or its GstVideoMeta say. The
 * mapped frame is at least as large as the caps say. */
gboolean gst_resnet18_frame_map_buffer(GstVideoFrame *mapped, const GstVideoInfo *info, GstBuffer *buffer,
                                       GstMapFlags flags, resnet18_error *error);

/* All formats that are read, for the pad templates. */
GstCaps *gst_resnet18_frame_caps(void);

G_END_DECLS

#endif

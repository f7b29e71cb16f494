/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A decoded frame -> the 224x224 picture that the network sees. */
#ifndef RESNET18_MEDIA_FRAME_H
#define RESNET18_MEDIA_FRAME_H

#include "resnet18.h"

#include <gst/gst.h>
#include <stdbool.h>

/* Largest width and height in pixels. */
#define FRAME_MAX_SIDE 65535

/* The caps that frame_preparer_run takes: the formats whose planes the engine reads. */
GstCaps *frame_caps(void);

/* Keeps the tables for the kind of frame it saw last. One thread at a time. */
typedef struct frame_preparer frame_preparer;

/* Free with frame_preparer_free, which takes NULL too. */
frame_preparer *frame_preparer_new(const resnet18_preprocess_options *options);
void frame_preparer_free(frame_preparer *preparer);

/* `rgb` receives RESNET18_RGB_BYTES. */
bool frame_preparer_run(frame_preparer *preparer, GstSample *sample, uint8_t *rgb, GError **error);

/* Width and height in pixels. */
void frame_size(GstSample *sample, int *width, int *height);

#endif

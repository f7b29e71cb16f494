/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A video file, network stream or camera, frame by frame, by GStreamer's uridecodebin. A URI may turn out to be a still
 * picture: then it has one frame. */
#ifndef RESNET18_MEDIA_STREAM_H
#define RESNET18_MEDIA_STREAM_H

#include <gst/gst.h>
#include <stdbool.h>

typedef struct stream stream;

/* `upright`: frames are turned as the stream's orientation tag says. NULL with *error on failure. */
stream *stream_open(const char *uri, bool upright, GError **error);

/* A source that does not end within 5 s is left behind. NULL is allowed. */
void stream_close(stream *s);

/* Asked every 50 ms while stream_next waits; false, which stays so, ends the wait as the stream's end would. */
void stream_set_patience(stream *s, bool (*go_on)(void *user), void *user);

/* The next frame; waits for it. A live source's newest: what came while nobody asked is dropped. NULL without an error
 * at the end. */
GstSample *stream_next(stream *s, GError **error);

/* After the first frame: whether it was a still picture. */
bool stream_is_picture(const stream *s);
bool stream_is_live(const stream *s);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts that the decoding pipelines of pictures and of streams share. */
#ifndef RESNET18_MEDIA_PIPELINE_H
#define RESNET18_MEDIA_PIPELINE_H

#include <gst/app/gstappsink.h>
#include <gst/video/video.h>
#include <stdbool.h>

/* The end of a decoding pipeline: decoded video -> turned by `method` (AUTO: as the stream's tags say) -> *sink, in
 * formats that frame.h reads; from any format if `convert_any`, which takes its time. A floating bin with a pad "sink";
 * *sink lives as long as it does. NULL with *error if GStreamer's base plugins are missing. */
GstElement *pipeline_tail(GstVideoOrientationMethod method, bool convert_any, GstAppSink **sink, GError **error);

/* A new pipeline, whose bus keeps nothing but errors: a stream of days posts many messages that nobody reads. */
GstElement *pipeline_new(void);

/* The next decoded frame; waits for it. NULL without an error at the end of the stream, with one when the pipeline
 * failed. */
GstSample *pipeline_pull(GstElement *pipeline, GstAppSink *sink, GError **error);

/* One moment of that wait. NULL with *ended unset if nothing has come yet. */
GstSample *pipeline_try_pull(GstElement *pipeline, GstAppSink *sink, bool *ended, GError **error);

/* "message: detail" of an error and its debug text, in one line. Free with g_free. */
char *pipeline_sentence(const GError *error, const char *debug);

/* Whether some part of the pipeline still reads or pushes data. Network sources have threads of their own, which this
 * does not see. */
bool pipeline_is_busy(GstElement *pipeline);

/* Waits until the source's own thread pushes no more, five seconds at most. To be called before a failed pipeline is
 * taken down: a source sends the end of the stream after an error, and gdkpixbufdec (GStreamer 1.22) raises a critical
 * warning if its pads are taken away while it obeys. */
void pipeline_await_source(GstElement *source);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A video file, network stream or camera, frame by frame. */
#include "stream.h"

#include "picture.h"
#include "pipeline.h"
#include "teardown.h"

#include <stdatomic.h>
#include <string.h>

/* Microseconds that the source may take to end. */
static const gint64 patience = 5 * G_USEC_PER_SEC;
/* Bytes of an encoded picture that is taken from a URI. */
static const gsize max_encoded = 1u << 30;

struct stream {
  GstElement *pipeline;
  GstElement *tail;    /* decoded frames end here ... */
  GstAppSink *frames;  /* ... in this element of it */
  GstAppSink *encoded; /* a still picture's bytes end here */
  bool file;           /* rather than a network source */
  bool upright, live;
  bool typed;                /* streaming threads only: the source's type has been seen */
  atomic_bool picture;       /* it is a still picture's */
  atomic_bool no_video;      /* all pads are there and none is video */
  bool started;              /* the first frame, or the one picture, has been given out */
  bool (*go_on)(void *user); /* NULL: waits for ever */
  void *user;
};

/* ---- Building the pipeline, in streaming threads ------------------------------------------------------- */

/* Whether to decode further: neither still pictures, which picture_decode decodes, nor sound nor subtitles. */
static gboolean autoplug_continue(GstElement *source, GstPad *pad, GstCaps *caps, stream *s) {
  const char *name = gst_structure_get_name(gst_caps_get_structure(caps, 0));
  const bool first = !s->typed;
  s->typed = true;
  if (first && picture_is_still(caps)) {
    atomic_store(&s->picture, true);
    return FALSE;
  }
  return !g_str_has_prefix(name, "audio/") && !g_str_has_prefix(name, "text/");
}

static bool is_video(GstPad *pad) {
  GstCaps *caps = gst_pad_get_current_caps(pad);
  if (caps == NULL)
    caps = gst_pad_query_caps(pad, NULL);
  bool video = !gst_caps_is_empty(caps) && !gst_caps_is_any(caps) &&
               g_str_has_prefix(gst_structure_get_name(gst_caps_get_structure(caps, 0)), "video/x-raw");
  gst_caps_unref(caps);
  return video;
}

static void link_nowhere(stream *s, GstPad *pad) {
  GstElement *sink = gst_element_factory_make("fakesink", NULL);
  g_object_set(sink, "sync", FALSE, "async", FALSE, NULL);
  gst_bin_add(GST_BIN(s->pipeline), sink);
  gst_element_sync_state_with_parent(sink);
  GstPad *end = gst_element_get_static_pad(sink, "sink");
  gst_pad_link(pad, end);
  gst_object_unref(end);
}

static void pad_added(GstElement *source, GstPad *pad, stream *s) {
  GstElement *end = atomic_load(&s->picture) ? GST_ELEMENT(s->encoded) : is_video(pad) ? s->tail : NULL;
  GstPad *sink = end ? gst_element_get_static_pad(end, "sink") : NULL;
  if (sink == NULL || gst_pad_is_linked(sink) || GST_PAD_LINK_FAILED(gst_pad_link(pad, sink)))
    link_nowhere(s, pad);
  g_clear_pointer(&sink, gst_object_unref);
}

static void no_more_pads(GstElement *source, stream *s) {
  GstPad *sink = gst_element_get_static_pad(s->tail, "sink");
  if (!atomic_load(&s->picture) && !gst_pad_is_linked(sink))
    atomic_store(&s->no_video, true);
  gst_object_unref(sink);
}

/* ---- Opening ------------------------------------------------------------------------------------------- */

stream *stream_open(const char *uri, bool upright, GError **error) {
  stream *s = g_new0(stream, 1);
  s->upright = upright;
  s->file = g_str_has_prefix(uri, "file:");
  s->tail =
      pipeline_tail(upright ? GST_VIDEO_ORIENTATION_AUTO : GST_VIDEO_ORIENTATION_IDENTITY, true, &s->frames, error);
  if (s->tail == NULL) {
    g_free(s);
    return NULL;
  }
  GstElement *source = gst_element_factory_make("uridecodebin", NULL);
  s->encoded = GST_APP_SINK(gst_element_factory_make("appsink", NULL));
  s->pipeline = pipeline_new();
  gst_bin_add_many(GST_BIN(s->pipeline), source, s->tail, GST_ELEMENT(s->encoded), NULL);
  g_object_set(source, "uri", uri, NULL);
  /* A sink that stays without data must not hold up the others. */
  g_object_set(s->encoded, "async", FALSE, "sync", FALSE, NULL);
  g_object_set(s->frames, "async", FALSE, NULL);
  g_signal_connect(source, "autoplug-continue", G_CALLBACK(autoplug_continue), s);
  g_signal_connect(source, "pad-added", G_CALLBACK(pad_added), s);
  g_signal_connect(source, "no-more-pads", G_CALLBACK(no_more_pads), s);
  gst_element_set_state(s->pipeline, GST_STATE_PLAYING);
  return s;
}

void stream_close(stream *s) {
  if (s == NULL)
    return;
  GstElement *pipeline = s->pipeline;
  teardown_pipeline(pipeline, patience, g_free, s);
  gst_object_unref(pipeline);
}

/* ---- Reading ------------------------------------------------------------------------------------------- */

static GstSample *fail(media_error code, const char *sentence, GError **error) {
  g_set_error_literal(error, MEDIA_ERROR, code, sentence);
  return NULL;
}

static void append(GByteArray *bytes, GstSample *sample) {
  GstMapInfo map;
  if (gst_buffer_map(gst_sample_get_buffer(sample), &map, GST_MAP_READ)) {
    g_byte_array_append(bytes, map.data, (guint)map.size);
    gst_buffer_unmap(gst_sample_get_buffer(sample), &map);
  }
  gst_sample_unref(sample);
}

void stream_set_patience(stream *s, bool (*go_on)(void *user), void *user) {
  s->go_on = go_on;
  s->user = user;
}

static bool may_wait(const stream *s) {
  return s->go_on == NULL || s->go_on(s->user);
}

static GstSample *pull(stream *s, GstAppSink *sink, GError **error) {
  bool ended = false;
  GstSample *sample = NULL;
  while (sample == NULL && !ended && may_wait(s))
    sample = pipeline_try_pull(s->pipeline, sink, &ended, error);
  return sample;
}

/* All that the source sends. */
static GBytes *read_encoded(stream *s, GError **error) {
  GByteArray *array = g_byte_array_new();
  GError *failure = NULL;
  GstSample *sample;
  while (failure == NULL && (sample = pull(s, s->encoded, &failure))) {
    append(array, sample);
    if (array->len > max_encoded)
      fail(MEDIA_ERROR_DAMAGED, "the picture's file is larger than 1 GiB", &failure);
  }
  GBytes *bytes = g_byte_array_free_to_bytes(array);
  if (failure == NULL)
    return bytes;
  g_bytes_unref(bytes);
  g_propagate_error(error, failure);
  return NULL;
}

static GstSample *decode_picture(stream *s, GError **error) {
  GBytes *bytes = read_encoded(s, error);
  if (bytes == NULL)
    return NULL;
  GstCaps *type = picture_type(bytes);
  GstSample *sample = type ? picture_decode(bytes, type, s->upright, error)
                           : fail(MEDIA_ERROR_DAMAGED, "the picture cannot be recognised", error);
  g_clear_pointer(&type, gst_caps_unref);
  g_bytes_unref(bytes);
  return sample;
}

/* From now on a live source's frames replace each other while nobody asks for one. */
static void look_if_live(stream *s) {
  GstQuery *query = gst_query_new_latency();
  gboolean live = FALSE;
  if (gst_element_query(s->pipeline, query))
    gst_query_parse_latency(query, &live, NULL, NULL);
  gst_query_unref(query);
  s->live = live;
  if (live)
    g_object_set(s->frames, "max-buffers", 1, "drop", TRUE, NULL);
}

/* decodebin loses the error of a demuxer that fails in the moment in which it is plugged in: nothing comes then, no
 * frame, no error and no end. Counts looks at a file's pipeline that finds nobody at work. */
static bool is_stuck(const stream *s, unsigned *idle) {
  enum { LOOKS = 20 }; /* a second */
  *idle = s->file && !pipeline_is_busy(s->pipeline) ? *idle + 1 : 0;
  return *idle >= LOOKS;
}

static GstSample *first_frame(stream *s, GError **error) {
  GError *failure = NULL;
  bool ended = false;
  unsigned idle = 0;
  GstSample *sample = NULL;
  while (sample == NULL && !ended && !is_stuck(s, &idle) && !atomic_load(&s->picture) && !atomic_load(&s->no_video) &&
         may_wait(s))
    sample = pipeline_try_pull(s->pipeline, s->frames, &ended, &failure);
  if (sample == NULL && failure == NULL && atomic_load(&s->picture))
    sample = decode_picture(s, &failure);
  if (sample == NULL && !may_wait(s)) { /* whatever is missing is so because nobody waited for it */
    g_clear_error(&failure);
    return NULL;
  }
  if (sample == NULL && failure == NULL)
    fail(MEDIA_ERROR_UNKNOWN,
         atomic_load(&s->no_video) ? "there is no video in it" : "no frame could be decoded from it", &failure);
  if (failure)
    g_propagate_error(error, failure);
  else
    look_if_live(s);
  return sample;
}

GstSample *stream_next(stream *s, GError **error) {
  const bool first = !s->started;
  s->started = true;
  if (first)
    return first_frame(s, error);
  return atomic_load(&s->picture) ? NULL : pull(s, s->frames, error);
}

bool stream_is_picture(const stream *s) {
  return atomic_load(&s->picture);
}

bool stream_is_live(const stream *s) {
  return s->live;
}

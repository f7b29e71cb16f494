/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts that the decoding pipelines of pictures and of streams share. */
#include "pipeline.h"

#include "frame.h"
#include "picture.h"

#include <gio/gio.h>
#include <string.h>

/* How often the wait for a frame looks for an error that brought no end of stream. */
static const GstClockTime poll = 50 * GST_MSECOND;

/* How long a server may take to answer when it is asked why it could not be reached. */
#define CONNECT_SECONDS 5

static GstElement *make(const char *factory, GError **error) {
  GstElement *element = gst_element_factory_make(factory, NULL);
  if (element == NULL && error && *error == NULL)
    g_set_error(error, MEDIA_ERROR, MEDIA_ERROR_UNKNOWN,
                "GStreamer's element %s is not installed (see gstreamer1.0-plugins-base and -good)", factory);
  return element;
}

GstElement *pipeline_tail(GstVideoOrientationMethod method, bool convert_any, GstAppSink **sink, GError **error) {
  const bool turn = method != GST_VIDEO_ORIENTATION_IDENTITY;
  GError *missing = NULL;
  GstElement *bin = gst_bin_new(NULL), *end = make("appsink", &missing);
  GstElement *convert = turn || convert_any ? make("videoconvert", &missing) : NULL;
  GstElement *flip = turn ? make("videoflip", &missing) : NULL;
  GstElement *const all[] = {convert, flip, end};

  for (size_t i = 0; i < G_N_ELEMENTS(all); i++)
    if (all[i])
      gst_bin_add(GST_BIN(bin), all[i]);
  if (missing) {
    gst_object_unref(bin);
    g_propagate_error(error, missing);
    return NULL;
  }
  GstCaps *caps = frame_caps();
  g_object_set(end, "caps", caps, "sync", FALSE, "max-buffers", 2, "wait-on-eos", FALSE, NULL);
  gst_caps_unref(caps);
  if (turn) {
    g_object_set(flip, "video-direction", method, NULL);
    gst_element_link_many(convert, flip, end, NULL);
  } else if (convert) {
    gst_element_link(convert, end);
  }
  GstPad *pad = gst_element_get_static_pad(convert ? convert : end, "sink");
  gst_element_add_pad(bin, gst_ghost_pad_new("sink", pad));
  gst_object_unref(pad);
  *sink = GST_APP_SINK(end);
  return bin;
}

static bool is_missing_plugin(GstMessage *message) {
  const GstStructure *s = gst_message_get_structure(message);
  return s && gst_structure_has_name(s, "missing-plugin");
}

static GstBusSyncReply keep_errors(GstBus *bus, GstMessage *message, gpointer user) {
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR || is_missing_plugin(message))
    return GST_BUS_PASS;
  gst_message_unref(message);
  return GST_BUS_DROP;
}

GstElement *pipeline_new(void) {
  GstElement *pipeline = gst_pipeline_new(NULL);
  GstBus *bus = gst_element_get_bus(pipeline);
  gst_bus_set_sync_handler(bus, keep_errors, NULL, NULL);
  gst_object_unref(bus);
  return pipeline;
}

/* ---- Errors -------------------------------------------------------------------------------------------- */

/* The debug text is "file(line): function (): path:\ndetail". */
char *pipeline_sentence(const GError *gst, const char *debug) {
  const char *detail = debug ? strchr(debug, '\n') : NULL;
  GString *text = g_string_new(gst->message);
  while (text->len && strchr(". \n", text->str[text->len - 1]))
    g_string_truncate(text, text->len - 1);
  if (detail && detail[1])
    g_string_append_printf(text, ": %s", detail + 1);
  g_strdelimit(text->str, "\r\n", ' ');
  return g_strchomp(g_string_free(text, FALSE));
}

/* souphttpsrc of GStreamer 1.22 says that something has failed, but keeps to itself that it could not connect: NULL if
 * that can be done. */
static char *why_not_connected(GstObject *source) {
  char *uri = GST_IS_URI_HANDLER(source) ? gst_uri_handler_get_uri(GST_URI_HANDLER(source)) : NULL;
  char *reason = NULL;
  if (uri && (g_str_has_prefix(uri, "http:") || g_str_has_prefix(uri, "https:"))) {
    GSocketClient *client = g_socket_client_new();
    GError *gio = NULL;
    g_socket_client_set_timeout(client, CONNECT_SECONDS);
    GSocketConnection *connection =
        g_socket_client_connect_to_uri(client, uri, g_str_has_prefix(uri, "https:") ? 443 : 80, NULL, &gio);
    if (connection)
      g_object_unref(connection);
    else
      reason = g_strdup(gio->message);
    g_clear_error(&gio);
    g_object_unref(client);
  }
  g_free(uri);
  return reason;
}

static void take_error(GstMessage *message, const char *missing, GError **error) {
  GError *gst = NULL;
  gchar *debug = NULL, *reason = NULL;
  gst_message_parse_error(message, &gst, &debug);
  if (!missing && g_error_matches(gst, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED))
    reason = why_not_connected(GST_MESSAGE_SRC(message));
  if (missing) {
    g_set_error(error, MEDIA_ERROR, MEDIA_ERROR_UNKNOWN, "no %s is installed", missing);
  } else if (reason) {
    g_set_error(error, MEDIA_ERROR, MEDIA_ERROR_DAMAGED, "%s", reason);
  } else {
    char *text = pipeline_sentence(gst, debug);
    g_set_error(error, MEDIA_ERROR, MEDIA_ERROR_DAMAGED, "%s", text);
    g_free(text);
  }
  g_error_free(gst);
  g_free(debug);
  g_free(reason);
}

/* The first error that the pipeline posted, and the name of the decoder that it missed. False if there is none. */
static bool find_error(GstElement *pipeline, GError **error) {
  GstBus *bus = gst_element_get_bus(pipeline);
  char *missing = NULL;
  bool found = false;
  GstMessage *message;
  while (!found && (message = gst_bus_pop(bus))) {
    if (is_missing_plugin(message) && missing == NULL)
      missing = g_strdup(gst_structure_get_string(gst_message_get_structure(message), "name"));
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
      take_error(message, missing, error);
      found = true;
    }
    gst_message_unref(message);
  }
  g_free(missing);
  gst_object_unref(bus);
  return found;
}

GstSample *pipeline_try_pull(GstElement *pipeline, GstAppSink *sink, bool *ended, GError **error) {
  GstSample *sample = gst_app_sink_try_pull_sample(sink, poll);
  *ended = false;
  if (sample == NULL) {
    bool eos = gst_app_sink_is_eos(sink); /* before the bus: what ended the stream early was posted before that */
    *ended = find_error(pipeline, error) || eos;
  }
  return sample;
}

GstSample *pipeline_pull(GstElement *pipeline, GstAppSink *sink, GError **error) {
  bool ended = false;
  GstSample *sample = NULL;
  while (sample == NULL && !ended)
    sample = pipeline_try_pull(pipeline, sink, &ended, error);
  return sample;
}

/* The next thing of an iterator whose list may change meanwhile. NULL at the end. */
static GObject *next_object(GstIterator *iterator, GValue *value) {
  for (;;) {
    g_value_reset(value);
    switch (gst_iterator_next(iterator, value)) {
    case GST_ITERATOR_OK:
      return g_value_get_object(value);
    case GST_ITERATOR_RESYNC:
      gst_iterator_resync(iterator);
      break;
    default:
      return NULL;
    }
  }
}

static bool pad_is_busy(GstPad *pad) {
  GST_OBJECT_LOCK(pad);
  GstTask *task = GST_PAD_TASK(pad);
  const bool busy = task && gst_task_get_state(task) == GST_TASK_STARTED;
  GST_OBJECT_UNLOCK(pad);
  return busy;
}

static bool element_is_busy(GstElement *element) {
  GstIterator *pads = gst_element_iterate_pads(element);
  GValue value = G_VALUE_INIT;
  GObject *pad;
  bool busy = false;
  g_value_init(&value, GST_TYPE_PAD);
  while (!busy && (pad = next_object(pads, &value)))
    busy = pad_is_busy(GST_PAD(pad));
  g_value_unset(&value);
  gst_iterator_free(pads);
  return busy;
}

bool pipeline_is_busy(GstElement *pipeline) {
  GstIterator *elements = gst_bin_iterate_recurse(GST_BIN(pipeline));
  GValue value = G_VALUE_INIT;
  GObject *element;
  bool busy = false;
  g_value_init(&value, GST_TYPE_ELEMENT);
  while (!busy && (element = next_object(elements, &value)))
    busy = element_is_busy(GST_ELEMENT(element));
  g_value_unset(&value);
  gst_iterator_free(elements);
  return busy;
}

/* A source pauses its task before it sends the end of the stream; the pad's stream lock is held until that is through.
 */
static bool is_pushing(GstPad *pad) {
  if (pad_is_busy(pad) || !GST_PAD_STREAM_TRYLOCK(pad))
    return true;
  GST_PAD_STREAM_UNLOCK(pad);
  return false;
}

void pipeline_await_source(GstElement *source) {
  const gint64 limit = g_get_monotonic_time() + 5 * G_USEC_PER_SEC;
  GstPad *pad = gst_element_get_static_pad(source, "src");
  while (is_pushing(pad) && g_get_monotonic_time() < limit)
    g_usleep(G_USEC_PER_SEC / 1000);
  gst_object_unref(pad);
}

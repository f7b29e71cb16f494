/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Watches a camera for good and prints a line when something comes, goes or changes. When the camera fails, falls
 * silent or ends, only the source is made anew; the classifier keeps running.
 *
 *   reconnect rtsp://camera/stream
 *   reconnect v4l2:///dev/video0
 *
 * Build it anywhere with: cc reconnect.c $(pkg-config --cflags --libs gstreamer-resnet18-1.0) */
#include <gst/gst.h>
#include <gst/resnet18meta.h>
#include <stdio.h>

/* Seconds without a frame after which the camera counts as gone. Each step of connecting to an RTSP camera may take
 * STEP, and the first frame after that, or of any other source, FIRST_FRAME: a camera may wait for its next key frame.
 */
#define SILENCE 3
#define STEP 3
#define FIRST_FRAME 10

typedef struct {
  const gchar *uri;
  GMainLoop *loop;
  GstElement *pipeline, *source;
  GstPad *entry; /* where the source is linked to */
  gint silent;   /* atomic: seconds without a frame; negative while more patience is due */
  int status;    /* of the program */
} App;

/* ---- What is seen --------------------------------------------------------------------------------------- */

/* From the streaming thread: must not take long. */
static void on_event(GstElement *classify, const GstStructure *result, gpointer data) {
  const gchar *label = gst_resnet18_result_get_label(result);
  g_print("%s  %s  %.3f\n", gst_structure_get_string(result, "event"), label ? label : "nothing",
          gst_resnet18_result_get_score(result));
}

/* ---- The source ----------------------------------------------------------------------------------------- */

static void on_pad_added(GstElement *source, GstPad *pad, gpointer data) {
  App *app = data;
  if (!gst_pad_is_linked(app->entry))
    gst_pad_link(pad, app->entry);
}

/* How long the source may take from now on. */
static void allow(App *app, gint seconds) {
  g_atomic_int_set(&app->silent, SILENCE - seconds);
}

/* RTSP by TCP, unless the URI begins with rtspu: over UDP, rtspsrc notices only after five seconds that nothing comes.
 * A camera that does not answer must not hold up the next attempt either. */
static void on_source_setup(GstElement *bin, GstElement *source, gpointer data) {
  App *app = data;
  if (!g_object_class_find_property(G_OBJECT_GET_CLASS(source), "tcp-timeout"))
    return;
  g_object_set(source, "tcp-timeout", (guint64)STEP * G_USEC_PER_SEC, NULL);
  if (!g_str_has_prefix(app->uri, "rtspu"))
    gst_util_set_object_arg(G_OBJECT(source), "protocols", "tcp");
}

/* rtspsrc tells each step. The camera has promised to send when the last one, the request to play, is complete. */
static void on_progress(App *app, GstMessage *message) {
  GstProgressType type;
  gchar *code = NULL;
  gst_message_parse_progress(message, &type, &code, NULL);
  if (g_atomic_int_get(&app->silent) < SILENCE)
    allow(app, type == GST_PROGRESS_TYPE_COMPLETE && g_str_equal(code, "request") ? FIRST_FRAME : STEP);
  g_free(code);
}

/* Only decoded video, in whatever memory. */
static void add_source(App *app) {
  GstCaps *video = gst_caps_from_string("video/x-raw(ANY)");
  app->source = gst_element_factory_make("uridecodebin", NULL);
  g_object_set(app->source, "uri", app->uri, "caps", video, "expose-all-streams", FALSE, NULL);
  gst_caps_unref(video);
  g_signal_connect(app->source, "pad-added", G_CALLBACK(on_pad_added), app);
  g_signal_connect(app->source, "source-setup", G_CALLBACK(on_source_setup), app);
  allow(app, FIRST_FRAME);
  gst_bin_add(GST_BIN(app->pipeline), app->source);
  /* uridecodebin stays in PAUSED when it is asked for PLAYING at once and its source is live. */
  gst_element_set_state(app->source, GST_STATE_PAUSED);
  gst_element_set_state(app->pipeline, GST_STATE_PLAYING);
}

/* From a thread of GStreamer's. */
static void end_source(GstElement *source, gpointer data) {
  gst_element_set_state(source, GST_STATE_NULL);
}

/* The next one does not wait for its end: when the connection breaks at the wrong moment, rtspsrc locks itself up. */
static void remove_source(App *app) {
  GstElement *source = gst_object_ref(app->source);
  g_signal_handlers_disconnect_by_data(source, app);
  gst_bin_remove(GST_BIN(app->pipeline), source);
  gst_element_call_async(source, end_source, NULL, NULL);
  gst_object_unref(source);
}

/* The end of the source is not the end of the pipeline. */
static GstPadProbeReturn on_data(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
  App *app = data;
  if (info->type & GST_PAD_PROBE_TYPE_BUFFER)
    g_atomic_int_set(&app->silent, 0);
  else if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_EOS) {
    g_atomic_int_set(&app->silent, SILENCE);
    return GST_PAD_PROBE_DROP;
  }
  return GST_PAD_PROBE_OK;
}

static gboolean on_second(gpointer data) {
  App *app = data;
  if (g_atomic_int_add(&app->silent, 1) + 1 < SILENCE)
    return G_SOURCE_CONTINUE;
  g_print("the camera has gone; trying again\n"); /* its URI may have a password in it */
  remove_source(app);
  add_source(app);
  return G_SOURCE_CONTINUE;
}

/* ---- The pipeline --------------------------------------------------------------------------------------- */

/* An error of the source is a reason to try again; one of a source that was removed is old; any other ends it. */
static gboolean on_message(GstBus *bus, GstMessage *message, gpointer data) {
  App *app = data;
  GError *error = NULL;
  if (!gst_object_has_as_ancestor(message->src, GST_OBJECT(app->pipeline)))
    return G_SOURCE_CONTINUE;
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_PROGRESS)
    on_progress(app, message);
  if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_ERROR)
    return G_SOURCE_CONTINUE;
  gst_message_parse_error(message, &error, NULL);
  g_printerr("%s\n", error->message);
  g_error_free(error);
  if (gst_object_has_as_ancestor(message->src, GST_OBJECT(app->source))) {
    g_atomic_int_set(&app->silent, SILENCE);
  } else {
    app->status = 1;
    g_main_loop_quit(app->loop);
  }
  return G_SOURCE_CONTINUE;
}

/* All but the source. fakesink waits for nothing: a camera that is away must not hold up the pipeline's state. */
static gboolean make_pipeline(App *app) {
  GError *error = NULL;
  GstElement *entry, *classify;
  app->pipeline = gst_parse_launch("videoconvert name=entry ! resnet18classify name=classify mode=async max-rate=2/1 "
                                   "threshold=0.2 hysteresis=0.1 ! fakesink async=false",
                                   &error);
  if (error != NULL) {
    g_printerr("%s\n", error->message);
    g_error_free(error);
    g_clear_object(&app->pipeline);
    return FALSE;
  }
  entry = gst_bin_get_by_name(GST_BIN(app->pipeline), "entry");
  classify = gst_bin_get_by_name(GST_BIN(app->pipeline), "classify");
  app->entry = gst_element_get_static_pad(entry, "sink");
  gst_pad_add_probe(app->entry, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_data, app, NULL);
  g_signal_connect(classify, "event", G_CALLBACK(on_event), NULL);
  gst_object_unref(entry);
  gst_object_unref(classify);
  return TRUE;
}

int main(int argc, char **argv) {
  App app = {NULL};
  gst_init(&argc, &argv);
  if (argc != 2 || !gst_uri_is_valid(argv[1])) {
    g_printerr("usage: %s URI\n", argv[0]);
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  app.uri = argv[1];
  if (!make_pipeline(&app))
    return 1;
  app.loop = g_main_loop_new(NULL, FALSE);
  GstBus *bus = gst_element_get_bus(app.pipeline);
  guint watch = gst_bus_add_watch(bus, on_message, &app);
  guint second = g_timeout_add_seconds(1, on_second, &app);
  add_source(&app);
  g_main_loop_run(app.loop);

  g_source_remove(second);
  g_source_remove(watch);
  gst_element_set_state(app.pipeline, GST_STATE_NULL);
  gst_object_unref(bus);
  gst_object_unref(app.entry);
  gst_object_unref(app.pipeline);
  g_main_loop_unref(app.loop);
  return app.status;
}

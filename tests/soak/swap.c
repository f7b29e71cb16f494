/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Live streams in one process whose weights are changed all the time, every third time to a file that is broken; prints
 * "FRAMES RESULTS CHANGES" each second, and ends when its standard input does.
 *
 *   swap STREAMS SECONDS GOOD.safetensors BROKEN.safetensors     SECONDS: between two changes of a stream */
#include "../end_of_input.h"

#include <gst/gst.h>

#include <stdio.h>
#include <stdlib.h>

typedef struct {
  GMainLoop *loop;
  GstElement *pipeline, **classify;
  const gchar *weights[3]; /* taken in turns; NULL: built in */
  guint streams, turn;
  gint frames, results, status; /* the first two are atomic */
} App;

static GstPadProbeReturn on_frame(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
  g_atomic_int_inc(&((App *)data)->frames);
  return GST_PAD_PROBE_OK;
}

static void on_classified(GstElement *classify, const GstStructure *result, gpointer data) {
  g_atomic_int_inc(&((App *)data)->results);
}

/* One stream after the other. */
static gboolean on_change(gpointer data) {
  App *app = data;
  GstElement *classify = app->classify[app->turn % app->streams];
  g_object_set(classify, "weights", app->weights[app->turn / app->streams % G_N_ELEMENTS(app->weights)], NULL);
  app->turn++;
  return G_SOURCE_CONTINUE;
}

static gboolean on_second(gpointer data) {
  App *app = data;
  g_print("%d %d %u\n", g_atomic_int_get(&app->frames), g_atomic_int_get(&app->results), app->turn);
  return G_SOURCE_CONTINUE;
}

/* A broken file is a warning; an error of any stream ends it all. */
static gboolean on_message(GstBus *bus, GstMessage *message, gpointer data) {
  App *app = data;
  GError *error = NULL;
  if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_ERROR)
    return G_SOURCE_CONTINUE;
  gst_message_parse_error(message, &error, NULL);
  g_printerr("%s\n", error->message);
  g_error_free(error);
  app->status = 1;
  g_main_loop_quit(app->loop);
  return G_SOURCE_CONTINUE;
}

static gboolean make_pipeline(App *app) {
  GError *error = NULL;
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < app->streams; i++)
    g_string_append_printf(text,
                           "videotestsrc is-live=true pattern=smpte ! video/x-raw,width=320,height=240,framerate=4/1 ! "
                           "resnet18classify name=classify%u mode=async ! fakesink name=sink%u sync=false ",
                           i, i);
  app->pipeline = gst_parse_launch(text->str, &error);
  g_string_free(text, TRUE);
  if (error != NULL) {
    g_printerr("%s\n", error->message);
    g_error_free(error);
    return FALSE;
  }
  app->classify = g_new0(GstElement *, app->streams);
  for (guint i = 0; i < app->streams; i++) {
    gchar name[32];
    g_snprintf(name, sizeof name, "classify%u", i);
    app->classify[i] = gst_bin_get_by_name(GST_BIN(app->pipeline), name);
    g_signal_connect(app->classify[i], "classified", G_CALLBACK(on_classified), app);
    GstPad *pad = gst_element_get_static_pad(app->classify[i], "src");
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, on_frame, app, NULL);
    gst_object_unref(pad);
  }
  return TRUE;
}

int main(int argc, char **argv) {
  App app = {NULL};
  gst_init(&argc, &argv);
  if (argc != 5 || atoi(argv[1]) < 1 || atof(argv[2]) <= 0) {
    g_printerr("usage: %s STREAMS SECONDS GOOD.safetensors BROKEN.safetensors\n", argv[0]);
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  app.streams = (guint)atoi(argv[1]);
  app.weights[0] = argv[3];
  app.weights[1] = argv[4];
  if (!make_pipeline(&app))
    return 1;
  app.loop = g_main_loop_new(NULL, FALSE);
  GstBus *bus = gst_element_get_bus(app.pipeline);
  gst_bus_add_watch(bus, on_message, &app);
  quit_at_end_of_input(app.loop);
  g_timeout_add((guint)(1000 * atof(argv[2]) / app.streams), on_change, &app);
  g_timeout_add_seconds(1, on_second, &app);
  gst_element_set_state(app.pipeline, GST_STATE_PLAYING);
  g_main_loop_run(app.loop);

  gst_element_set_state(app.pipeline, GST_STATE_NULL);
  gst_bus_remove_watch(bus);
  gst_object_unref(bus);
  for (guint i = 0; i < app.streams; i++)
    gst_object_unref(app.classify[i]);
  g_free(app.classify);
  gst_object_unref(app.pipeline);
  g_main_loop_unref(app.loop);
  return app.status;
}

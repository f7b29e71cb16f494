/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An application with resnet18classify in its pipeline: plays a file, camera or stream without showing it and prints
 * a line each time what it sees changes.
 *
 *   watch file:///home/me/holiday.mp4
 *   watch rtsp://camera/stream
 *   watch "v4l2src ! decodebin"            anything else is read as the beginning of a pipeline
 *
 * Build it anywhere with: cc watch.c $(pkg-config --cflags --libs gstreamer-resnet18-1.0) */
#include <gst/gst.h>
#include <gst/resnet18meta.h>

typedef struct {
  GMainLoop *loop;
  int status; /* of the program */
} App;

/* The pipeline: whatever `source` is, through the element, to nowhere. */
static GstElement *make_pipeline(const gchar *source, GError **error) {
  gchar *begin = gst_uri_is_valid(source) ? g_strdup_printf("uridecodebin uri=\"%s\"", source) : g_strdup(source);
  gchar *text =
      g_strdup_printf("%s ! videoconvert ! resnet18classify post-messages=changes ! fakesink sync=true", begin);
  GstElement *pipeline = gst_parse_launch(text, error);
  g_free(text);
  g_free(begin);
  return pipeline;
}

static void print_result(const GstStructure *result) {
  guint64 time = 0;
  gst_structure_get_uint64(result, "stream-time", &time);
  g_print("%" GST_TIME_FORMAT "  %s  %.3f\n", GST_TIME_ARGS(time), gst_resnet18_result_get_label(result),
          gst_resnet18_result_get_score(result));
}

static gboolean on_message(GstBus *bus, GstMessage *message, gpointer data) {
  App *app = data;
  GError *error = NULL;
  gchar *where = NULL;
  const GstStructure *result = gst_resnet18_message_get_result(message);
  if (result != NULL && gst_resnet18_result_get_n_classes(result) > 0)
    print_result(result);
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
    gst_message_parse_error(message, &error, &where);
    g_printerr("%s (%s)\n", error->message, where ? where : "no details");
    g_error_free(error);
    g_free(where);
    app->status = 1;
  }
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR || GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS)
    g_main_loop_quit(app->loop);
  return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  if (argc != 2) {
    g_printerr("usage: %s URI|PIPELINE\n", argv[0]);
    return 2;
  }
  GError *error = NULL;
  GstElement *pipeline = make_pipeline(argv[1], &error);
  if (error != NULL) {
    g_printerr("%s\n", error->message);
    g_error_free(error);
    if (pipeline != NULL)
      gst_object_unref(pipeline);
    return 1;
  }
  App app = {g_main_loop_new(NULL, FALSE), 0};
  GstBus *bus = gst_element_get_bus(pipeline);
  guint watch = gst_bus_add_watch(bus, on_message, &app);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  g_main_loop_run(app.loop);

  g_source_remove(watch);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(bus);
  gst_object_unref(pipeline);
  g_main_loop_unref(app.loop);
  return app.status;
}

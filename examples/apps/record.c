/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records a clip each time something is seen, from a few seconds before it came until a few seconds after it has gone.
 * What the camera sends is kept as it is, so that recording costs no encoding.
 *
 *   record rtsp://camera/stream clips dog bird     what to look for: names of classes or groups, or parts of them
 *   record rtsp://camera/stream clips              anything that the network recognises
 *
 * The camera, or file, must deliver H.264. The clips are Matroska files, which can be played up to their last second
 * even if the power fails. Prints the name of each clip that is complete; Ctrl-C completes the last one.
 *
 * Build it anywhere with: cc record.c $(pkg-config --cflags --libs gstreamer-resnet18-1.0 gstreamer-app-1.0) */
#include <errno.h>
#include <glib-unix.h>
#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <gst/resnet18meta.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define BEFORE (3 * GST_SECOND)
#define AFTER (2 * GST_SECOND)
/* Further back than BEFORE, since the classifier says a little later what it has seen. */
#define KEPT (BEFORE + 2 * GST_SECOND)

typedef struct {
  GstElement *pipeline, *source;
  gchar *path;
  GstClockTime base; /* time in the stream of the clip's beginning */
} Clip;

typedef struct {
  gchar **wanted; /* NULL-terminated; none = anything */
  const gchar *folder;
  GMainLoop *loop;
  GstElement *pipeline;
  gboolean ending;
  int status; /* of the program */

  GMutex lock;        /* guards the rest */
  GQueue past;        /* GstSample of the last seconds, the first a key frame */
  gchar *seen;        /* what is, or was last */
  GstClockTime from;  /* where a clip shall begin, GST_CLOCK_TIME_NONE = none shall */
  GstClockTime until; /* where it shall end; GST_CLOCK_TIME_NONE = not known yet */
  Clip *clip;         /* that is being written */
  guint unfinished;   /* clips, that one included */
} App;

/* ---- What is seen --------------------------------------------------------------------------------------- */

static gboolean is_wanted(const App *app, const gchar *name) {
  for (gchar **wanted = app->wanted; *wanted; wanted++)
    if (name != NULL && strstr(name, *wanted) != NULL)
      return TRUE;
  return *app->wanted == NULL && name != NULL;
}

/* From the streaming thread: must not take long. */
static void on_event(GstElement *classify, const GstStructure *result, gpointer data) {
  App *app = data;
  const gchar *label = gst_resnet18_result_get_label(result), *group = NULL;
  GstStructure *of_group = NULL;
  guint64 time = 0;
  gst_structure_get_uint64(result, "pts", &time);
  if (gst_structure_get(result, "group", GST_TYPE_STRUCTURE, &of_group, NULL))
    group = gst_structure_get_string(of_group, "label");
  g_mutex_lock(&app->lock);
  if (is_wanted(app, label) || (label != NULL && is_wanted(app, group))) {
    if (!GST_CLOCK_TIME_IS_VALID(app->from)) {
      app->from = time > BEFORE ? time - BEFORE : 0;
      g_free(app->seen);
      app->seen = g_strdup(label);
    }
    app->until = GST_CLOCK_TIME_NONE;
  } else if (GST_CLOCK_TIME_IS_VALID(app->from) && !GST_CLOCK_TIME_IS_VALID(app->until)) {
    app->until = time + AFTER;
  }
  g_mutex_unlock(&app->lock);
  gst_clear_structure(&of_group);
}

/* ---- Clips ---------------------------------------------------------------------------------------------- */

/* From the main loop. */
static gboolean on_clip_message(GstBus *bus, GstMessage *message, gpointer data) {
  App *app = data;
  GstElement *pipeline = GST_ELEMENT(g_object_get_data(G_OBJECT(bus), "pipeline"));
  GError *error = NULL;
  if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_EOS && GST_MESSAGE_TYPE(message) != GST_MESSAGE_ERROR)
    return G_SOURCE_CONTINUE;
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
    gst_message_parse_error(message, &error, NULL);
    g_printerr("%s: %s\n", (const gchar *)g_object_get_data(G_OBJECT(pipeline), "path"), error->message);
    g_error_free(error);
    app->status = 1;
    g_main_loop_quit(app->loop);
  } else {
    g_print("%s\n", (const gchar *)g_object_get_data(G_OBJECT(pipeline), "path"));
  }
  gst_element_set_state(pipeline, GST_STATE_NULL);
  g_mutex_lock(&app->lock);
  if (--app->unfinished == 0 && app->ending)
    g_main_loop_quit(app->loop);
  g_mutex_unlock(&app->lock);
  gst_object_unref(pipeline);
  return G_SOURCE_REMOVE;
}

/* The moment and what was seen, "20260314-101500-golden-retriever.mkv"; a number where that exists already. */
static gchar *new_path(const App *app) {
  GDateTime *now = g_date_time_new_now_local();
  gchar *moment = g_date_time_format(now, "%Y%m%d-%H%M%S"), *label = g_strdup(app->seen), *path = NULL;
  g_strcanon(label, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS, '-');
  for (guint i = 1; path == NULL || g_file_test(path, G_FILE_TEST_EXISTS); i++) {
    gchar *number = i > 1 ? g_strdup_printf("-%u", i) : g_strdup("");
    g_free(path);
    path = g_strdup_printf("%s/%s-%s%s.mkv", app->folder, moment, label, number);
    g_free(number);
  }
  g_free(label);
  g_free(moment);
  g_date_time_unref(now);
  return path;
}

/* Shallow copies: the recording does not double the memory that the past takes. */
static void write_sample(Clip *clip, GstSample *sample) {
  GstBuffer *buffer = gst_buffer_copy(gst_sample_get_buffer(sample));
  if (GST_BUFFER_PTS_IS_VALID(buffer))
    GST_BUFFER_PTS(buffer) -= MIN(clip->base, GST_BUFFER_PTS(buffer));
  if (GST_BUFFER_DTS_IS_VALID(buffer))
    GST_BUFFER_DTS(buffer) -= MIN(clip->base, GST_BUFFER_DTS(buffer));
  gst_app_src_push_buffer(GST_APP_SRC(clip->source), buffer);
}

static gboolean is_key_frame(GstSample *sample) {
  return !GST_BUFFER_FLAG_IS_SET(gst_sample_get_buffer(sample), GST_BUFFER_FLAG_DELTA_UNIT);
}

static GstClockTime time_of(GstSample *sample) {
  return GST_BUFFER_DTS_OR_PTS(gst_sample_get_buffer(sample));
}

/* With the lock held, as the next two. Begins with the last key frame before the time at which it shall. */
static void begin_clip(App *app) {
  GList *first = app->past.head;
  Clip *clip = g_new0(Clip, 1);
  GstBus *bus;
  for (GList *l = first; l != NULL && time_of(l->data) <= app->from; l = l->next)
    if (is_key_frame(l->data))
      first = l;
  clip->base = GST_BUFFER_PTS(gst_sample_get_buffer(first->data));
  clip->path = new_path(app);
  clip->pipeline =
      gst_parse_launch("appsrc name=source format=time ! h264parse ! matroskamux ! filesink name=file", NULL);
  clip->source = gst_bin_get_by_name(GST_BIN(clip->pipeline), "source");
  gst_app_src_set_max_bytes(GST_APP_SRC(clip->source), 0);
  gst_app_src_set_caps(GST_APP_SRC(clip->source), gst_sample_get_caps(first->data));
  GstElement *file = gst_bin_get_by_name(GST_BIN(clip->pipeline), "file");
  g_object_set(file, "location", clip->path, NULL);
  gst_object_unref(file);
  bus = gst_element_get_bus(clip->pipeline);
  g_object_set_data(G_OBJECT(bus), "pipeline", gst_object_ref(clip->pipeline));
  g_object_set_data_full(G_OBJECT(clip->pipeline), "path", clip->path, g_free);
  gst_bus_add_watch(bus, on_clip_message, app);
  gst_object_unref(bus);
  gst_element_set_state(clip->pipeline, GST_STATE_PLAYING);
  for (GList *l = first; l != NULL; l = l->next)
    write_sample(clip, l->data);
  app->clip = clip;
  app->unfinished++;
}

/* Its file is complete when the end has arrived there: see on_clip_message. */
static void end_clip(App *app) {
  gst_app_src_end_of_stream(GST_APP_SRC(app->clip->source));
  gst_object_unref(app->clip->source);
  gst_object_unref(app->clip->pipeline);
  g_clear_pointer(&app->clip, g_free);
  app->from = GST_CLOCK_TIME_NONE;
}

/* Forgets whole runs of frames from a key frame on that are not needed any more. */
static void trim_past(App *app) {
  const GstClockTime now = time_of(app->past.tail->data);
  GList *next;
  do {
    for (next = app->past.head->next; next != NULL && !is_key_frame(next->data); next = next->next)
      ;
    if (next == NULL || time_of(next->data) + KEPT > now)
      return;
    while (app->past.head != next)
      gst_sample_unref(g_queue_pop_head(&app->past));
  } while (TRUE);
}

/* ---- The camera ----------------------------------------------------------------------------------------- */

/* From the streaming thread of what the camera sends, before it is decoded. */
static GstFlowReturn on_sample(GstAppSink *sink, gpointer data) {
  App *app = data;
  GstSample *sample = gst_app_sink_pull_sample(sink);
  if (sample == NULL)
    return GST_FLOW_EOS;
  g_mutex_lock(&app->lock);
  if (app->past.length > 0 || is_key_frame(sample)) {
    g_queue_push_tail(&app->past, gst_sample_ref(sample));
    if (app->clip != NULL)
      write_sample(app->clip, sample);
    else if (GST_CLOCK_TIME_IS_VALID(app->from))
      begin_clip(app);
    if (app->clip != NULL && GST_CLOCK_TIME_IS_VALID(app->until) && time_of(sample) >= app->until)
      end_clip(app);
    trim_past(app);
  }
  g_mutex_unlock(&app->lock);
  gst_sample_unref(sample);
  return GST_FLOW_OK;
}

/* The stream has ended, or shall: completes the last clip. */
static void finish(App *app) {
  g_mutex_lock(&app->lock);
  app->ending = TRUE;
  if (app->clip == NULL && GST_CLOCK_TIME_IS_VALID(app->from) && app->past.length > 0)
    begin_clip(app);
  if (app->clip != NULL)
    end_clip(app);
  if (app->unfinished == 0)
    g_main_loop_quit(app->loop);
  g_mutex_unlock(&app->lock);
}

static gboolean on_message(GstBus *bus, GstMessage *message, gpointer data) {
  App *app = data;
  GError *error = NULL;
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
    gst_message_parse_error(message, &error, NULL);
    g_printerr("%s\n", error->message);
    g_error_free(error);
    app->status = 1;
  }
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR || GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS)
    finish(app);
  return G_SOURCE_CONTINUE;
}

/* The camera is stopped before the last clip ends: nothing comes any more that could begin another. */
static gboolean on_interrupt(gpointer data) {
  App *app = data;
  gst_element_set_state(app->pipeline, GST_STATE_NULL);
  finish(app);
  return G_SOURCE_CONTINUE;
}

/* max-rate is plenty to notice what comes and goes, smoothing keeps a moment's mistake from making a clip. */
static gboolean make_pipeline(App *app, const gchar *uri) {
  static const gchar text[] =
      "uridecodebin name=camera caps=video/x-h264 expose-all-streams=false ! h264parse ! "
      "video/x-h264,stream-format=avc,alignment=au ! tee name=t "
      "t. ! queue ! appsink name=past "
      "t. ! queue ! decodebin ! videoconvert ! resnet18classify name=classify max-rate=5/1 groups=true threshold=0.3 "
      "hysteresis=0.1 smoothing=300000000 ! fakesink sync=true";
  GstAppSinkCallbacks callbacks = {.new_sample = on_sample};
  GError *error = NULL;
  app->pipeline = gst_parse_launch(text, &error);
  if (error != NULL) {
    g_printerr("%s\n", error->message);
    g_error_free(error);
    g_clear_object(&app->pipeline);
    return FALSE;
  }
  GstElement *camera = gst_bin_get_by_name(GST_BIN(app->pipeline), "camera");
  GstElement *past = gst_bin_get_by_name(GST_BIN(app->pipeline), "past");
  GstElement *classify = gst_bin_get_by_name(GST_BIN(app->pipeline), "classify");
  g_object_set(camera, "uri", uri, NULL);
  gst_app_sink_set_callbacks(GST_APP_SINK(past), &callbacks, app, NULL);
  g_signal_connect(classify, "event", G_CALLBACK(on_event), app);
  gst_object_unref(camera);
  gst_object_unref(past);
  gst_object_unref(classify);
  return TRUE;
}

int main(int argc, char **argv) {
  App app = {.from = GST_CLOCK_TIME_NONE, .until = GST_CLOCK_TIME_NONE};
  gst_init(&argc, &argv);
  if (argc < 3 || !gst_uri_is_valid(argv[1])) {
    g_printerr("usage: %s URI FOLDER [WHAT...]\n", argv[0]);
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  app.folder = argv[2];
  app.wanted = argv + 3;
  if (g_mkdir_with_parents(app.folder, 0777) != 0) {
    g_printerr("%s: %s\n", app.folder, g_strerror(errno));
    return 1;
  }
  if (!make_pipeline(&app, argv[1]))
    return 1;
  g_mutex_init(&app.lock);
  app.loop = g_main_loop_new(NULL, FALSE);
  GstBus *bus = gst_element_get_bus(app.pipeline);
  gst_bus_add_watch(bus, on_message, &app);
  g_unix_signal_add(SIGINT, on_interrupt, &app);
  g_unix_signal_add(SIGTERM, on_interrupt, &app);
  gst_element_set_state(app.pipeline, GST_STATE_PLAYING);
  g_main_loop_run(app.loop);

  gst_element_set_state(app.pipeline, GST_STATE_NULL);
  gst_bus_remove_watch(bus);
  gst_object_unref(bus);
  gst_object_unref(app.pipeline);
  g_queue_clear_full(&app.past, (GDestroyNotify)gst_sample_unref);
  g_free(app.seen);
  g_main_loop_unref(app.loop);
  g_mutex_clear(&app.lock);
  return app.status;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cameras that run for a while, each with a classifier of its own, in one process: what the classifiers cost the
 * frames, how old the results are, whether the cameras get equal shares, and what the memory does.
 *
 *   cameras --streams=16 --fps=25 --seconds=60 --properties="max-rate=2/1"
 *   cameras --film=FILE.h264 ...     decoded in time, instead of raw frames
 *   cameras --control ...            every second camera has an identity instead of the classifier, so that one sees
 *                                    what of the lateness the sources and the machine bring about
 *
 * A frame is late when it leaves the classifier more than one frame's duration after its own time. */
#include "measure.h"
#include "resnet18meta.h"

#include <stdlib.h>

static gint n_streams = 1, fps = 25, seconds = 60, warm_up = 5, width = 1280, height = 720;
static gboolean control = FALSE;
static gchar *properties = NULL, *film = NULL, *picture = NULL;

static const GOptionEntry options[] = {
    {"streams", 0, 0, G_OPTION_ARG_INT, &n_streams, "cameras", "N"},
    {"fps", 0, 0, G_OPTION_ARG_INT, &fps, "frames a second", "N"},
    {"seconds", 0, 0, G_OPTION_ARG_INT, &seconds, "how long it is measured", "N"},
    {"warm-up", 0, 0, G_OPTION_ARG_INT, &warm_up, "seconds before that", "N"},
    {"width", 0, 0, G_OPTION_ARG_INT, &width, "of a raw frame", "N"},
    {"height", 0, 0, G_OPTION_ARG_INT, &height, "of a raw frame", "N"},
    {"properties", 0, 0, G_OPTION_ARG_STRING, &properties, "of the classifiers, beside mode=async", "TEXT"},
    {"film", 0, 0, G_OPTION_ARG_FILENAME, &film, "H.264 byte stream, as long as the measurement", "FILE"},
    {"control", 0, 0, G_OPTION_ARG_NONE, &control, "an identity in every second camera", NULL},
    {"picture", 0, 0, G_OPTION_ARG_FILENAME, &picture, "PNG that raw frames show", "FILE"},
    {NULL}};

typedef struct {
  GstElement *pipeline, *classify;
  GstClockTime entered;        /* of the frame that is inside; monotonic */
  Samples inside, behind, age; /* time in the element; after the frame's own time; of the attached result */
  gboolean measured;           /* atomic: the warm-up is over */
  GstClockTime previous;       /* of the frame before */
  guint frames, late, lost;
  guint64 classified; /* at the end of the warm-up */
  gboolean is_control;
} Camera;

static GstPadProbeReturn on_entering(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
  ((Camera *)data)->entered = measure_now();
  return GST_PAD_PROBE_OK;
}

/* How long after its own time a frame is here. */
static GstClockTime lateness(Camera *camera, GstBuffer *buffer) {
  GstClock *clock = gst_pipeline_get_clock(GST_PIPELINE(camera->pipeline));
  GstClockTime time = gst_clock_get_time(clock) - gst_element_get_base_time(camera->pipeline);
  gst_object_unref(clock);
  return time > GST_BUFFER_PTS(buffer) ? time - GST_BUFFER_PTS(buffer) : 0;
}

/* Frames between two. */
static guint missing(GstClockTime before, GstClockTime after) {
  guint64 steps = gst_util_uint64_scale_round(after - before, (guint)fps, GST_SECOND);
  return steps > 1 ? (guint)steps - 1 : 0;
}

static GstPadProbeReturn on_leaving(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
  Camera *camera = data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
  const GstStructure *result = gst_resnet18_buffer_get_result(buffer, 0);
  GstClockTime left = measure_now(), behind = lateness(camera, buffer);
  GstClockTime previous = camera->previous;
  guint64 age;
  camera->previous = GST_BUFFER_PTS(buffer);
  if (!g_atomic_int_get(&camera->measured))
    return GST_PAD_PROBE_OK;
  camera->frames++;
  camera->lost += missing(previous, camera->previous);
  camera->late += behind > GST_SECOND / (guint)fps;
  samples_add(&camera->inside, left - camera->entered);
  samples_add(&camera->behind, behind);
  if (result && gst_structure_get_uint64(result, "age", &age))
    samples_add(&camera->age, age);
  return GST_PAD_PROBE_OK;
}

static guint64 stat(const Camera *camera, const gchar *name) {
  GstStructure *stats;
  guint64 value = 0;
  guint small = 0;
  if (camera->is_control)
    return 0;
  g_object_get(camera->classify, "stats", &stats, NULL);
  if (!gst_structure_get_uint64(stats, name, &value) && gst_structure_get_uint(stats, name, &small))
    value = small;
  gst_structure_free(stats);
  return value;
}

static gchar *source(void) {
  if (film)
    return g_strdup_printf("filesrc location=\"%s\" ! h264parse ! avdec_h264 max-threads=1 ! clocksync", film);
  return g_strdup_printf("filesrc location=\"%s\" ! pngdec ! videoconvert ! videoscale ! "
                         "video/x-raw,format=I420,width=%d,height=%d ! imagefreeze is-live=true ! "
                         "video/x-raw,framerate=%d/1",
                         picture, width, height, fps);
}

static void add_probe(GstElement *element, const gchar *name, GstPadProbeCallback callback, gpointer data) {
  GstPad *pad = gst_element_get_static_pad(element, name);
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, callback, data, NULL);
  gst_object_unref(pad);
}

static void camera_start(Camera *camera) {
  gsize room = (gsize)fps * (gsize)(seconds + 10);
  gchar *from = source();
  gchar *text = camera->is_control
                    ? g_strdup_printf("%s ! identity name=it ! fakesink sync=false", from)
                    : g_strdup_printf("%s ! resnet18classify name=it mode=async %s ! fakesink sync=false", from,
                                      properties ? properties : "");
  GError *error = NULL;
  camera->pipeline = gst_parse_launch(text, &error);
  if (error)
    g_error("%s: %s", text, error->message);
  camera->classify = gst_bin_get_by_name(GST_BIN(camera->pipeline), "it");
  samples_init(&camera->inside, room);
  samples_init(&camera->behind, room);
  samples_init(&camera->age, room);
  add_probe(camera->classify, "sink", on_entering, camera);
  add_probe(camera->classify, "src", on_leaving, camera);
  gst_element_set_state(camera->pipeline, GST_STATE_PLAYING);
  g_free(text);
  g_free(from);
}

static void camera_stop(Camera *camera) {
  gst_element_set_state(camera->pipeline, GST_STATE_NULL);
  gst_object_unref(camera->classify);
  gst_object_unref(camera->pipeline);
  samples_clear(&camera->inside);
  samples_clear(&camera->behind);
  samples_clear(&camera->age);
}

static void join(Samples *all, const Camera *cameras, gsize offset, gboolean of_control) {
  samples_init(all, (gsize)n_streams * (gsize)fps * (gsize)(seconds + 10));
  for (gint i = 0; i < n_streams; i++) {
    const Samples *one = (const Samples *)((const gchar *)&cameras[i] + offset);
    if (cameras[i].is_control != of_control)
      continue;
    for (gsize k = 0; k < one->n; k++)
      samples_add(all, one->time[k]);
  }
}

static void print_joined(const gchar *what, const Camera *cameras, gsize offset, gboolean of_control) {
  Samples all;
  join(&all, cameras, offset, of_control);
  samples_print(what, &all);
  samples_clear(&all);
}

static void print_counts(const Camera *cameras, gboolean of_control) {
  guint64 frames = 0, late = 0, lost = 0, replaced = 0, least = G_MAXUINT64, most = 0;
  for (gint i = 0; i < n_streams; i++) {
    const guint64 classified = stat(&cameras[i], "classified") - cameras[i].classified;
    if (cameras[i].is_control != of_control)
      continue;
    frames += cameras[i].frames;
    late += cameras[i].late;
    lost += cameras[i].lost;
    replaced += stat(&cameras[i], "dropped");
    least = MIN(least, classified);
    most = MAX(most, classified);
  }
  g_print("frames %" G_GUINT64_FORMAT ", lost %" G_GUINT64_FORMAT ", late %" G_GUINT64_FORMAT
          "; classified, a camera %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
          "; replaced while waiting %" G_GUINT64_FORMAT "\n",
          frames, lost, late, least, most, replaced);
}

static void print_camera_group(const Camera *cameras, gboolean of_control) {
  print_counts(cameras, of_control);
  print_joined("in the element", cameras, G_STRUCT_OFFSET(Camera, inside), of_control);
  print_joined("after the frame's own time", cameras, G_STRUCT_OFFSET(Camera, behind), of_control);
  if (!of_control)
    print_joined("age of the result on a frame", cameras, G_STRUCT_OFFSET(Camera, age), FALSE);
}

/* The most frames that wait, seen ten times a second, and the memory at the end of each tenth. */
static void watch(const Camera *cameras) {
  const gint64 start = g_get_monotonic_time();
  guint64 queue = 0;
  g_print("memory, MB:");
  for (gint i = 1; i <= seconds * 10; i++) {
    g_usleep((gulong)MAX(start + i * (G_USEC_PER_SEC / 10) - g_get_monotonic_time(), 0));
    for (gint c = 0; c < n_streams; c++)
      queue = MAX(queue, stat(&cameras[c], "queue"));
    if (i % MAX(seconds, 1) == 0)
      g_print(" %.2f", (double)measure_rss() / 1e6);
  }
  g_print("\nframes waiting, at most: %" G_GUINT64_FORMAT "\n", queue);
}

int main(int argc, char **argv) {
  GOptionContext *context = g_option_context_new("");
  GError *error = NULL;
  Camera *cameras;
  g_option_context_add_main_entries(context, options, NULL);
  g_option_context_add_group(context, gst_init_get_option_group());
  if (!g_option_context_parse(context, &argc, &argv, &error) || n_streams < 1 || fps < 1 || seconds < 1) {
    g_printerr("%s\n", error ? error->message : "a number is missing or too small");
    return 2;
  }
  g_option_context_free(context);
  if (!picture)
    picture = g_strdup(MEDIA "/chelsea.png");
  measure_print_machine();
  cameras = g_new0(Camera, n_streams);
  for (gint i = 0; i < n_streams; i++) {
    cameras[i].is_control = control && i % 2 == 1;
    camera_start(&cameras[i]);
  }
  g_usleep((gulong)warm_up * G_USEC_PER_SEC);
  g_print("memory after the warm-up: %.2f MB\n", (double)measure_rss() / 1e6);
  for (gint i = 0; i < n_streams; i++) {
    cameras[i].classified = stat(&cameras[i], "classified");
    g_atomic_int_set(&cameras[i].measured, TRUE);
  }
  watch(cameras);
  for (gint i = 0; i < n_streams; i++)
    g_atomic_int_set(&cameras[i].measured, FALSE);
  print_camera_group(cameras, FALSE);
  if (control) {
    g_print("with an identity instead:\n");
    print_camera_group(cameras, TRUE);
  }
  measure_print_machine();
  for (gint i = 0; i < n_streams; i++)
    camera_stop(&cameras[i]);
  g_free(cameras);
  return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How long a 1080p I420 buffer spends in the element in the mode async, from pad to pad, when its frame is due to be
 * classified and when it is not and only carries the newest result. Each buffer is written anew, as a decoder would,
 * and they come 25 times a second. Measured twice: each frame is due, and every 12th; and with identity, which does
 * nothing, in the element's place.
 *
 * usage: element_time [FRAMES [PROPERTIES]]
 *
 * What the model costs is set from outside: RESNET18_CPU=c for the plain kernels, or PROPERTIES such as
 * "precision=fp32 threads=1". */
#include "measure.h"

#include <gst/check/gstharness.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFERS = 8, WIDTH = 1920, HEIGHT = 1080, SIZE = WIDTH * HEIGHT * 3 / 2 };
#define FRAME (40 * GST_MSECOND)

/* Noise that moves: nothing is gained by guessing it. */
static GstBuffer *write_frame(GstBuffer *buffer, const guint8 *noise, guint frame) {
  gst_buffer_fill(buffer, 0, noise + frame * 64 % SIZE, SIZE);
  GST_BUFFER_PTS(buffer) = frame * FRAME;
  GST_BUFFER_DURATION(buffer) = FRAME;
  return buffer;
}

/* From the element's sink pad to its source pad. */
typedef struct {
  guint interval;
  guint frame;
  guint64 entered;
  Samples due, other;
} Passage;

static GstPadProbeReturn on_entering(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
  ((Passage *)data)->entered = measure_now();
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn on_leaving(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
  Passage *passage = data;
  guint64 took = measure_now() - passage->entered;
  gboolean due = passage->interval && passage->frame % passage->interval == 0;
  samples_add(due ? &passage->due : &passage->other, took);
  passage->frame++;
  return GST_PAD_PROBE_OK;
}

static void add_probe(GstElement *element, const gchar *name, GstPadProbeCallback callback, gpointer data) {
  GstPad *pad = gst_element_get_static_pad(element, name);
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, callback, data, NULL);
  gst_object_unref(pad);
}

static void print_stats(GstElement *element) {
  GstStructure *stats;
  gchar *text;
  if (g_str_has_prefix(GST_OBJECT_NAME(element), "identity"))
    return;
  g_object_get(element, "stats", &stats, NULL);
  text = gst_structure_to_string(stats);
  g_print("  %s\n", text);
  g_free(text);
  gst_structure_free(stats);
}

static void run(GstHarness *harness, GstBufferPool *pool, const guint8 *noise, guint frames) {
  gint64 next = g_get_monotonic_time();
  for (guint i = 0; i < frames; i++) {
    GstBuffer *buffer;
    gst_buffer_pool_acquire_buffer(pool, &buffer, NULL);
    gst_harness_push(harness, write_frame(buffer, noise, i));
    gst_buffer_unref(gst_harness_pull(harness));
    next += FRAME / GST_USECOND;
    g_usleep((gulong)MAX(next - g_get_monotonic_time(), 0));
  }
}

static GstBufferPool *make_pool(void) {
  GstBufferPool *pool = gst_buffer_pool_new();
  GstStructure *config = gst_buffer_pool_get_config(pool);
  gst_buffer_pool_config_set_params(config, NULL, SIZE, BUFFERS, BUFFERS);
  gst_buffer_pool_set_config(pool, config);
  gst_buffer_pool_set_active(pool, TRUE);
  return pool;
}

/* interval 0 = no frame is due. */
static void measure(const gchar *text, guint interval, const guint8 *noise, guint frames) {
  GError *error = NULL;
  GstElement *element = gst_parse_launch(text, &error);
  GstHarness *harness;
  GstBufferPool *pool = make_pool();
  Passage passage = {.interval = interval};
  if (error)
    g_error("%s: %s", text, error->message);
  harness = gst_harness_new_with_element(gst_object_ref_sink(element), "sink", "src");
  gst_harness_set_src_caps_str(harness, "video/x-raw,format=I420,width=1920,height=1080,framerate=25/1");
  samples_init(&passage.due, frames);
  samples_init(&passage.other, frames);
  add_probe(element, "sink", on_entering, &passage);
  add_probe(element, "src", on_leaving, &passage);
  run(harness, pool, noise, frames);
  g_print("%s\n", text);
  if (passage.due.n)
    samples_print("  due", &passage.due);
  if (passage.other.n)
    samples_print("  not due", &passage.other);
  print_stats(element);
  gst_harness_teardown(harness);
  gst_object_unref(element);
  gst_buffer_pool_set_active(pool, FALSE);
  gst_object_unref(pool);
  samples_clear(&passage.due);
  samples_clear(&passage.other);
}

int main(int argc, char **argv) {
  guint8 *noise = g_malloc(2 * SIZE);
  gchar *each, *some;
  guint frames;
  gst_init(&argc, &argv);
  frames = argc > 1 ? (guint)atoi(argv[1]) : 1500;
  for (guint i = 0; i < 2 * SIZE; i++)
    noise[i] = (guint8)g_random_int();
  measure_print_machine();
  each = g_strconcat("resnet18classify mode=async interval=1 ", argc > 2 ? argv[2] : "", NULL);
  some = g_strconcat("resnet18classify mode=async interval=12 ", argc > 2 ? argv[2] : "", NULL);
  measure(each, 1, noise, frames);
  measure(some, 12, noise, frames);
  measure("identity", 0, noise, frames);
  g_free(each);
  g_free(some);
  g_free(noise);
  return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of the element share. */
#include "rig.h"

static gchar *media(const char *file) {
  return g_build_filename(g_getenv("RESNET18_MEDIA"), file, NULL);
}

GstSample *rig_picture(const char *file, const char *caps) {
  gchar *path = media(file);
  gchar *text = g_strdup_printf("filesrc location=\"%s\" ! decodebin ! videoconvert ! videoscale add-borders=false ! "
                                "videoconvert dither=none ! %s ! appsink name=out sync=false",
                                path, caps);
  GstElement *pipeline = gst_parse_launch(text, NULL), *out;
  GstSample *sample = NULL;
  assert_non_null(pipeline);
  out = gst_bin_get_by_name(GST_BIN(pipeline), "out");
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  g_signal_emit_by_name(out, "pull-sample", &sample);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(out);
  gst_object_unref(pipeline);
  g_free(text);
  g_free(path);
  if (!sample)
    fail_msg("%s cannot be had as %s", file, caps);
  return sample;
}

static void on_classified(GstElement *element, GstStructure *result, gpointer data) {
  Rig *rig = data;
  rig->results++;
  g_clear_pointer(&rig->last, gst_structure_free);
  rig->last = gst_structure_copy(result);
}

Rig *rig_new(const char *properties, const char *file, const char *caps) {
  Rig *rig = g_new0(Rig, 1);
  gchar *text = g_strdup_printf("resnet18classify name=it precision=fp32 mode=sync max-age=%" G_GUINT64_FORMAT " %s",
                                G_MAXUINT64, properties);
  GError *error = NULL;
  rig->element = gst_parse_launch(text, &error);
  if (error)
    fail_msg("%s: %s", text, error->message);
  g_free(text);
  g_object_ref_sink(rig->element);
  rig->bus = gst_bus_new();
  gst_element_set_bus(rig->element, rig->bus);
  rig->messages = g_ptr_array_new_with_free_func((GDestroyNotify)gst_message_unref);
  g_signal_connect(rig->element, "classified", G_CALLBACK(on_classified), rig);
  rig->harness = gst_harness_new_with_element(rig->element, "sink", "src");
  gst_harness_play(rig->harness);
  rig_show(rig, file, caps);
  return rig;
}

/* Each 400x400. */
static GstSample *cat_and_coffee(void) {
  static const char *const file[] = {"chelsea.png", "coffee.png"};
  GstSample *half[2], *both;
  guint8 *pixels = g_malloc(800 * 400 * 3);
  GstCaps *caps = gst_caps_from_string("video/x-raw,format=RGB"
                                       ",width=800,height=400,framerate=25/1");
  GstBuffer *buffer;
  for (guint i = 0; i < 2; i++) {
    GstMapInfo map;
    half[i] = rig_picture(file[i], "video/x-raw,format=RGB"
                                   ",width=400,height=400");
    gst_buffer_map(gst_sample_get_buffer(half[i]), &map, GST_MAP_READ);
    for (guint y = 0; y < 400; y++)
      memcpy(pixels + (y * 800 + i * 400) * 3, map.data + y * 400 * 3, 400 * 3);
    gst_buffer_unmap(gst_sample_get_buffer(half[i]), &map);
    gst_sample_unref(half[i]);
  }
  buffer = gst_buffer_new_wrapped(pixels, 800 * 400 * 3);
  both = gst_sample_new(buffer, caps, NULL, NULL);
  gst_buffer_unref(buffer);
  gst_caps_unref(caps);
  return both;
}

Rig *rig_new_with_both(const char *properties) {
  Rig *rig = rig_new(properties, "coffee.png", "video/x-raw,format=RGB");
  gst_sample_unref(rig->picture);
  rig->picture = cat_and_coffee();
  gst_harness_set_src_caps(rig->harness, gst_caps_ref(gst_sample_get_caps(rig->picture)));
  return rig;
}

void rig_free(Rig *rig) {
  gst_harness_teardown(rig->harness);
  gst_element_set_bus(rig->element, NULL);
  g_ptr_array_unref(rig->messages); /* they refer to the element */
  gst_bus_set_flushing(rig->bus, TRUE);
  assert_int_equal(GST_OBJECT_REFCOUNT_VALUE(rig->element), 1);
  gst_object_unref(rig->element);
  gst_object_unref(rig->bus);
  g_clear_pointer(&rig->last, gst_structure_free);
  gst_sample_unref(rig->picture);
  g_free(rig);
}

void rig_show(Rig *rig, const char *file, const char *caps) {
  if (rig->picture)
    gst_sample_unref(rig->picture);
  rig->picture = rig_picture(file, caps);
  gst_harness_set_src_caps(rig->harness, gst_caps_ref(gst_sample_get_caps(rig->picture)));
}

GstBuffer *rig_frame(Rig *rig) {
  GstBuffer *buffer = gst_buffer_copy_deep(gst_sample_get_buffer(rig->picture)), *out;
  GST_BUFFER_PTS(buffer) = rig->frames++ * RIG_FRAME;
  GST_BUFFER_DURATION(buffer) = RIG_FRAME;
  out = gst_harness_push_and_pull(rig->harness, buffer);
  assert_non_null(out);
  return out;
}

GstStructure *rig_result(Rig *rig) {
  GstBuffer *buffer = rig_frame(rig);
  const GstStructure *result = gst_resnet18_buffer_get_result(buffer, 0);
  GstStructure *copy = result ? gst_structure_copy(result) : NULL;
  gst_buffer_unref(buffer);
  return copy;
}

guint rig_best(Rig *rig) {
  GstStructure *result = rig_result(rig);
  guint best;
  assert_non_null(result);
  best = rig_class(result, 0);
  gst_structure_free(result);
  return best;
}

GstStructure *rig_await_result(Rig *rig) {
  for (guint i = 0; i < 2000; i++) {
    GstStructure *result = rig_result(rig);
    if (result)
      return result;
    g_usleep(10000);
  }
  fail_msg("no result in 2000 frames");
  return NULL;
}

void rig_read_bus(Rig *rig) {
  GstMessage *message;
  while ((message = gst_bus_pop(rig->bus))) {
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_STATE_CHANGED)
      gst_message_unref(message);
    else
      g_ptr_array_add(rig->messages, message);
  }
}

guint rig_count_results_on_bus(Rig *rig) {
  guint n = 0;
  rig_read_bus(rig);
  for (guint i = 0; i < rig->messages->len; i++)
    n += gst_resnet18_message_get_result(rig->messages->pdata[i]) != NULL;
  return n;
}

guint64 rig_stat(Rig *rig, const char *name) {
  GstStructure *stats;
  guint64 value = 0;
  guint small = 0;
  g_object_get(rig->element, "stats", &stats, NULL);
  if (!gst_structure_get_uint64(stats, name, &value) && gst_structure_get_uint(stats, name, &small))
    value = small;
  gst_structure_free(stats);
  return value;
}

guint64 rig_time(const GstStructure *result, const char *field) {
  guint64 time = GST_CLOCK_TIME_NONE;
  gst_structure_get_uint64(result, field, &time);
  return time;
}

guint rig_class(const GstStructure *result, guint nth) {
  GstResnet18Class c;
  assert_true(gst_resnet18_result_get_class(result, nth, &c));
  return c.index;
}

guint rig_rounds(guint brief, guint full) {
  return g_getenv("RESNET18_LONG_TESTS") ? full : brief;
}

GstElement *rig_launch(const char *text) {
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch(text, &error);
  if (error)
    fail_msg("%s: %s", text, error->message);
  return pipeline;
}

guint rig_count_threads(void) {
  GDir *folder = g_dir_open("/proc/self/task", 0, NULL);
  const gchar *task;
  guint n = 0;
  while ((task = g_dir_read_name(folder))) {
    gchar *path = g_strdup_printf("/proc/self/task/%s/comm", task), *name = NULL;
    n += g_file_get_contents(path, &name, NULL, NULL) && g_str_has_prefix(name, "resnet18");
    g_free(name);
    g_free(path);
  }
  g_dir_close(folder);
  return n;
}

void rig_await_threads(guint n) {
  for (guint i = 0; i < 2000 && rig_count_threads() != n; i++)
    g_usleep(10000);
  assert_int_equal(rig_count_threads(), n);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resnet18publish in a harness. */
#include "publish_rig.h"

#include <unistd.h>

#define CAPS "video/x-raw,format=GRAY8,width=8,height=8,framerate=25/1"

/* `properties` with %s for the path. */
Publish *publish_new(const char *properties) {
  Publish *p = g_new0(Publish, 1);
  gchar *text, *full;
  GError *error = NULL;
  p->folder = g_dir_make_tmp("publish-XXXXXX", NULL);
  p->path = g_build_filename(p->folder, "out", NULL);
  text = g_strdup_printf("resnet18publish %s", properties);
  full = g_strdup_printf(text, p->path);
  p->element = g_object_ref_sink(gst_parse_launch(full, &error));
  if (error)
    fail_msg("%s: %s", full, error->message);
  g_free(text);
  g_free(full);
  p->bus = gst_bus_new();
  gst_element_set_bus(p->element, p->bus);
  p->wanted = g_string_new(NULL);
  return p;
}

void play(Publish *p) {
  p->harness = gst_harness_new_with_element(p->element, "sink", "src");
  gst_harness_set_drop_buffers(p->harness, TRUE);
  gst_harness_set_src_caps_str(p->harness, CAPS);
  gst_harness_play(p->harness);
}

void publish_free(Publish *p) {
  if (p->harness)
    gst_harness_teardown(p->harness);
  gst_element_set_bus(p->element, NULL);
  gst_bus_set_flushing(p->bus, TRUE);
  assert_int_equal(GST_OBJECT_REFCOUNT_VALUE(p->element), 1);
  gst_object_unref(p->element);
  gst_object_unref(p->bus);
  g_string_free(p->wanted, TRUE);
  unlink(p->path);
  assert_int_equal(rmdir(p->folder), 0);
  g_free(p->folder);
  g_free(p->path);
  g_free(p);
}

/* What resnet18classify would say of frame number `number`, region `roi` (0 = none). */
GstStructure *make_result(guint number, gint roi) {
  GstStructure *result = gst_structure_new(GST_RESNET18_RESULT, "model", G_TYPE_STRING, "built-in", "pts",
                                           G_TYPE_UINT64, number * RIG_FRAME, "age", G_TYPE_UINT64, (guint64)0,
                                           "inference-time", G_TYPE_UINT64, (guint64)(7000000 + number), NULL);
  GstStructure *best =
      gst_structure_new("class", "index", G_TYPE_UINT, number % 1000, "wnid", G_TYPE_STRING, "n00000001", "label",
                        G_TYPE_STRING, "a \"quoted\" cat", "score", G_TYPE_DOUBLE, 0.5, NULL);
  GValue classes = G_VALUE_INIT, entry = G_VALUE_INIT;
  gst_value_array_init(&classes, 1);
  g_value_init(&entry, GST_TYPE_STRUCTURE);
  g_value_take_boxed(&entry, best);
  gst_value_array_append_and_take_value(&classes, &entry);
  gst_structure_take_value(result, "classes", &classes);
  if (roi) {
    GstStructure *region = gst_structure_new("roi", "id", G_TYPE_INT, roi, "x", G_TYPE_INT, roi, "y", G_TYPE_INT, 1,
                                             "w", G_TYPE_INT, 2, "h", G_TYPE_INT, 3, NULL);
    gst_structure_set(result, "roi", GST_TYPE_STRUCTURE, region, NULL);
    gst_structure_free(region);
  }
  return result;
}

static gboolean copy_field(GQuark field, const GValue *value, gpointer to) {
  gst_structure_id_set_value(to, field, value);
  return TRUE;
}

void attach(GstBuffer *buffer, GstStructure *result) {
  GstCustomMeta *meta = gst_buffer_add_custom_meta(buffer, GST_RESNET18_RESULT);
  assert_non_null(meta);
  gst_structure_foreach(result, copy_field, gst_custom_meta_get_structure(meta));
}

void want(Publish *p, const GstStructure *result) {
  gchar *json = gst_resnet18_result_to_json(result);
  g_string_append_printf(p->wanted, "%s\n", json);
  g_free(json);
}

void push(Publish *p, GstBuffer *buffer) {
  GST_BUFFER_PTS(buffer) = p->frames++ * RIG_FRAME;
  assert_int_equal(gst_harness_push(p->harness, buffer), GST_FLOW_OK);
}

/* The next frame, with a result of its own. */
void push_result(Publish *p) {
  GstBuffer *buffer = gst_buffer_new_allocate(NULL, 64, NULL);
  GstStructure *result = make_result(p->frames, 0);
  attach(buffer, result);
  want(p, result);
  gst_structure_free(result);
  push(p, buffer);
}

guint64 stat_of(Publish *p, const char *name) {
  GstStructure *stats;
  guint64 value = G_MAXUINT64;
  guint small;
  g_object_get(p->element, "stats", &stats, NULL);
  if (!gst_structure_get_uint64(stats, name, &value) && gst_structure_get_uint(stats, name, &small))
    value = small;
  gst_structure_free(stats);
  assert_true(value != G_MAXUINT64);
  return value;
}

/* Every result is somewhere. */
void counts_add_up(Publish *p, guint64 results) {
  assert_int_equal(stat_of(p, "results"), results);
  assert_int_equal(stat_of(p, "written") + stat_of(p, "dropped") + stat_of(p, "waiting"), results);
}

void await_stat(Publish *p, const char *name, guint64 wanted) {
  const gint64 limit = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
  while (stat_of(p, name) != wanted) {
    if (g_get_monotonic_time() > limit)
      fail_msg("\"%s\" stays at %" G_GUINT64_FORMAT ", not %" G_GUINT64_FORMAT, name, stat_of(p, name), wanted);
    g_usleep(1000);
  }
}

void end(Publish *p) {
  assert_true(gst_harness_push_event(p->harness, gst_event_new_eos()));
}

/* The next message of the type, NULL if there is none. */
GstMessage *message_of(Publish *p, GstMessageType type) {
  return gst_bus_pop_filtered(p->bus, type);
}

void assert_message(Publish *p, GstMessageType type, gint code, const char *says, const char *says_too) {
  GstMessage *message = gst_bus_timed_pop_filtered(p->bus, 60 * GST_SECOND, type);
  GError *error;
  if (!message)
    fail_msg("no message says \"%s\"", says);
  if (type == GST_MESSAGE_ERROR)
    gst_message_parse_error(message, &error, NULL);
  else
    gst_message_parse_warning(message, &error, NULL);
  if (!g_error_matches(error, GST_RESOURCE_ERROR, code) || !strstr(error->message, says) ||
      !strstr(error->message, says_too))
    fail_msg("%s (%d): no \"%s\" and \"%s\"", error->message, error->code, says, says_too);
  g_error_free(error);
  gst_message_unref(message);
}

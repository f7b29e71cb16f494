/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making the result's structure. */
#include "result.h"

static void take(GstStructure *structure, const gchar *name, GValue *value) {
  gst_structure_take_value(structure, name, value);
}

/* Interned strings are not copied with the structure, which is done for each frame. There are as many as labels. */
static void set_string(GstStructure *structure, const gchar *name, const gchar *string) {
  GValue value = G_VALUE_INIT;
  g_value_init(&value, G_TYPE_STRING);
  g_value_set_interned_string(&value, g_intern_string(string));
  take(structure, name, &value);
}

static void set_time(GstStructure *result, const gchar *name, GstClockTime time) {
  if (GST_CLOCK_TIME_IS_VALID(time))
    gst_structure_set(result, name, G_TYPE_UINT64, time, NULL);
}

static void set_roi(GstStructure *result, const GstResnet18ResultFields *f) {
  GstStructure *roi = gst_structure_new("roi", "id", G_TYPE_INT, f->roi_id, "x", G_TYPE_INT, f->roi_x, "y", G_TYPE_INT,
                                        f->roi_y, "w", G_TYPE_INT, f->roi_w, "h", G_TYPE_INT, f->roi_h, NULL);
  GValue value = G_VALUE_INIT;
  g_value_init(&value, GST_TYPE_STRUCTURE);
  g_value_take_boxed(&value, roi);
  take(result, "roi", &value);
}

static void init_class(GValue *value, const resnet18_class *c, resnet18_labels *labels) {
  const gchar *label = resnet18_labels_name(labels, c->index), *wnid = resnet18_labels_wnid(labels, c->index);
  GstStructure *entry = gst_structure_new("class", "index", G_TYPE_UINT, c->index, NULL);
  set_string(entry, "wnid", wnid ? wnid : "");
  set_string(entry, "label", label ? label : "");
  gst_structure_set(entry, "score", G_TYPE_DOUBLE, (gdouble)c->score, NULL);
  g_value_init(value, GST_TYPE_STRUCTURE);
  g_value_take_boxed(value, entry);
}

static void append_class(GValue *array, const resnet18_class *c, resnet18_labels *labels) {
  GValue value = G_VALUE_INIT;
  init_class(&value, c, labels);
  gst_value_array_append_and_take_value(array, &value);
}

static void set_previous(GstStructure *result, const GstResnet18ResultFields *f) {
  GValue value = G_VALUE_INIT;
  init_class(&value, f->previous, f->labels);
  take(result, "previous", &value);
}

static void set_classes(GstStructure *result, const GstResnet18ResultFields *f) {
  GValue array = G_VALUE_INIT;
  gst_value_array_init(&array, f->n_best);
  for (gsize i = 0; i < f->n_best; i++)
    append_class(&array, &f->best[i], f->labels);
  take(result, "classes", &array);
}

static void set_group(GstStructure *result, const GstResnet18ResultFields *f) {
  GstStructure *group = gst_structure_new_empty("group");
  GValue value = G_VALUE_INIT;
  set_string(group, "label", f->group);
  gst_structure_set(group, "score", G_TYPE_DOUBLE, f->group_score, NULL);
  g_value_init(&value, GST_TYPE_STRUCTURE);
  g_value_take_boxed(&value, group);
  take(result, "group", &value);
}

static void set_cam(GstStructure *result, const gfloat *cam) {
  GValue array = G_VALUE_INIT, cell = G_VALUE_INIT;
  gst_value_array_init(&array, GST_RESNET18_CAM_CELLS);
  g_value_init(&cell, G_TYPE_DOUBLE);
  for (gsize i = 0; i < GST_RESNET18_CAM_CELLS; i++) {
    g_value_set_double(&cell, cam[i]);
    gst_value_array_append_value(&array, &cell);
  }
  take(result, "cam", &array);
}

GstStructure *gst_resnet18_result_new(const GstResnet18ResultFields *f) {
  GstStructure *result = gst_structure_new_empty(GST_RESNET18_RESULT);
  set_string(result, "model", f->model);
  set_time(result, "pts", f->pts);
  set_time(result, "running-time", f->running_time);
  set_time(result, "stream-time", f->stream_time);
  set_time(result, "duration", f->duration);
  gst_structure_set(result, "age", G_TYPE_UINT64, f->age, "inference-time", G_TYPE_UINT64, f->inference_time, NULL);
  if (f->has_roi)
    set_roi(result, f);
  set_classes(result, f);
  if (f->group)
    set_group(result, f);
  gst_structure_set(result, "uncertainty", G_TYPE_DOUBLE, f->uncertainty, "unknown", G_TYPE_BOOLEAN, f->unknown, NULL);
  if (f->event)
    set_string(result, "event", f->event);
  if (f->previous)
    set_previous(result, f);
  if (f->cam)
    set_cam(result, f->cam);
  return result;
}

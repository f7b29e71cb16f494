/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading results. Registers nothing and keeps no state, so that a program may read what a plugin wrote. */
#include "resnet18meta.h"

const GstStructure *gst_resnet18_buffer_get_result(GstBuffer *buffer, guint nth) {
  gpointer state = NULL;
  GstMeta *meta;
  g_return_val_if_fail(GST_IS_BUFFER(buffer), NULL);
  while ((meta = gst_buffer_iterate_meta(buffer, &state))) {
    if (!gst_meta_info_is_custom(meta->info) || !gst_custom_meta_has_name((GstCustomMeta *)meta, GST_RESNET18_RESULT))
      continue;
    if (nth-- == 0)
      return gst_custom_meta_get_structure((GstCustomMeta *)meta);
  }
  return NULL;
}

const GstStructure *gst_resnet18_message_get_result(GstMessage *message) {
  const GstStructure *structure;
  g_return_val_if_fail(GST_IS_MESSAGE(message), NULL);
  if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_ELEMENT)
    return NULL;
  structure = gst_message_get_structure(message);
  return structure && gst_structure_has_name(structure, GST_RESNET18_RESULT) ? structure : NULL;
}

static const GValue *class_array(const GstStructure *result) {
  const GValue *classes = result ? gst_structure_get_value(result, "classes") : NULL;
  return classes && GST_VALUE_HOLDS_ARRAY(classes) ? classes : NULL;
}

guint gst_resnet18_result_get_n_classes(const GstStructure *result) {
  const GValue *classes = class_array(result);
  return classes ? gst_value_array_get_size(classes) : 0;
}

gboolean gst_resnet18_result_get_class(const GstStructure *result, guint nth, GstResnet18Class *out) {
  const GstStructure *entry;
  g_return_val_if_fail(out != NULL, FALSE);
  *out = (GstResnet18Class){0};
  if (nth >= gst_resnet18_result_get_n_classes(result))
    return FALSE;
  entry = gst_value_get_structure(gst_value_array_get_value(class_array(result), nth));
  out->wnid = gst_structure_get_string(entry, "wnid");
  out->label = gst_structure_get_string(entry, "label");
  return gst_structure_get(entry, "index", G_TYPE_UINT, &out->index, "score", G_TYPE_DOUBLE, &out->score, NULL);
}

const gchar *gst_resnet18_result_get_label(const GstStructure *result) {
  GstResnet18Class best;
  return gst_resnet18_result_get_class(result, 0, &best) ? best.label : NULL;
}

gdouble gst_resnet18_result_get_score(const GstStructure *result) {
  GstResnet18Class best;
  return gst_resnet18_result_get_class(result, 0, &best) ? best.score : 0.0;
}

gboolean gst_resnet18_result_get_roi(const GstStructure *result, gint *id, gint *x, gint *y, gint *w, gint *h) {
  const GValue *value = result ? gst_structure_get_value(result, "roi") : NULL;
  const GstStructure *roi = value && GST_VALUE_HOLDS_STRUCTURE(value) ? gst_value_get_structure(value) : NULL;
  const struct {
    const gchar *name;
    gint *out;
  } field[] = {{"id", id}, {"x", x}, {"y", y}, {"w", w}, {"h", h}};
  if (!roi)
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS(field); i++)
    if (field[i].out && !gst_structure_get_int(roi, field[i].name, field[i].out))
      return FALSE;
  return TRUE;
}

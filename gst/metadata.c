/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attaching results to buffers: the custom meta. It has no tags, so that elements that change a buffer's size, format
 * or memory copy it; it says nothing that such a change would make wrong but the region, which is in pixels of the
 * frame that was classified. */
#include "metadata.h"
#include "resnet18meta.h"

void gst_resnet18_metadata_register(void) {
  static const gchar *no_tags[] = {NULL};
  static gsize registered;
  if (!g_once_init_enter(&registered))
    return;
  if (!gst_meta_get_info(GST_RESNET18_RESULT))
    gst_meta_register_custom(GST_RESNET18_RESULT, no_tags, NULL, NULL, NULL);
  g_once_init_leave(&registered, 1);
}

static gboolean copy_field(GQuark field, const GValue *value, gpointer to) {
  gst_structure_id_set_value(to, field, value);
  return TRUE;
}

void gst_resnet18_metadata_attach(GstBuffer *buffer, const GstStructure *result, GstClockTime age) {
  GstCustomMeta *meta = gst_buffer_add_custom_meta(buffer, GST_RESNET18_RESULT);
  GstStructure *structure;
  g_return_if_fail(meta != NULL);
  structure = gst_custom_meta_get_structure(meta);
  gst_structure_foreach(result, copy_field, structure);
  gst_structure_set(structure, "age", G_TYPE_UINT64, age, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attaching results to buffers: the custom meta. It has no tags, so that elements that change a buffer's size, format
 * or memory copy it; it says nothing that such a change would make wrong but the region, which is in pixels of the
 * frame that was classified.
 *
 * GStreamer gives each such meta a structure of its own, empty, and filling that takes a dozen microseconds while the
 * frame waits. Ours begins with a structure that was filled before. */
#include "metadata.h"
#include "resnet18meta.h"

/* A custom meta as it lies in memory. The header of GStreamer 1.24 says so; 1.22 has the same and does not say it, so
 * that it is checked. */
typedef struct {
  GstMeta meta;
  GstStructure *structure;
} ResultMeta;

static const GstMetaInfo *result_info;
static GstMetaInitFunction init_empty; /* GStreamer's own; NULL: it is still in its place */

/* `params` is the structure, or NULL where GStreamer or a program adds a meta. */
static gboolean init_result(GstMeta *meta, gpointer params, GstBuffer *buffer) {
  ResultMeta *result = (ResultMeta *)meta;
  if (!params)
    return init_empty(meta, params, buffer);
  result->structure = params;
  return gst_structure_set_parent_refcount(result->structure, &GST_MINI_OBJECT_REFCOUNT(buffer));
}

static gboolean lies_as_expected(const GstMetaInfo *info) {
  GstBuffer *buffer;
  GstMeta *meta;
  gboolean same;
  if (info->size != sizeof(ResultMeta))
    return FALSE;
  buffer = gst_buffer_new();
  meta = gst_buffer_add_meta(buffer, info, NULL);
  same = ((ResultMeta *)meta)->structure == gst_custom_meta_get_structure((GstCustomMeta *)meta);
  gst_buffer_unref(buffer);
  return same;
}

void gst_resnet18_metadata_register(void) {
  static const gchar *no_tags[] = {NULL};
  static gsize registered;
  if (!g_once_init_enter(&registered))
    return;
  result_info = gst_meta_get_info(GST_RESNET18_RESULT);
  if (!result_info) {
    result_info = gst_meta_register_custom(GST_RESNET18_RESULT, no_tags, NULL, NULL, NULL);
    if (lies_as_expected(result_info)) {
      init_empty = result_info->init_func;
      ((GstMetaInfo *)result_info)->init_func = init_result;
    }
  }
  g_once_init_leave(&registered, 1);
}

static gboolean set_field(GQuark name, const GValue *value, gpointer to) {
  gst_structure_id_set_value(to, name, value);
  return TRUE;
}

void gst_resnet18_metadata_attach(GstBuffer *buffer, GstStructure *result) {
  /* What gst_buffer_add_custom_meta does after it has looked for the name. */
  GstMeta *meta = gst_buffer_add_meta(buffer, result_info, init_empty ? result : NULL);
  if (init_empty)
    return;
  gst_structure_foreach(result, set_field, gst_custom_meta_get_structure((GstCustomMeta *)meta));
  gst_structure_free(result);
}

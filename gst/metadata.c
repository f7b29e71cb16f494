/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attaching results to buffers: the custom meta. It has no tags, so that elements that change a buffer's size, format
 * or memory copy it; it says nothing that such a change would make wrong but the region, which is in pixels of the
 * frame that was classified.
 *
 * The structure in it borrows what is large from the report. A second meta, which comes after it and so is freed after
 * it, keeps the report for that. It is not copied with the buffer: the copy's structure has everything itself. */
#include "metadata.h"
#include "resnet18meta.h"

#define KEEPER "GstResnet18ReportMeta"

typedef struct {
  GstMeta meta;
  GstResnet18Report *report;
} Keeper;

static const GstMetaInfo *result_info, *keeper_info;

static gboolean keeper_init(GstMeta *meta, gpointer params, GstBuffer *buffer) {
  ((Keeper *)meta)->report = NULL;
  return TRUE;
}

static void keeper_free(GstMeta *meta, GstBuffer *buffer) {
  GstResnet18Report *report = ((Keeper *)meta)->report;
  if (report)
    gst_resnet18_report_unref(report);
}

static const GstMetaInfo *register_keeper(void) {
  static const gchar *no_tags[] = {NULL};
  const GstMetaInfo *info = gst_meta_get_info(KEEPER);
  return info ? info
              : gst_meta_register(gst_meta_api_type_register(KEEPER "API", no_tags), KEEPER, sizeof(Keeper),
                                  keeper_init, keeper_free, NULL);
}

void gst_resnet18_metadata_register(void) {
  static const gchar *no_tags[] = {NULL};
  static gsize registered;
  if (!g_once_init_enter(&registered))
    return;
  result_info = gst_meta_get_info(GST_RESNET18_RESULT);
  if (!result_info)
    result_info = gst_meta_register_custom(GST_RESNET18_RESULT, no_tags, NULL, NULL, NULL);
  keeper_info = register_keeper();
  g_once_init_leave(&registered, 1);
}

void gst_resnet18_metadata_attach(GstBuffer *buffer, GstResnet18Report *report, GstClockTime age) {
  /* What gst_buffer_add_custom_meta does after it has looked for the name. */
  GstCustomMeta *meta = (GstCustomMeta *)gst_buffer_add_meta(buffer, result_info, NULL);
  Keeper *keeper = (Keeper *)gst_buffer_add_meta(buffer, keeper_info, NULL);
  g_return_if_fail(meta != NULL && keeper != NULL);
  keeper->report = gst_resnet18_report_ref(report);
  gst_resnet18_report_share(report, gst_custom_meta_get_structure(meta), age);
}

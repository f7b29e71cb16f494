/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One result that many frames carry. */
#include "report.h"

GstResnet18Report *gst_resnet18_report_new(GstStructure *structure, const gchar *event) {
  GstResnet18Report *report = g_new0(GstResnet18Report, 1);
  report->structure = structure;
  report->event = event;
  report->scores = gst_resnet18_analytics_scores_new(structure);
  return report;
}

void gst_resnet18_report_free(GstResnet18Report *report) {
  gst_structure_free(report->structure);
  gst_clear_structure(&report->ready);
  g_free(report->scores);
  g_free(report);
}

void gst_resnet18_report_prepare(GstResnet18Report *report) {
  if (report->ready)
    return;
  report->ready = gst_structure_copy(report->structure);
  /* The structure is ours, and so is the value in it. */
  report->ready_age = (GValue *)gst_structure_get_value(report->ready, "age");
}

GstStructure *gst_resnet18_report_copy(GstResnet18Report *report, GstClockTime age) {
  gst_resnet18_report_prepare(report);
  report->ready_age->data[0].v_uint64 = age; /* without looking for its type */
  return g_steal_pointer(&report->ready);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One result that many frames carry. */
#include "report.h"

#include <gobject/gvaluecollector.h>

static GQuark age_quark(void) {
  static gsize quark;
  if (g_once_init_enter(&quark))
    g_once_init_leave(&quark, g_quark_from_static_string("age"));
  return (GQuark)quark;
}

/* Numbers lie in the value itself, and strings are interned. Arrays and structures are lent as G_VALUE_COLLECT lends
 * them: whoever copies the value copies them, and whoever frees it does not free them. The age is not lent. */
static gboolean lend(GQuark name, const GValue *value, gpointer data) {
  GstResnet18Report *report = data;
  GstResnet18Field *field = &report->lent[report->n_lent];
  if (name == age_quark())
    return TRUE;
  report->n_lent++;
  *field = (GstResnet18Field){name, *value};
  if (GST_VALUE_HOLDS_ARRAY(value) || GST_VALUE_HOLDS_STRUCTURE(value))
    field->value.data[1].v_uint |= G_VALUE_NOCOPY_CONTENTS;
  return TRUE;
}

GstResnet18Report *gst_resnet18_report_new(GstStructure *structure, const gchar *event) {
  GstResnet18Report *report = g_atomic_rc_box_new0(GstResnet18Report);
  report->structure = structure;
  report->event = event;
  report->lent = g_new(GstResnet18Field, (gsize)gst_structure_n_fields(structure));
  gst_structure_foreach(structure, lend, report);
  return report;
}

GstResnet18Report *gst_resnet18_report_ref(GstResnet18Report *report) {
  return g_atomic_rc_box_acquire(report);
}

static void clear(gpointer data) {
  GstResnet18Report *report = data;
  gst_structure_free(report->structure);
  g_free(report->lent);
}

void gst_resnet18_report_unref(GstResnet18Report *report) {
  g_atomic_rc_box_release_full(report, clear);
}

void gst_resnet18_report_share(const GstResnet18Report *report, GstStructure *to, GstClockTime age) {
  GValue value = G_VALUE_INIT;
  for (guint i = 0; i < report->n_lent; i++) {
    GValue lent = report->lent[i].value;
    gst_structure_id_take_value(to, report->lent[i].name, &lent);
  }
  g_value_init(&value, G_TYPE_UINT64);
  g_value_set_uint64(&value, age);
  gst_structure_id_take_value(to, age_quark(), &value);
}

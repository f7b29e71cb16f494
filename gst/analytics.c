/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Results as GstAnalyticsClsMtd: the one file that knows whether GStreamer has it (1.24). */
#include "metadata.h"
#include "resnet18meta.h"

#ifdef HAVE_ANALYTICS

#include <gst/analytics/analytics.h>

static GstAnalyticsRelationMeta *relation_meta(GstBuffer *buffer) {
  GstAnalyticsRelationMeta *meta = gst_buffer_get_analytics_relation_meta(buffer);
  return meta ? meta : gst_buffer_add_analytics_relation_meta(buffer);
}

void gst_resnet18_analytics_attach(GstBuffer *buffer, const GstStructure *result) {
  guint n = gst_resnet18_result_get_n_classes(result);
  gfloat *levels = g_newa(gfloat, n);
  GQuark *quarks = g_newa(GQuark, n);
  GstAnalyticsClsMtd mtd;
  if (n == 0)
    return;
  for (guint i = 0; i < n; i++) {
    GstResnet18Class c;
    gst_resnet18_result_get_class(result, i, &c);
    levels[i] = (gfloat)c.score;
    quarks[i] = g_quark_from_string(c.label);
  }
  gst_analytics_relation_meta_add_cls_mtd(relation_meta(buffer), n, levels, quarks, &mtd);
}

#else

void gst_resnet18_analytics_attach(GstBuffer *buffer, const GstStructure *result) {
}

#endif

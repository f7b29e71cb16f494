/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Results as GstAnalyticsClsMtd: the one file that knows whether GStreamer has it (1.24). */
#include "metadata.h"
#include "resnet18meta.h"

#ifdef HAVE_ANALYTICS

#include <gst/analytics/analytics.h>

struct _GstResnet18Scores {
  guint n;
  gfloat *level;
  GQuark *quark;
};

/* Room for one classification: the default takes more memory, which is cleared while the frame waits. It grows. */
static GstAnalyticsRelationMeta *relation_meta(GstBuffer *buffer, const GstResnet18Scores *scores) {
  GstAnalyticsRelationMeta *meta = gst_buffer_get_analytics_relation_meta(buffer);
  GstAnalyticsRelationMetaInitParams params = {1, 64 + scores->n * (sizeof(gfloat) + sizeof(GQuark))};
  return meta ? meta : gst_buffer_add_analytics_relation_meta_full(buffer, &params);
}

static void relate(GstAnalyticsRelationMeta *meta, const GstResnet18Region *region, guint classification) {
  if (region && region->source == GST_RESNET18_REGION_ANALYTICS)
    gst_analytics_relation_meta_set_relation(meta, GST_ANALYTICS_REL_TYPE_RELATE_TO, region->handle, classification);
}

GstResnet18Scores *gst_resnet18_analytics_scores_new(const GstStructure *result) {
  guint n = gst_resnet18_result_get_n_classes(result);
  GstResnet18Scores *scores;
  if (n == 0)
    return NULL;
  scores = g_malloc(sizeof *scores + n * (sizeof(gfloat) + sizeof(GQuark)));
  scores->n = n;
  scores->level = (gfloat *)(scores + 1);
  scores->quark = (GQuark *)(scores->level + n);
  for (guint i = 0; i < n; i++) {
    GstResnet18Class c;
    gst_resnet18_result_get_class(result, i, &c);
    scores->level[i] = (gfloat)c.score;
    scores->quark[i] = g_quark_from_string(c.label);
  }
  return scores;
}

void gst_resnet18_analytics_attach(GstBuffer *buffer, const GstResnet18Scores *scores,
                                   const GstResnet18Region *region) {
  GstAnalyticsRelationMeta *meta;
  GstAnalyticsClsMtd mtd;
  if (!scores)
    return;
  meta = relation_meta(buffer, scores);
  if (gst_analytics_relation_meta_add_cls_mtd(meta, scores->n, scores->level, scores->quark, &mtd))
    relate(meta, region, mtd.id);
}

/* The tracker's id of an object, 0 = none. */
static gint object_id(GstAnalyticsRelationMeta *meta, guint handle) {
  GstAnalyticsTrackingMtd tracking;
  gpointer state = NULL;
  guint64 id;
  GstClockTime first, last;
  gboolean lost;
  if (gst_analytics_relation_meta_get_direct_related(meta, handle, GST_ANALYTICS_REL_TYPE_ANY,
                                                     gst_analytics_tracking_mtd_get_mtd_type(), &state, &tracking) &&
      gst_analytics_tracking_mtd_get_info(&tracking, &id, &first, &last, &lost))
    return (gint)(id & G_MAXINT);
  return 0;
}

void gst_resnet18_analytics_add_regions(GstResnet18Regions *regions, GstBuffer *buffer, guint width, guint height) {
  GstAnalyticsRelationMeta *meta = gst_buffer_get_analytics_relation_meta(buffer);
  gpointer state = NULL;
  GstAnalyticsMtd mtd;
  while (meta && gst_analytics_relation_meta_iterate(meta, &state, gst_analytics_od_mtd_get_mtd_type(), &mtd)) {
    GstResnet18Region region = {.source = GST_RESNET18_REGION_ANALYTICS, .handle = mtd.id};
    gfloat confidence;
    if (!gst_analytics_od_mtd_get_location(&mtd, &region.x, &region.y, &region.w, &region.h, &confidence))
      continue;
    region.id = object_id(meta, mtd.id);
    gst_resnet18_regions_add(regions, &region, width, height);
  }
}

#else

GstResnet18Scores *gst_resnet18_analytics_scores_new(const GstStructure *result) {
  return NULL;
}

void gst_resnet18_analytics_attach(GstBuffer *buffer, const GstResnet18Scores *scores,
                                   const GstResnet18Region *region) {
}

void gst_resnet18_analytics_add_regions(GstResnet18Regions *regions, GstBuffer *buffer, guint width, guint height) {
}

#endif

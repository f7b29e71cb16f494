/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Putting the newest result on the buffer that passes: as metas, and in the overlay. */
#include "gstresnet18classify_private.h"
#include "metadata.h"

static gboolean downstream_draws_overlays(GstResnet18Classify *self) {
  GstQuery *query;
  gboolean draws;
  if (gst_caps_features_contains(gst_caps_get_features(self->caps, 0),
                                 GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION))
    return TRUE;
  query = gst_query_new_allocation(self->caps, FALSE);
  draws = gst_pad_peer_query(GST_BASE_TRANSFORM_SRC_PAD(self), query) &&
          gst_query_find_allocation_meta(query, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL);
  gst_query_unref(query);
  return draws;
}

static void show_overlay(GstResnet18Classify *self, GstBuffer *buffer) {
  resnet18_error error;
  if (!self->overlay) {
    self->overlay = gst_resnet18_overlay_new();
    g_atomic_int_set(&self->overlay_outdated, TRUE);
    self->overlay_stale = TRUE;
  }
  if (g_atomic_int_compare_and_exchange(&self->overlay_outdated, TRUE, FALSE))
    gst_resnet18_overlay_set_info(self->overlay, &self->info, downstream_draws_overlays(self));
  if (self->overlay_stale)
    gst_resnet18_overlay_set_results(self->overlay, self->found.report, &self->found.regions, &self->now);
  self->overlay_stale = FALSE;
  if (!gst_resnet18_overlay_apply(self->overlay, buffer, &error))
    gst_resnet18_classify_complain(self, &error);
}

/* A region's result goes to the region where it is now; if that has gone, so has the result. */
static void attach_region(GstResnet18Classify *self, GstBuffer *buffer, guint i, const GstResnet18Regions *here,
                          GstClockTime age) {
  const GstResnet18Region *region = gst_resnet18_regions_find(here, &self->found.regions.region[i]);
  GstResnet18Report *report;
  if (!region)
    return;
  report = self->found.report[i];
  gst_resnet18_metadata_attach(buffer, gst_resnet18_report_copy(report, age));
  if (region->source == GST_RESNET18_REGION_META)
    gst_resnet18_region_tie(buffer, region, gst_resnet18_report_copy(report, age));
  gst_resnet18_analytics_attach(buffer, report->scores, region);
}

static void attach(GstResnet18Classify *self, GstBuffer *buffer, GstClockTime age) {
  const Found *found = &self->found;
  GstResnet18Regions here;
  if (found->regions.region[0].source < GST_RESNET18_REGION_META) {
    gst_resnet18_metadata_attach(buffer, gst_resnet18_report_copy(found->report[0], age));
    gst_resnet18_analytics_attach(buffer, found->report[0]->scores, NULL);
    return;
  }
  gst_resnet18_regions_from_buffer(&here, buffer, GST_VIDEO_INFO_WIDTH(&self->info),
                                   GST_VIDEO_INFO_HEIGHT(&self->info));
  for (guint i = 0; i < found->regions.n; i++)
    attach_region(self, buffer, i, &here, age);
}

void gst_resnet18_classify_show(GstResnet18Classify *self, GstBuffer *buffer, const Moment *moment) {
  GstClockTime age;
  if (self->found.regions.n == 0 || !gst_buffer_is_writable(buffer))
    return;
  age = gst_resnet18_classify_age(self, moment);
  if (age > self->now.max_age && !gst_resnet18_classify_is_sync(self))
    return;
  if (self->now.attach_meta)
    attach(self, buffer, age);
  if (self->now.overlay)
    show_overlay(self, buffer);
}

void gst_resnet18_classify_prepare(GstResnet18Classify *self) {
  if (self->now.attach_meta)
    for (guint i = 0; i < self->found.regions.n; i++)
      gst_resnet18_report_prepare(self->found.report[i]);
}

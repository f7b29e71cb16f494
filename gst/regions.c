/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which parts of a frame are classified. */
#include "regions.h"
#include "metadata.h"

#include <math.h>
#include <string.h>

/* Whole string is a number >= 0. */
static gboolean parse_number(const gchar *text, gdouble *number) {
  gchar *end;
  *number = g_ascii_strtod(text, &end);
  return end != text && *end == '\0' && *number >= 0 && *number <= G_MAXUINT16;
}

gboolean gst_resnet18_roi_parse(const gchar *text, GstResnet18Roi *roi) {
  gdouble *const number[] = {&roi->x, &roi->y, &roi->w, &roi->h};
  gchar **part;
  gboolean good;
  *roi = (GstResnet18Roi){0};
  if (!text || !*text)
    return TRUE;
  part = g_strsplit(text, ",", -1);
  good = g_strv_length(part) == G_N_ELEMENTS(number);
  for (guint i = 0; good && i < G_N_ELEMENTS(number); i++)
    good = parse_number(g_strstrip(part[i]), number[i]);
  g_strfreev(part);
  roi->is_pixels = roi->x > 1 || roi->y > 1 || roi->w > 1 || roi->h > 1;
  return good && roi->w > 0 && roi->h > 0;
}

void gst_resnet18_regions_add(GstResnet18Regions *regions, const GstResnet18Region *region, guint width, guint height) {
  gint64 left = CLAMP((gint64)region->x, 0, width), right = CLAMP((gint64)region->x + region->w, 0, width);
  gint64 top = CLAMP((gint64)region->y, 0, height), bottom = CLAMP((gint64)region->y + region->h, 0, height);
  GstResnet18Region *added;
  if (regions->n == GST_RESNET18_MAX_REGIONS || right <= left || bottom <= top)
    return;
  added = &regions->region[regions->n++];
  *added = *region;
  added->x = (gint)left;
  added->y = (gint)top;
  added->w = (gint)(right - left);
  added->h = (gint)(bottom - top);
}

void gst_resnet18_regions_from_roi(GstResnet18Regions *regions, const GstResnet18Roi *roi, guint width, guint height) {
  gdouble sx = roi->is_pixels ? 1 : width, sy = roi->is_pixels ? 1 : height;
  GstResnet18Region region = {.source = GST_RESNET18_REGION_PROPERTY,
                              .x = (gint)lround(roi->x * sx),
                              .y = (gint)lround(roi->y * sy),
                              .w = MAX(1, (gint)lround(roi->w * sx)),
                              .h = MAX(1, (gint)lround(roi->h * sy))};
  regions->n = 0;
  if (roi->w <= 0)
    region = (GstResnet18Region){.source = GST_RESNET18_REGION_FRAME, .w = (gint)width, .h = (gint)height};
  gst_resnet18_regions_add(regions, &region, width, height);
}

static gint to_int(guint value) {
  return (gint)MIN(value, (guint)G_MAXINT);
}

void gst_resnet18_regions_from_buffer(GstResnet18Regions *regions, GstBuffer *buffer, guint width, guint height) {
  gpointer state = NULL;
  GstMeta *meta;
  regions->n = 0;
  while ((meta = gst_buffer_iterate_meta_filtered(buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))) {
    const GstVideoRegionOfInterestMeta *roi = (GstVideoRegionOfInterestMeta *)meta;
    GstResnet18Region region = {.source = GST_RESNET18_REGION_META,
                                .id = roi->id,
                                .x = to_int(roi->x),
                                .y = to_int(roi->y),
                                .w = to_int(roi->w),
                                .h = to_int(roi->h)};
    gst_resnet18_regions_add(regions, &region, width, height);
  }
  gst_resnet18_analytics_add_regions(regions, buffer, width, height);
}

/* Shared pixels in parts of all pixels of both. */
static gdouble overlap(const GstResnet18Region *a, const GstResnet18Region *b) {
  gdouble w = MIN(a->x + a->w, b->x + b->w) - MAX(a->x, b->x), h = MIN(a->y + a->h, b->y + b->h) - MAX(a->y, b->y);
  gdouble shared = w > 0 && h > 0 ? w * h : 0;
  return shared / ((gdouble)a->w * a->h + (gdouble)b->w * b->h - shared);
}

/* Detectors that do not track give all their regions the same id. */
gboolean gst_resnet18_region_is_named(const GstResnet18Regions *regions, const GstResnet18Region *region) {
  guint same = 0;
  for (guint i = 0; i < regions->n; i++)
    same += regions->region[i].source == region->source && regions->region[i].id == region->id;
  return same == 1 && region->id != 0;
}

const GstResnet18Region *gst_resnet18_regions_find(const GstResnet18Regions *regions, const GstResnet18Region *region) {
  const GstResnet18Region *best = NULL;
  gdouble most = 0.5;
  for (guint i = 0; i < regions->n; i++) {
    const GstResnet18Region *r = &regions->region[i];
    if (r->source != region->source || r->id != region->id)
      continue;
    if (gst_resnet18_region_is_named(regions, r))
      return r;
    if (overlap(r, region) >= most) {
      best = r;
      most = overlap(r, region);
    }
  }
  return best;
}

void gst_resnet18_region_tie(GstBuffer *buffer, const GstResnet18Region *region, GstStructure *result) {
  gpointer state = NULL;
  GstMeta *meta;
  while ((meta = gst_buffer_iterate_meta_filtered(buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))) {
    GstVideoRegionOfInterestMeta *roi = (GstVideoRegionOfInterestMeta *)meta;
    GstResnet18Regions one = {.n = 0};
    GstResnet18Region whole = {
        .id = roi->id, .x = to_int(roi->x), .y = to_int(roi->y), .w = to_int(roi->w), .h = to_int(roi->h)};
    gst_resnet18_regions_add(&one, &whole, G_MAXUINT16, G_MAXUINT16);
    if (one.n == 1 && roi->id == region->id && one.region[0].x == region->x && one.region[0].y == region->y) {
      gst_video_region_of_interest_meta_add_param(roi, result);
      return;
    }
  }
  gst_structure_free(result);
}

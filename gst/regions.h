/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which parts of a frame are classified: all of it, the property roi, or what a detector upstream has marked. */
#ifndef GST_RESNET18_REGIONS_H
#define GST_RESNET18_REGIONS_H

#include <gst/video/video.h>

G_BEGIN_DECLS

/* Regions of one frame that are classified; further ones are left out. */
#define GST_RESNET18_MAX_REGIONS 16

typedef enum {
  GST_RESNET18_REGION_FRAME,     /* the whole frame */
  GST_RESNET18_REGION_PROPERTY,  /* the property roi */
  GST_RESNET18_REGION_META,      /* a GstVideoRegionOfInterestMeta */
  GST_RESNET18_REGION_ANALYTICS, /* a GstAnalyticsODMtd */
} GstResnet18RegionSource;

/* In pixels, inside the frame. */
typedef struct {
  GstResnet18RegionSource source;
  gint id;      /* the detector's, of one object over time; 0 = it tells none apart */
  guint handle; /* of the GstAnalyticsODMtd in its frame */
  gint x, y, w, h;
} GstResnet18Region;

typedef struct {
  GstResnet18Region region[GST_RESNET18_MAX_REGIONS];
  guint n;
} GstResnet18Regions;

/* The property roi. */
typedef struct {
  gdouble x, y, w, h; /* w 0 = the whole frame */
  gboolean is_pixels; /* else parts of the frame's size */
} GstResnet18Roi;

/* "x,y,w,h": pixels, or parts of the frame's size where all are at most 1. NULL and "" are the whole frame. */
gboolean gst_resnet18_roi_parse(const gchar *text, GstResnet18Roi *roi);

/* The property's region in a frame of this size; none if it lies outside. */
void gst_resnet18_regions_from_roi(GstResnet18Regions *regions, const GstResnet18Roi *roi, guint width, guint height);
/* The detector's regions on this buffer, cut to the frame. */
void gst_resnet18_regions_from_buffer(GstResnet18Regions *regions, GstBuffer *buffer, guint width, guint height);
/* Adds a region, cut to the frame; nothing if nothing is left or there are too many. */
void gst_resnet18_regions_add(GstResnet18Regions *regions, const GstResnet18Region *region, guint width, guint height);

/* Whether the region has an id that no other region of its frame has. */
gboolean gst_resnet18_region_is_named(const GstResnet18Regions *regions, const GstResnet18Region *region);
/* The region that shows the same object, NULL = none: the one with the same id, or, among those with the same id or
 * none, the one that covers at least half of the same pixels. */
const GstResnet18Region *gst_resnet18_regions_find(const GstResnet18Regions *regions, const GstResnet18Region *region);

/* Adds the result, which is taken, to the GstVideoRegionOfInterestMeta that the region came from. */
void gst_resnet18_region_tie(GstBuffer *buffer, const GstResnet18Region *region, GstStructure *result);

G_END_DECLS

#endif

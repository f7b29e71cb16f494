/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counts and times of one element. Written by the streaming thread, read by anybody. */
#ifndef GST_RESNET18_STATS_H
#define GST_RESNET18_STATS_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef enum {
  GST_RESNET18_FRAMES,     /* passed */
  GST_RESNET18_CLASSIFIED, /* whose own result came */
  GST_RESNET18_SKIPPED,    /* not due, or not readable */
  GST_RESNET18_LATE,       /* were due, but downstream was behind */
  GST_RESNET18_DROPPED,    /* were due, but a newer one took the place, or a flush came */
  GST_RESNET18_REUSED,     /* were due, but like the last classified one */
  GST_RESNET18_N_COUNTS
} GstResnet18Count;

typedef struct _GstResnet18Stats GstResnet18Stats;

GstResnet18Stats *gst_resnet18_stats_new(void);
void gst_resnet18_stats_free(GstResnet18Stats *stats);
void gst_resnet18_stats_reset(GstResnet18Stats *stats);

void gst_resnet18_stats_count(GstResnet18Stats *stats, GstResnet18Count count, guint n);
/* A frame has passed, and was so long in the element. */
void gst_resnet18_stats_passed(GstResnet18Stats *stats, GstClockTime took);
/* A frame's own result has come, so long after its arrival. */
void gst_resnet18_stats_classified(GstResnet18Stats *stats, GstClockTime latency);
/* A structure "resnet18-stats" with the counts, and p50, p99 (of the last 1024) and max of the times. */
GstStructure *gst_resnet18_stats_to_structure(GstResnet18Stats *stats);

G_END_DECLS

#endif

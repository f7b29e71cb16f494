/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counts and times of one element. */
#include "stats.h"

#include <string.h>

/* Times of which percentiles are taken. */
#define WINDOW 1024

typedef enum { LATENCY, BUFFER_TIME, N_TIMES } Which;

typedef struct {
  guint64 n;
  GstClockTime max;
  GstClockTime recent[WINDOW];
} Times;

struct _GstResnet18Stats {
  GMutex lock;
  guint64 count[GST_RESNET18_N_COUNTS];
  Times times[N_TIMES];
};

GstResnet18Stats *gst_resnet18_stats_new(void) {
  GstResnet18Stats *stats = g_new0(GstResnet18Stats, 1);
  g_mutex_init(&stats->lock);
  return stats;
}

void gst_resnet18_stats_free(GstResnet18Stats *stats) {
  g_mutex_clear(&stats->lock);
  g_free(stats);
}

void gst_resnet18_stats_reset(GstResnet18Stats *stats) {
  g_mutex_lock(&stats->lock);
  memset(stats->count, 0, sizeof stats->count);
  memset(stats->times, 0, sizeof stats->times);
  g_mutex_unlock(&stats->lock);
}

void gst_resnet18_stats_count(GstResnet18Stats *stats, GstResnet18Count count, guint n) {
  g_mutex_lock(&stats->lock);
  stats->count[count] += n;
  g_mutex_unlock(&stats->lock);
}

/* Counts a frame with its time. */
static void count_time(GstResnet18Stats *stats, GstResnet18Count count, Which which, GstClockTime time) {
  Times *times = &stats->times[which];
  g_mutex_lock(&stats->lock);
  stats->count[count]++;
  times->recent[times->n++ % WINDOW] = time;
  times->max = MAX(times->max, time);
  g_mutex_unlock(&stats->lock);
}

void gst_resnet18_stats_passed(GstResnet18Stats *stats, GstClockTime took) {
  count_time(stats, GST_RESNET18_FRAMES, BUFFER_TIME, took);
}

void gst_resnet18_stats_classified(GstResnet18Stats *stats, GstClockTime latency) {
  count_time(stats, GST_RESNET18_CLASSIFIED, LATENCY, latency);
}

static int compare_times(const void *a, const void *b) {
  GstClockTime x = *(const GstClockTime *)a, y = *(const GstClockTime *)b;
  return (x > y) - (x < y);
}

static void set_times(GstStructure *structure, Times *times, const gchar *p50, const gchar *p99, const gchar *max) {
  gsize n = MIN(times->n, WINDOW);
  qsort(times->recent, n, sizeof *times->recent, compare_times);
  gst_structure_set(structure, p50, G_TYPE_UINT64, n ? times->recent[n / 2] : 0, p99, G_TYPE_UINT64,
                    n ? times->recent[MIN(n - 1, n * 99 / 100)] : 0, max, G_TYPE_UINT64, times->max, NULL);
}

GstStructure *gst_resnet18_stats_to_structure(GstResnet18Stats *stats) {
  static const gchar *const names[GST_RESNET18_N_COUNTS] = {"frames", "classified", "skipped",
                                                            "late",   "dropped",    "reused"};
  GstStructure *structure = gst_structure_new_empty("resnet18-stats");
  GstResnet18Stats *copy = gst_resnet18_stats_new();
  g_mutex_lock(&stats->lock);
  memcpy(copy->count, stats->count, sizeof copy->count);
  memcpy(copy->times, stats->times, sizeof copy->times);
  g_mutex_unlock(&stats->lock);
  for (guint i = 0; i < GST_RESNET18_N_COUNTS; i++)
    gst_structure_set(structure, names[i], G_TYPE_UINT64, copy->count[i], NULL);
  set_times(structure, &copy->times[LATENCY], "latency-p50", "latency-p99", "latency-max");
  set_times(structure, &copy->times[BUFFER_TIME], "buffer-time-p50", "buffer-time-p99", "buffer-time-max");
  gst_resnet18_stats_free(copy);
  return structure;
}

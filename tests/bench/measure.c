/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the programs that measure the element share. */
#include "measure.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void samples_init(Samples *samples, gsize room) {
  samples->time = g_new(guint64, room);
  memset(samples->time, 0xff, room * sizeof(guint64));
  samples->n = 0;
  samples->room = room;
}

void samples_clear(Samples *samples) {
  g_clear_pointer(&samples->time, g_free);
}

void samples_add(Samples *samples, guint64 time) {
  if (samples->n < samples->room)
    samples->time[samples->n++] = time;
}

static int compare(const void *a, const void *b) {
  guint64 x = *(const guint64 *)a, y = *(const guint64 *)b;
  return (x > y) - (x < y);
}

guint64 samples_percentile(const Samples *samples, double part) {
  guint64 *sorted, value;
  if (samples->n == 0)
    return 0;
  sorted = g_memdup2(samples->time, samples->n * sizeof(guint64));
  qsort(sorted, samples->n, sizeof(guint64), compare);
  value = sorted[(gsize)((double)(samples->n - 1) * part)];
  g_free(sorted);
  return value;
}

void samples_print(const gchar *what, const Samples *samples) {
  g_print("%s: p50 %.3f, p99 %.3f, max %.3f ms (%" G_GSIZE_FORMAT ")\n", what,
          (double)samples_percentile(samples, 0.5) / 1e6, (double)samples_percentile(samples, 0.99) / 1e6,
          (double)samples_percentile(samples, 1) / 1e6, samples->n);
}

guint64 measure_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return GST_TIMESPEC_TO_TIME(now);
}

gsize measure_rss(void) {
  gchar *text = NULL;
  gsize pages = 0;
  if (g_file_get_contents("/proc/self/statm", &text, NULL, NULL))
    pages = strtoul(strchr(text, ' '), NULL, 10);
  g_free(text);
  return pages * (gsize)sysconf(_SC_PAGESIZE);
}

/* What follows `key` in a file, to the end of the line; "?" where it is not there. */
static gchar *line_of(const gchar *file, const gchar *key) {
  gchar *text = NULL, *found, *value;
  if (!g_file_get_contents(file, &text, NULL, NULL) || !(found = strstr(text, key))) {
    g_free(text);
    return g_strdup("?");
  }
  found += strlen(key);
  value = g_strndup(found, strcspn(found, "\n"));
  g_free(text);
  return g_strstrip(g_strdelimit(value, ":\"", ' '));
}

void measure_print_machine(void) {
  GDateTime *now = g_date_time_new_now_utc();
  gchar *cpu = line_of("/proc/cpuinfo", "model name"), *os = line_of("/etc/os-release", "PRETTY_NAME=");
  gchar *load = line_of("/proc/loadavg", ""), *gst = gst_version_string(), *date = g_date_time_format(now, "%F");
  g_print("%s, %ld CPUs, %.0f GB, %s, %s, %s, load %.4s\n", cpu, sysconf(_SC_NPROCESSORS_ONLN),
          (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / 1e9, os, gst, date, load);
  g_free(date);
  g_free(gst);
  g_free(load);
  g_free(os);
  g_free(cpu);
  g_date_time_unref(now);
}

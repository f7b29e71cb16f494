/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the programs that measure the element share: times and their percentiles, memory, and what machine this is. */
#ifndef MEASURE_H
#define MEASURE_H

#include <gst/gst.h>

/* Times in ns. The room is taken and touched at once, so that measuring does not let the process grow. */
typedef struct {
  guint64 *time;
  gsize n, room;
} Samples;

void samples_init(Samples *samples, gsize room);
void samples_clear(Samples *samples);
/* What does not fit is lost. */
void samples_add(Samples *samples, guint64 time);
/* part 0..1; 0 where there is none. */
guint64 samples_percentile(const Samples *samples, double part);
/* "WHAT: p50 0.123, p99 0.456, max 0.789 ms (1000)" */
void samples_print(const gchar *what, const Samples *samples);

/* Monotonic time in ns. */
guint64 measure_now(void);
/* Resident memory of this process in bytes. */
gsize measure_rss(void);
/* CPU, cores, memory, system, GStreamer, load, date. */
void measure_print_machine(void);

#endif

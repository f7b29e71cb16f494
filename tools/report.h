/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Printing what `resnet18 classify` found. */
#ifndef RESNET18_TOOLS_REPORT_H
#define RESNET18_TOOLS_REPORT_H

#include "resnet18.h"

#include <gst/gst.h>
#include <stdbool.h>

typedef struct {
  const char *input;                                     /* as the user named it */
  bool frame;                                            /* of a video; else a still picture */
  guint64 number;                                        /* of the frame, from 0 */
  guint64 frames;                                        /* of a video whose scores are a mean of so many; else 0 */
  int width, height;                                     /* of the decoded picture or frame, in pixels */
  GstClockTime pts, running_time, stream_time, duration; /* GST_CLOCK_TIME_NONE = unknown */
  GstClockTime inference_time;
  const char *model, *precision;
  const resnet18_class *best;
  size_t n_best;
  resnet18_labels *labels;
  double uncertainty;
} report;

/* The times of a frame. */
void report_set_times(report *r, GstSample *sample);

/* An object with the element's result in it, without a line's end; to be freed. */
char *report_to_json(const report *r);

/* The same as a line on standard output. */
void report_json(const report *r);

/* A block for a picture; a line for a frame, below report_heading. */
void report_picture(const report *r);
void report_heading(const char *input);
void report_frame(const report *r);

#endif

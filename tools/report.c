/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Printing what `resnet18 classify` found. */
#include "report.h"

#include "result.h"
#include "result_json.h"

#include <stdio.h>

void report_set_times(report *r, GstSample *sample) {
  const GstSegment *segment = gst_sample_get_segment(sample);
  const GstBuffer *buffer = gst_sample_get_buffer(sample);
  r->pts = GST_BUFFER_PTS(buffer);
  r->duration = GST_BUFFER_DURATION(buffer);
  r->running_time = gst_segment_to_running_time(segment, GST_FORMAT_TIME, r->pts);
  r->stream_time = gst_segment_to_stream_time(segment, GST_FORMAT_TIME, r->pts);
}

/* ---- JSON ---------------------------------------------------------------------------------------------- */

char *report_to_json(const report *r) {
  const GstResnet18ResultFields fields = {.model = r->model,
                                          .pts = r->pts,
                                          .running_time = r->running_time,
                                          .stream_time = r->stream_time,
                                          .duration = r->duration,
                                          .inference_time = r->inference_time,
                                          .best = r->best,
                                          .n_best = r->n_best,
                                          .labels = r->labels,
                                          .uncertainty = r->uncertainty};
  GstStructure *result = gst_resnet18_result_new(&fields);
  GString *json = g_string_new("{\"input\":");
  gst_resnet18_json_append_string(json, r->input);
  if (r->frame)
    g_string_append_printf(json, ",\"frame\":%" G_GUINT64_FORMAT, r->number);
  if (r->frames)
    g_string_append_printf(json, ",\"frames\":%" G_GUINT64_FORMAT, r->frames);
  g_string_append_printf(json, ",\"width\":%d,\"height\":%d,\"precision\":\"%s\",", r->width, r->height, r->precision);
  gst_resnet18_json_append_members(json, result);
  g_string_append_c(json, '}');
  gst_structure_free(result);
  return g_string_free(json, FALSE);
}

void report_json(const report *r) {
  char *json = report_to_json(r);
  puts(json);
  fflush(stdout); /* whoever reads a live stream's answers wants them now */
  g_free(json);
}

/* ---- Text ---------------------------------------------------------------------------------------------- */

/* File names may hold anything; a terminal obeys control characters. */
static void print_name(const char *name) {
  char *text = g_utf8_make_valid(name, -1);
  for (char *c = text; *c; c++)
    if ((unsigned char)*c < 0x20 || *c == 0x7f)
      *c = '?';
  fputs(text, stdout);
  g_free(text);
}

static const char *label(const report *r, size_t i) {
  return resnet18_labels_name(r->labels, r->best[i].index);
}

void report_picture(const report *r) {
  report_heading(r->input);
  for (size_t i = 0; i < r->n_best; i++)
    printf("  %5.1f %%  %s\n", 100.0 * (double)r->best[i].score, label(r, i));
  if (r->n_best == 0)
    puts("  no class reaches the threshold");
  fflush(stdout);
}

void report_heading(const char *input) {
  print_name(input);
  puts("");
  fflush(stdout);
}

/* Minutes, seconds and milliseconds of the stream; the frame's number where it has no time. */
static void print_time(const report *r) {
  const GstClockTime time = GST_CLOCK_TIME_IS_VALID(r->stream_time) ? r->stream_time : r->pts;
  if (GST_CLOCK_TIME_IS_VALID(time))
    printf("  %3u:%02u.%03u", (unsigned)(time / (60 * GST_SECOND)), (unsigned)(time / GST_SECOND % 60),
           (unsigned)(time / GST_MSECOND % 1000));
  else
    printf("  %10" G_GUINT64_FORMAT, r->number);
}

void report_frame(const report *r) {
  print_time(r);
  for (size_t i = 0; i < r->n_best; i++)
    printf("%s%4.1f %% %s", i ? ", " : "  ", 100.0 * (double)r->best[i].score, label(r, i));
  puts(r->n_best ? "" : "  -");
  fflush(stdout);
}

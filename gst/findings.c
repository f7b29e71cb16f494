/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Taking the results: what the pool has finished becomes the newest result, and is said where that was asked for. */
#include "gstresnet18classify_private.h"
#include "messages.h"

void gst_resnet18_classify_forget_result(GstResnet18Classify *self) {
  for (guint i = 0; i < self->found.regions.n; i++)
    gst_resnet18_report_free(self->found.report[i]);
  self->found.regions.n = 0;
  self->overlay_stale = TRUE;
}

GstClockTime gst_resnet18_classify_age(GstResnet18Classify *self, const Moment *moment) {
  const Found *found = &self->found;
  if (GST_CLOCK_TIME_IS_VALID(found->running_time) && GST_CLOCK_TIME_IS_VALID(moment->running_time))
    return moment->running_time > found->running_time ? moment->running_time - found->running_time : 0;
  return moment->entered > found->entered ? moment->entered - found->entered : 0;
}

static guint heard(GstResnet18Classify *self, guint signal) {
  return g_signal_has_handler_pending(self, gst_resnet18_classify_signals[signal], 0, FALSE) ? 1u << signal : 0;
}

guint gst_resnet18_classify_heard(GstResnet18Classify *self) {
  return heard(self, SIGNAL_CLASSIFIED) | heard(self, SIGNAL_EVENT);
}

/* Says a result where it was asked for. No lock is held. */
static void announce(GstResnet18Classify *self, GstResnet18Report *report, guint listened, GstClockTime age) {
  const gboolean classified = listened & 1u << SIGNAL_CLASSIFIED;
  const gboolean event = report->event && listened & 1u << SIGNAL_EVENT;
  const gboolean message = self->now.post_messages == GST_RESNET18_POST_ALL ||
                           (self->now.post_messages == GST_RESNET18_POST_CHANGES && report->event);
  GstStructure *result;
  if (!classified && !event && !message)
    return;
  result = gst_resnet18_report_copy(report, age);
  if (classified)
    g_signal_emit(self, gst_resnet18_classify_signals[SIGNAL_CLASSIFIED], 0, result);
  if (event)
    g_signal_emit(self, gst_resnet18_classify_signals[SIGNAL_EVENT], 0, result);
  if (message)
    gst_resnet18_post_result(GST_ELEMENT(self), result);
  gst_structure_free(result);
}

/* The job gets the old reports, whose memory is then given back while a frame is read, which takes long anyway. */
static void exchange_reports(Found *found, GstResnet18Job *job) {
  const guint n = MAX(found->regions.n, job->regions.n);
  for (guint i = 0; i < n; i++) {
    GstResnet18Report *old = i < found->regions.n ? found->report[i] : NULL;
    found->report[i] = job->report[i];
    job->report[i] = old;
    found->regions.region[i] = job->regions.region[i];
  }
  found->regions.n = job->regions.n;
}

static void take_result(GstResnet18Classify *self, GstResnet18Job *job, const Moment *moment) {
  GstClockTime age;
  exchange_reports(&self->found, job);
  self->overlay_stale = TRUE;
  self->found.running_time = job->running_time;
  self->found.entered = job->entered;
  self->still.answered = TRUE;
  age = gst_resnet18_classify_age(self, moment);
  for (guint i = 0; i < job->n_pictures; i++)
    announce(self, self->found.report[i], job->heard, age);
}

void gst_resnet18_classify_settle(GstResnet18Classify *self) {
  GstResnet18Job *job = g_steal_pointer(&self->spent);
  if (!job)
    return;
  gst_resnet18_stats_classified(self->stats, job->finished - job->entered);
  gst_resnet18_stream_recycle(self->engine->stream, job);
}

void gst_resnet18_classify_collect(GstResnet18Classify *self, const Moment *moment) {
  GstResnet18Job *job;
  while ((job = gst_resnet18_stream_take(self->engine->stream))) {
    gst_resnet18_classify_settle(self);
    take_result(self, job, moment);
    self->spent = job;
  }
}

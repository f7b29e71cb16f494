/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which frames are classified, and reading them into jobs for the pool. */
#include "gstresnet18classify_private.h"

/* Keeps the average rate: a frame that comes late does not put off those after it, unless it is very late. */
static gboolean rate_allows(GstResnet18Classify *self, const Moment *moment) {
  GstClockTime period, now = GST_CLOCK_TIME_IS_VALID(moment->running_time) ? moment->running_time : moment->entered;
  if (self->now.max_rate_n == 0)
    return TRUE;
  period = gst_util_uint64_scale_int(GST_SECOND, self->now.max_rate_d, self->now.max_rate_n);
  if (GST_CLOCK_TIME_IS_VALID(self->due_at) && now < self->due_at && self->due_at - now <= period)
    return FALSE;
  if (!GST_CLOCK_TIME_IS_VALID(self->due_at) || now < self->due_at || now - self->due_at >= period)
    self->due_at = now;
  self->due_at += period;
  return TRUE;
}

/* Whether downstream has said that frames of this time come too late. */
static gboolean is_late(GstResnet18Classify *self, const Moment *moment) {
  GstClockTime earliest;
  GST_OBJECT_LOCK(self);
  earliest = self->earliest;
  GST_OBJECT_UNLOCK(self);
  return GST_CLOCK_TIME_IS_VALID(earliest) && GST_CLOCK_TIME_IS_VALID(moment->running_time) &&
         moment->running_time <= earliest;
}

/* What becomes of the frame: GST_RESNET18_CLASSIFIED if it is due, else what it counts as. */
static GstResnet18Count decide(GstResnet18Classify *self, GstBuffer *buffer, const Moment *moment) {
  guint64 n = self->frames++;
  if (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP) || n % self->now.interval != 0)
    return GST_RESNET18_SKIPPED;
  if (is_late(self, moment))
    return GST_RESNET18_LATE;
  return rate_allows(self, moment) ? GST_RESNET18_CLASSIFIED : GST_RESNET18_SKIPPED;
}

static void find_regions(GstResnet18Classify *self, GstBuffer *buffer, GstResnet18Regions *regions) {
  guint width, height;
  gst_resnet18_frame_size(self->frame, &width, &height);
  if (self->now.roi_source == GST_RESNET18_ROI_META)
    gst_resnet18_regions_from_buffer(regions, buffer, width, height);
  else
    gst_resnet18_regions_from_roi(regions, &self->now.part, width, height);
}

static gboolean read_regions(GstResnet18Classify *self, GstResnet18Job *job, resnet18_error *error) {
  for (guint i = 0; i < job->regions.n; i++) {
    const GstResnet18Region *r = &job->regions.region[i];
    const GstResnet18Part part = {r->x, r->y, r->w, r->h};
    if (!gst_resnet18_frame_read(self->frame, &part, self->now.crop, job->rgb + (gsize)i * RESNET18_RGB_BYTES, error))
      return FALSE;
  }
  return TRUE;
}

/* The mapped frame's regions as a job; NULL without an error when a detector has marked none. */
static GstResnet18Job *read_mapped(GstResnet18Classify *self, GstBuffer *buffer, resnet18_error *error) {
  GstResnet18Regions regions;
  GstResnet18Job *job;
  find_regions(self, buffer, &regions);
  if (regions.n == 0) {
    if (self->now.roi_source == GST_RESNET18_ROI_FRAME)
      *error = (resnet18_error){RESNET18_ERROR_ARGUMENT, "property \"roi\": the part lies outside the frame"};
    return NULL;
  }
  job = gst_resnet18_stream_obtain(self->engine->stream, regions.n, self->now.cam);
  job->regions = regions;
  if (read_regions(self, job, error))
    return job;
  gst_resnet18_stream_recycle(self->engine->stream, job);
  return NULL;
}

static GstResnet18Job *read_frame(GstResnet18Classify *self, GstBuffer *buffer, resnet18_error *error) {
  GstResnet18Job *job;
  error->status = RESNET18_OK;
  if (!gst_resnet18_frame_map(self->frame, buffer, error))
    return NULL;
  job = read_mapped(self, buffer, error);
  gst_resnet18_frame_unmap(self->frame);
  return job;
}

static void renew_time(GstStructure *result, const gchar *field, GstClockTime time) {
  if (GST_CLOCK_TIME_IS_VALID(time))
    gst_structure_set(result, field, G_TYPE_UINT64, time, NULL);
  else
    gst_structure_remove_field(result, field);
}

/* The last result is this frame's too. Where it has not come yet, it will come with its own frame's times. */
static void reuse(GstResnet18Classify *self, const Moment *moment) {
  GstStructure *result;
  gst_resnet18_stats_count(self->stats, GST_RESNET18_REUSED, 1);
  if (!self->still.answered || self->found.regions.n != 1)
    return;
  result = gst_structure_copy(self->found.report[0]->structure);
  renew_time(result, "pts", moment->pts);
  renew_time(result, "running-time", moment->running_time);
  renew_time(result, "stream-time", gst_resnet18_classify_stream_time(self, moment));
  renew_time(result, "duration", moment->duration);
  gst_structure_remove_fields(result, "event", "previous", NULL);
  gst_resnet18_report_free(self->found.report[0]);
  self->found.report[0] = gst_resnet18_report_new(result, NULL);
  self->found.running_time = moment->running_time;
  self->found.entered = moment->entered;
}

static gboolean is_still(GstResnet18Classify *self, const GstResnet18Job *job) {
  if (self->now.static_threshold <= 0)
    return FALSE;
  if (gst_resnet18_still_is_same(&self->still, job, self->now.static_threshold))
    return TRUE;
  gst_resnet18_still_keep(&self->still, job);
  return FALSE;
}

static GstResnet18Criteria criteria_of(const GstResnet18Settings *s) {
  return (GstResnet18Criteria){.top_k = s->top_k,
                               .threshold = s->threshold,
                               .smoothing = s->smoothing,
                               .hysteresis = s->hysteresis,
                               .groups = s->groups};
}

static void submit(GstResnet18Classify *self, GstResnet18Job *job, const Moment *moment) {
  job->pts = moment->pts;
  job->running_time = moment->running_time;
  job->stream_time = gst_resnet18_classify_stream_time(self, moment);
  job->duration = moment->duration;
  job->entered = moment->entered;
  job->hurried = gst_resnet18_classify_is_sync(self);
  job->heard = gst_resnet18_classify_heard(self);
  job->criteria = criteria_of(&self->now);
  if (gst_resnet18_stream_submit(self->engine->stream, job))
    gst_resnet18_stats_count(self->stats, GST_RESNET18_DROPPED, 1);
}

/* Whether the frame has waited for its result. */
static gboolean classify(GstResnet18Classify *self, GstBuffer *buffer, const Moment *moment) {
  resnet18_error error;
  GstResnet18Job *job = read_frame(self, buffer, &error);
  if (!job) {
    if (error.status != RESNET18_OK)
      gst_resnet18_classify_complain(self, &error);
    gst_resnet18_stats_count(self->stats, GST_RESNET18_SKIPPED, 1);
    return FALSE;
  }
  if (is_still(self, job)) {
    gst_resnet18_stream_recycle(self->engine->stream, job);
    reuse(self, moment);
    return FALSE;
  }
  submit(self, job, moment);
  if (!gst_resnet18_classify_is_sync(self) || !gst_resnet18_stream_wait(self->engine->stream))
    return FALSE;
  gst_resnet18_classify_collect(self, moment);
  gst_resnet18_classify_settle(self);
  return TRUE;
}

gboolean gst_resnet18_classify_take_in(GstResnet18Classify *self, GstBuffer *buffer, const Moment *moment) {
  GstResnet18Count fate = decide(self, buffer, moment);
  if (fate == GST_RESNET18_CLASSIFIED)
    return classify(self, buffer, moment);
  gst_resnet18_stats_count(self->stats, fate, 1);
  return FALSE;
}

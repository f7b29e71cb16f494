/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Taking the results: what the pool has finished becomes the newest result, and is said where that was asked for. */
#include "cam.h"
#include "groups.h"
#include "gstresnet18classify_private.h"
#include "messages.h"
#include "result.h"

/* Objects that are remembered; a tracker that gives out ever new ids must not fill the memory. */
#define MAX_TRACKS 256

void gst_resnet18_classify_forget_result(GstResnet18Classify *self) {
  for (guint i = 0; i < self->found.regions.n; i++)
    gst_structure_free(self->found.result[i]);
  self->found.regions.n = 0;
  self->overlay_stale = TRUE;
}

GstClockTime gst_resnet18_classify_age(GstResnet18Classify *self, const Moment *moment) {
  const Found *found = &self->found;
  if (GST_CLOCK_TIME_IS_VALID(found->running_time) && GST_CLOCK_TIME_IS_VALID(moment->running_time))
    return moment->running_time > found->running_time ? moment->running_time - found->running_time : 0;
  return moment->entered > found->entered ? moment->entered - found->entered : 0;
}

/* What a result says only on request. */
typedef struct {
  const gchar *group;
  gdouble group_score;
  gboolean has_cam;
  gfloat cam[GST_RESNET18_CAM_CELLS];
} Extras;

static void find_extras(GstResnet18Classify *self, const GstResnet18Job *job, guint picture,
                        const GstResnet18Verdict *verdict, const gfloat *scores, Extras *extras) {
  extras->group = NULL;
  if (self->now.groups)
    extras->group = gst_resnet18_groups_best(self->engine->groups, scores, self->engine->classes, &extras->group_score);
  extras->has_cam = self->now.cam && job->want_features && verdict->n_best > 0;
  if (extras->has_cam)
    gst_resnet18_cam(gst_resnet18_pool_model(self->engine->pool), verdict->best[0].index,
                     job->features + (gsize)picture * GST_RESNET18_CAM_CELLS * RESNET18_FEATURES, extras->cam);
}

static GstStructure *make_result(GstResnet18Classify *self, const GstResnet18Job *job, const GstResnet18Region *region,
                                 const GstResnet18Verdict *verdict, const Extras *extras, GstClockTime age) {
  GstResnet18ResultFields fields = {.model = self->engine->source,
                                    .pts = job->pts,
                                    .running_time = job->running_time,
                                    .stream_time = job->stream_time,
                                    .duration = job->duration,
                                    .age = age,
                                    .inference_time = job->inference_time,
                                    .has_roi = region->source != GST_RESNET18_REGION_FRAME,
                                    .roi_id = region->id,
                                    .roi_x = region->x,
                                    .roi_y = region->y,
                                    .roi_w = region->w,
                                    .roi_h = region->h,
                                    .best = verdict->best,
                                    .n_best = verdict->n_best,
                                    .labels = self->engine->labels,
                                    .uncertainty = verdict->uncertainty,
                                    .unknown = verdict->unknown,
                                    .event = verdict->event,
                                    .previous = verdict->has_previous ? &verdict->previous : NULL,
                                    .group = extras->group,
                                    .group_score = extras->group_score,
                                    .cam = extras->has_cam ? extras->cam : NULL};
  return gst_resnet18_result_new(&fields);
}

/* Says a result where it was asked for. No lock is held. */
static void announce(GstResnet18Classify *self, const GstStructure *result, const GstResnet18Verdict *verdict) {
  g_signal_emit(self, gst_resnet18_classify_signals[SIGNAL_CLASSIFIED], 0, result);
  if (verdict->event)
    g_signal_emit(self, gst_resnet18_classify_signals[SIGNAL_EVENT], 0, result);
  if (self->now.post_messages == GST_RESNET18_POST_ALL ||
      (self->now.post_messages == GST_RESNET18_POST_CHANGES && verdict->event))
    gst_resnet18_post_result(GST_ELEMENT(self), result);
}

/* What is remembered of one object. */
static GstResnet18Track *track_of(GstResnet18Classify *self, gint64 key) {
  GstResnet18Track *track = g_hash_table_lookup(self->tracks, &key);
  if (track)
    return track;
  if (g_hash_table_size(self->tracks) >= MAX_TRACKS)
    g_hash_table_remove_all(self->tracks);
  track = gst_resnet18_track_new(self->engine->classes);
  g_hash_table_insert(self->tracks, g_memdup2(&key, sizeof key), track);
  return track;
}

/* Objects are told apart by the detector's ids; where it gives none, by where they were on the frame before. */
static gint64 key_of(GstResnet18Classify *self, const GstResnet18Job *job, const GstResnet18Region *region,
                     const Found *before) {
  const GstResnet18Region *same;
  if (region->source < GST_RESNET18_REGION_META || gst_resnet18_region_is_named(&job->regions, region))
    return (gint64)region->source << 32 | (guint32)region->id;
  same = gst_resnet18_regions_find(&before->regions, region);
  return same ? before->track[same - before->regions.region] : -(++self->nameless);
}

static void take_picture(GstResnet18Classify *self, const GstResnet18Job *job, guint i, const Found *before,
                         GstClockTime age) {
  const GstResnet18Region *region = &job->regions.region[i];
  GstClockTime time = GST_CLOCK_TIME_IS_VALID(job->running_time) ? job->running_time : job->entered;
  gint64 key = key_of(self, job, region, before);
  GstResnet18Track *track = track_of(self, key);
  GstResnet18Verdict verdict;
  Extras extras;
  gst_resnet18_track_update(track, &self->now, job->logits + i * self->engine->classes, time, &verdict);
  find_extras(self, job, i, &verdict, gst_resnet18_track_scores(track), &extras);
  self->found.result[i] = make_result(self, job, region, &verdict, &extras, age);
  self->found.track[i] = key;
  self->found.regions.region[i] = *region;
  self->found.regions.n = i + 1;
  announce(self, self->found.result[i], &verdict);
}

static void take_result(GstResnet18Classify *self, const GstResnet18Job *job, const Moment *moment) {
  const Found before = self->found;
  gst_resnet18_classify_forget_result(self);
  self->found.running_time = job->running_time;
  self->found.entered = job->entered;
  self->still.answered = TRUE;
  gst_resnet18_stats_count(self->stats, GST_RESNET18_CLASSIFIED, 1);
  gst_resnet18_stats_time(self->stats, GST_RESNET18_LATENCY, job->finished - job->entered);
  for (guint i = 0; i < job->n_pictures; i++)
    take_picture(self, job, i, &before, gst_resnet18_classify_age(self, moment));
}

void gst_resnet18_classify_collect(GstResnet18Classify *self, const Moment *moment) {
  GstResnet18Job *job;
  while ((job = gst_resnet18_stream_take(self->engine->stream))) {
    take_result(self, job, moment);
    gst_resnet18_stream_recycle(self->engine->stream, job);
  }
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a forward pass to reports. */
#include "judge.h"
#include "cam_map.h"
#include "groups.h"
#include "result.h"
#include "track.h"

/* Objects that are remembered; a tracker that gives out ever new ids must not fill the memory. */
#define MAX_TRACKS 256

/* The regions of a frame, and the key of each one's object. */
typedef struct {
  GstResnet18Regions regions;
  gint64 track[GST_RESNET18_MAX_REGIONS];
} Scene;

struct _GstResnet18Judge {
  resnet18_model *model;
  resnet18_labels *labels;
  const guint8 *groups;
  const gchar *source;
  gsize classes;

  GHashTable *tracks; /* GstResnet18Track by the key of an object */
  Scene last;
  gint64 nameless; /* objects so far that the detector did not tell apart */
  guint generation;
};

GstResnet18Judge *gst_resnet18_judge_new(resnet18_model *model, resnet18_labels *labels, const guint8 *groups,
                                         const gchar *source) {
  GstResnet18Judge *j = g_new0(GstResnet18Judge, 1);
  j->model = model;
  j->labels = labels;
  j->groups = groups;
  j->source = source;
  j->classes = resnet18_model_classes(model);
  j->tracks = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, (GDestroyNotify)gst_resnet18_track_free);
  return j;
}

void gst_resnet18_judge_free(GstResnet18Judge *j) {
  if (!j)
    return;
  g_hash_table_unref(j->tracks);
  g_free(j);
}

/* ---- Objects ------------------------------------------------------------------------------------------- */

/* What is remembered of one object. */
static GstResnet18Track *track_of(GstResnet18Judge *j, gint64 key) {
  GstResnet18Track *track = g_hash_table_lookup(j->tracks, &key);
  if (track)
    return track;
  if (g_hash_table_size(j->tracks) >= MAX_TRACKS)
    g_hash_table_remove_all(j->tracks);
  track = gst_resnet18_track_new(j->classes);
  g_hash_table_insert(j->tracks, g_memdup2(&key, sizeof key), track);
  return track;
}

/* Objects are told apart by the detector's ids; where it gives none, by where they were on the frame before. */
static gint64 key_of(GstResnet18Judge *j, const GstResnet18Job *job, const GstResnet18Region *region) {
  const GstResnet18Region *same;
  if (region->source < GST_RESNET18_REGION_META || gst_resnet18_region_is_named(&job->regions, region))
    return (gint64)region->source << 32 | (guint32)region->id;
  same = gst_resnet18_regions_find(&j->last.regions, region);
  return same ? j->last.track[same - j->last.regions.region] : -(++j->nameless);
}

/* ---- Reports ------------------------------------------------------------------------------------------- */

/* What a result says only on request. */
typedef struct {
  const gchar *group;
  gdouble group_score;
  gboolean has_cam;
  gfloat cam[GST_RESNET18_CAM_CELLS];
} Extras;

static void find_extras(GstResnet18Judge *j, const GstResnet18Job *job, guint picture,
                        const GstResnet18Verdict *verdict, const gfloat *scores, Extras *extras) {
  extras->group = NULL;
  extras->group_score = 0;
  if (job->criteria.groups)
    extras->group = gst_resnet18_groups_best(j->groups, scores, j->classes, &extras->group_score);
  extras->has_cam = job->want_features && verdict->n_best > 0;
  if (extras->has_cam)
    gst_resnet18_cam(j->model, verdict->best[0].index,
                     job->features + (gsize)picture * GST_RESNET18_CAM_CELLS * RESNET18_FEATURES, extras->cam);
}

static GstResnet18Report *make_report(GstResnet18Judge *j, const GstResnet18Job *job, const GstResnet18Region *region,
                                      const GstResnet18Verdict *verdict, const Extras *extras) {
  GstResnet18ResultFields fields = {.model = j->source,
                                    .pts = job->pts,
                                    .running_time = job->running_time,
                                    .stream_time = job->stream_time,
                                    .duration = job->duration,
                                    .inference_time = job->inference_time,
                                    .has_roi = region->source != GST_RESNET18_REGION_FRAME,
                                    .roi_id = region->id,
                                    .roi_x = region->x,
                                    .roi_y = region->y,
                                    .roi_w = region->w,
                                    .roi_h = region->h,
                                    .best = verdict->best,
                                    .n_best = verdict->n_best,
                                    .labels = j->labels,
                                    .uncertainty = verdict->uncertainty,
                                    .unknown = verdict->unknown,
                                    .event = verdict->event,
                                    .previous = verdict->has_previous ? &verdict->previous : NULL,
                                    .group = extras->group,
                                    .group_score = extras->group_score,
                                    .cam = extras->has_cam ? extras->cam : NULL};
  return gst_resnet18_report_new(gst_resnet18_result_new(&fields), verdict->event);
}

static void judge_picture(GstResnet18Judge *j, GstResnet18Job *job, guint i, Scene *scene) {
  const GstResnet18Region *region = &job->regions.region[i];
  GstClockTime time = GST_CLOCK_TIME_IS_VALID(job->running_time) ? job->running_time : job->entered;
  gint64 key = key_of(j, job, region);
  GstResnet18Track *track = track_of(j, key);
  GstResnet18Verdict verdict;
  Extras extras;
  gst_resnet18_track_update(track, &job->criteria, job->logits + i * j->classes, time, &verdict);
  find_extras(j, job, i, &verdict, gst_resnet18_track_scores(track), &extras);
  job->report[i] = make_report(j, job, region, &verdict, &extras);
  gst_resnet18_report_prepare(job->report[i]);
  scene->track[i] = key;
}

void gst_resnet18_judge_job(gpointer judge, GstResnet18Job *job) {
  GstResnet18Judge *j = judge;
  Scene scene = {.regions = job->regions};
  if (job->generation != j->generation) {
    g_hash_table_remove_all(j->tracks);
    j->last.regions.n = 0;
  }
  j->generation = job->generation;
  for (guint i = 0; i < job->n_pictures; i++)
    judge_picture(j, job, i, &scene);
  j->last = scene;
}

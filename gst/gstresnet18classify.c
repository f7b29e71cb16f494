/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-resnet18classify
 * @title: resnet18classify
 * @short_description: says what is on each video frame
 *
 * Classifies video frames with ResNet-18 on the CPU. The network, its weights and the names of ImageNet's 1000 classes
 * are built in. Frames leave as they came, with the result attached: as custom meta `GstResnet18Result`, as
 * GstAnalyticsClsMtd where GStreamer has it, and on request as message on the bus or as text on the picture.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 -m filesrc location=photo.jpg ! decodebin ! resnet18classify post-messages=all ! fakesink
 * ]| What is on the photo, on the terminal.
 * |[
 * gst-launch-1.0 v4l2src ! videoconvert ! resnet18classify overlay=true ! videoconvert ! autovideosink
 * ]| A camera's picture with the three most likely classes on it. The camera is live, so no frame waits.
 * |[
 * gst-launch-1.0 -m filesrc location=clip.mp4 ! decodebin ! resnet18classify interval=10 post-messages=changes !
 * fakesink
 * ]| Every tenth frame of a film; a message whenever the best class changes.
 */
#include "gstresnet18classify.h"
#include "cam.h"
#include "engine.h"
#include "frame.h"
#include "groups.h"
#include "loader.h"
#include "messages.h"
#include "metadata.h"
#include "overlay.h"
#include "result.h"
#include "stats.h"
#include "still.h"

#include <string.h>

GST_DEBUG_CATEGORY_EXTERN(gst_resnet18_classify_debug);
#define GST_CAT_DEFAULT gst_resnet18_classify_debug

/* Classified frames of which the slowest makes the latency that is declared, and what reading a frame may add to the
 * forward pass before any was seen. */
#define LATENCY_WINDOW 32
#define LATENCY_READING (2 * GST_MSECOND)

/* Objects that are remembered; a tracker that gives out ever new ids must not fill the memory. */
#define MAX_TRACKS 256

/* Times of the frame that is passing. */
typedef struct {
  GstClockTime pts, running_time, stream_time, duration;
  GstClockTime entered; /* monotonic */
} Moment;

/* What was found on the newest frame that was classified: a result for each region. */
typedef struct {
  GstStructure *result[GST_RESNET18_MAX_REGIONS];
  gint64 track[GST_RESNET18_MAX_REGIONS]; /* key of each region's object */
  GstResnet18Regions regions;             /* n 0 = nothing */
  GstClockTime running_time, entered;
} Found;

struct _GstResnet18Classify {
  GstBaseTransform parent;

  /* Guarded by the object lock. */
  GstResnet18Settings settings;
  GstResnet18Engine *engine; /* between start and stop; the streaming thread reads it without the lock */
  GstResnet18Loader *loader; /* between start and stop */
  GstClockTime earliest;     /* running time before which frames come too late downstream */
  gboolean interrupted;      /* a flush or a stop is going on: nobody may wait for a result */
  GstClockTime latency;      /* declared in the sync mode */

  /* Atomic. */
  gint settings_serial;
  gint live;             /* upstream is */
  gint overlay_outdated; /* downstream may have changed its mind about overlay metas */

  /* The streaming thread's. */
  GstResnet18Settings now;
  gint now_serial;
  GstVideoInfo info;
  GstCaps *caps;
  GstResnet18Frame *frame;
  GHashTable *tracks;          /* GstResnet18Track by the key of an object */
  gint64 nameless;             /* objects so far that the detector did not tell apart */
  GstResnet18Overlay *overlay; /* made when first needed */
  gboolean overlay_stale;      /* the result or the style is not the one it shows */
  Found found;
  GstResnet18Still still;
  Moment last;
  guint64 frames;      /* since the last break in the stream */
  GstClockTime due_at; /* not before, for max-rate; in running time, or monotonic where there is none */
  gboolean complained;
  GstClockTime slowest; /* of the last `n_slowest` classified frames */
  guint n_slowest;

  GstResnet18Stats *stats; /* has its own lock */
};

enum { SIGNAL_CLASSIFIED, SIGNAL_EVENT, N_SIGNALS };
static guint signals[N_SIGNALS];

G_DEFINE_TYPE(GstResnet18Classify, gst_resnet18_classify, GST_TYPE_BASE_TRANSFORM)

/* ---- Properties ---------------------------------------------------------------------------------------- */

static GstStructure *describe(GstResnet18Classify *self) {
  GstStructure *stats = gst_resnet18_stats_to_structure(self->stats);
  GST_OBJECT_LOCK(self);
  if (self->engine)
    gst_resnet18_engine_describe(self->engine, stats);
  GST_OBJECT_UNLOCK(self);
  return stats;
}

static void gst_resnet18_classify_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec) {
  GstResnet18Classify *self = GST_RESNET18_CLASSIFY(object);
  gboolean known;
  if (id == GST_RESNET18_PROP_STATS) {
    g_value_take_boxed(value, describe(self));
    return;
  }
  GST_OBJECT_LOCK(self);
  known = gst_resnet18_settings_get(&self->settings, id, value);
  GST_OBJECT_UNLOCK(self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

static void gst_resnet18_classify_set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec) {
  GstResnet18Classify *self = GST_RESNET18_CLASSIFY(object);
  resnet18_error error;
  gboolean known;
  GST_OBJECT_LOCK(self);
  known = gst_resnet18_settings_set(&self->settings, id, value, &error);
  g_atomic_int_inc(&self->settings_serial);
  if (self->loader && gst_resnet18_settings_concern_engine(id))
    gst_resnet18_loader_request(self->loader, &self->settings);
  GST_OBJECT_UNLOCK(self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  else if (error.status != RESNET18_OK)
    gst_resnet18_post_warning(GST_ELEMENT(self), spec->name, &error);
}

/* The streaming thread works on its own copy, made anew when a property has been set. */
static void refresh_settings(GstResnet18Classify *self) {
  gint serial = g_atomic_int_get(&self->settings_serial);
  if (serial == self->now_serial)
    return;
  GST_OBJECT_LOCK(self);
  gst_resnet18_settings_copy(&self->now, &self->settings);
  self->now_serial = g_atomic_int_get(&self->settings_serial);
  GST_OBJECT_UNLOCK(self);
  self->overlay_stale = TRUE;
}

/* ---- Start and stop ------------------------------------------------------------------------------------ */

static void forget_result(GstResnet18Classify *self) {
  for (guint i = 0; i < self->found.regions.n; i++)
    gst_structure_free(self->found.result[i]);
  self->found.regions.n = 0;
  self->overlay_stale = TRUE;
}

static void set_earliest(GstResnet18Classify *self, GstClockTime earliest) {
  GST_OBJECT_LOCK(self);
  self->earliest = earliest;
  GST_OBJECT_UNLOCK(self);
}

/* After a flush, a new segment or new caps: nothing from before may reach what comes. */
static void forget_past(GstResnet18Classify *self) {
  if (self->engine)
    gst_resnet18_stats_count(self->stats, GST_RESNET18_DROPPED, gst_resnet18_stream_flush(self->engine->stream));
  g_hash_table_remove_all(self->tracks);
  gst_resnet18_still_clear(&self->still);
  set_earliest(self, GST_CLOCK_TIME_NONE);
  forget_result(self);
  self->frames = 0;
  self->due_at = GST_CLOCK_TIME_NONE;
  self->last = (Moment){GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE, 0};
}

/* The properties say again what is in force, unless they have been changed once more. */
static void restore_settings(GstResnet18Classify *self, const GstResnet18Settings *refused) {
  GstResnet18Settings *s = &self->settings;
  GST_OBJECT_LOCK(self);
  if (self->engine && g_strcmp0(s->weights, refused->weights) == 0 && g_strcmp0(s->labels, refused->labels) == 0) {
    g_free(s->weights);
    g_free(s->labels);
    s->weights = g_strdup(self->engine->weights_path);
    s->labels = g_strdup(self->engine->labels_path);
    g_atomic_int_inc(&self->settings_serial);
  }
  GST_OBJECT_UNLOCK(self);
}

static void on_refused(gpointer user, const GstResnet18Settings *settings, const gchar *property,
                       const resnet18_error *error) {
  GstResnet18Classify *self = user;
  restore_settings(self, settings);
  gst_resnet18_post_warning(GST_ELEMENT(self), property, error);
}

static gboolean gst_resnet18_classify_start(GstBaseTransform *trans) {
  GstResnet18Classify *self = GST_RESNET18_CLASSIFY(trans);
  GstResnet18Engine *engine;
  const gchar *property;
  resnet18_error error;
  self->now_serial = g_atomic_int_get(&self->settings_serial) - 1;
  refresh_settings(self);
  engine = gst_resnet18_engine_open(&self->now, &property, &error);
  if (!engine) {
    gst_resnet18_post_error(GST_ELEMENT(self), property, &error);
    return FALSE;
  }
  gst_resnet18_stats_reset(self->stats);
  self->slowest = 0;
  self->n_slowest = 0;
  g_atomic_int_set(&self->live, FALSE);
  GST_OBJECT_LOCK(self);
  self->engine = engine;
  self->interrupted = FALSE;
  self->loader = gst_resnet18_loader_new(on_refused, self);
  self->latency = gst_resnet18_pool_pass_time(engine->pool) + LATENCY_READING;
  GST_OBJECT_UNLOCK(self);
  forget_past(self);
  GST_INFO_OBJECT(self, "weights %s, %" G_GSIZE_FORMAT " classes, kernels %s, %u threads", engine->source,
                  engine->classes, gst_resnet18_pool_kernels(engine->pool), gst_resnet18_pool_threads(engine->pool));
  return TRUE;
}

static gboolean gst_resnet18_classify_stop(GstBaseTransform *trans) {
  GstResnet18Classify *self = GST_RESNET18_CLASSIFY(trans);
  GstResnet18Engine *engine = self->engine;
  GstResnet18Loader *loader = self->loader;
  GST_OBJECT_LOCK(self);
  self->loader = NULL;
  GST_OBJECT_UNLOCK(self);
  gst_resnet18_loader_free(loader);
  GST_OBJECT_LOCK(self);
  self->engine = NULL;
  GST_OBJECT_UNLOCK(self);
  gst_resnet18_engine_close(engine);
  forget_past(self);
  g_clear_pointer(&self->overlay, gst_resnet18_overlay_free);
  g_clear_pointer(&self->frame, gst_resnet18_frame_free);
  gst_clear_caps(&self->caps);
  return TRUE;
}

/* Between two frames: what the old weights or labels said is not said of frames to come. */
static void replace_engine(GstResnet18Classify *self, GstResnet18Engine *engine) {
  GstResnet18Engine *old = self->engine;
  forget_past(self);
  GST_OBJECT_LOCK(self);
  self->engine = engine;
  gst_resnet18_stream_interrupt(engine->stream, self->interrupted);
  GST_OBJECT_UNLOCK(self);
  gst_resnet18_loader_retire(self->loader, old);
  GST_INFO_OBJECT(self, "weights are now %s", engine->source);
}

/* Ends or allows waiting for a result. From any thread. */
static void interrupt(GstResnet18Classify *self, gboolean interrupted) {
  GST_OBJECT_LOCK(self);
  self->interrupted = interrupted;
  if (self->engine)
    gst_resnet18_stream_interrupt(self->engine->stream, interrupted);
  GST_OBJECT_UNLOCK(self);
}

static GstStateChangeReturn gst_resnet18_classify_change_state(GstElement *element, GstStateChange transition) {
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    interrupt(GST_RESNET18_CLASSIFY(element), TRUE);
  return GST_ELEMENT_CLASS(gst_resnet18_classify_parent_class)->change_state(element, transition);
}

/* ---- Caps ---------------------------------------------------------------------------------------------- */

static void ask_whether_live(GstResnet18Classify *self) {
  GstQuery *query = gst_query_new_latency();
  gboolean live = FALSE;
  if (gst_pad_peer_query(GST_BASE_TRANSFORM_SINK_PAD(self), query))
    gst_query_parse_latency(query, &live, NULL, NULL);
  g_atomic_int_set(&self->live, live);
  gst_query_unref(query);
}

static gboolean gst_resnet18_classify_set_caps(GstBaseTransform *trans, GstCaps *in, GstCaps *out) {
  GstResnet18Classify *self = GST_RESNET18_CLASSIFY(trans);
  resnet18_error error;
  forget_past(self);
  g_clear_pointer(&self->frame, gst_resnet18_frame_free);
  if (!gst_video_info_from_caps(&self->info, in)) {
    GST_ERROR_OBJECT(self, "caps %" GST_PTR_FORMAT " do not describe video", in);
    return FALSE;
  }
  self->frame = gst_resnet18_frame_new(&self->info, &error);
  if (!self->frame) {
    gst_resnet18_post_error(GST_ELEMENT(self), NULL, &error);
    return FALSE;
  }
  gst_caps_replace(&self->caps, in);
  g_atomic_int_set(&self->overlay_outdated, TRUE);
  self->complained = FALSE;
  ask_whether_live(self);
  return TRUE;
}

/* ---- Latency ------------------------------------------------------------------------------------------- */

static gboolean is_sync(GstResnet18Mode mode, gboolean live) {
  return mode == GST_RESNET18_MODE_SYNC || (mode == GST_RESNET18_MODE_AUTO && !live);
}

static void add_latency(GstResnet18Classify *self, GstQuery *query) {
  GstClockTime min, max, latency;
  GstResnet18Mode mode;
  gboolean live;
  gst_query_parse_latency(query, &live, &min, &max);
  g_atomic_int_set(&self->live, live);
  GST_OBJECT_LOCK(self);
  mode = self->settings.mode;
  latency = self->latency;
  GST_OBJECT_UNLOCK(self);
  if (!is_sync(mode, live))
    return;
  gst_query_set_latency(query, live, min + latency, GST_CLOCK_TIME_IS_VALID(max) ? max + latency : max);
}

static gboolean gst_resnet18_classify_query(GstBaseTransform *trans, GstPadDirection direction, GstQuery *query) {
  gboolean answered = GST_BASE_TRANSFORM_CLASS(gst_resnet18_classify_parent_class)->query(trans, direction, query);
  if (answered && direction == GST_PAD_SRC && GST_QUERY_TYPE(query) == GST_QUERY_LATENCY)
    add_latency(GST_RESNET18_CLASSIFY(trans), query);
  return answered;
}

/* Declares the slowest of the last frames when that is more than 10 % off what was declared. */
static void watch_latency(GstResnet18Classify *self, GstClockTime took) {
  GstClockTime slowest;
  gboolean news;
  self->slowest = MAX(self->slowest, took);
  if (++self->n_slowest < LATENCY_WINDOW)
    return;
  slowest = self->slowest;
  self->slowest = 0;
  self->n_slowest = 0;
  GST_OBJECT_LOCK(self);
  news = slowest > self->latency + self->latency / 10 || slowest < self->latency - self->latency / 10;
  if (news)
    self->latency = slowest;
  GST_OBJECT_UNLOCK(self);
  if (news)
    gst_element_post_message(GST_ELEMENT(self), gst_message_new_latency(GST_OBJECT(self)));
}

/* ---- Results ------------------------------------------------------------------------------------------- */

static GstClockTime age_of(const Found *found, const Moment *moment) {
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
  g_signal_emit(self, signals[SIGNAL_CLASSIFIED], 0, result);
  if (verdict->event)
    g_signal_emit(self, signals[SIGNAL_EVENT], 0, result);
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
  forget_result(self);
  self->found.running_time = job->running_time;
  self->found.entered = job->entered;
  self->still.answered = TRUE;
  gst_resnet18_stats_count(self->stats, GST_RESNET18_CLASSIFIED, 1);
  gst_resnet18_stats_time(self->stats, GST_RESNET18_LATENCY, job->finished - job->entered);
  for (guint i = 0; i < job->n_pictures; i++)
    take_picture(self, job, i, &before, age_of(&self->found, moment));
}

static void collect_results(GstResnet18Classify *self, const Moment *moment) {
  GstResnet18Job *job;
  while ((job = gst_resnet18_stream_take(self->engine->stream))) {
    take_result(self, job, moment);
    gst_resnet18_stream_recycle(self->engine->stream, job);
  }
}

/* ---- Classifying --------------------------------------------------------------------------------------- */

/* Keeps the average rate: a frame that comes late does not put off those after it, unless it is very late. */
static gboolean rate_allows(GstResnet18Classify *self, const Moment *moment) {
  GstClockTime period, now = GST_CLOCK_TIME_IS_VALID(moment->running_time) ? moment->running_time : moment->entered;
  if (self->now.max_rate_n == 0)
    return TRUE;
  if (GST_CLOCK_TIME_IS_VALID(self->due_at) && now < self->due_at)
    return FALSE;
  period = gst_util_uint64_scale_int(GST_SECOND, self->now.max_rate_d, self->now.max_rate_n);
  if (!GST_CLOCK_TIME_IS_VALID(self->due_at) || now - self->due_at >= period)
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

/* Once for each caps, not for each frame. */
static void complain(GstResnet18Classify *self, const resnet18_error *error) {
  if (self->complained)
    return;
  self->complained = TRUE;
  gst_resnet18_post_warning(GST_ELEMENT(self), NULL, error);
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
  GstStructure *result = self->found.result[0];
  gst_resnet18_stats_count(self->stats, GST_RESNET18_REUSED, 1);
  if (!self->still.answered || self->found.regions.n != 1)
    return;
  renew_time(result, "pts", moment->pts);
  renew_time(result, "running-time", moment->running_time);
  renew_time(result, "stream-time", moment->stream_time);
  renew_time(result, "duration", moment->duration);
  gst_structure_remove_fields(result, "event", "previous", NULL);
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

static void submit(GstResnet18Classify *self, GstResnet18Job *job, const Moment *moment) {
  job->pts = moment->pts;
  job->running_time = moment->running_time;
  job->stream_time = moment->stream_time;
  job->duration = moment->duration;
  job->entered = moment->entered;
  if (gst_resnet18_stream_submit(self->engine->stream, job))
    gst_resnet18_stats_count(self->stats, GST_RESNET18_DROPPED, 1);
}

static void classify(GstResnet18Classify *self, GstBuffer *buffer, const Moment *moment) {
  resnet18_error error;
  GstResnet18Job *job = read_frame(self, buffer, &error);
  if (!job) {
    if (error.status != RESNET18_OK)
      complain(self, &error);
    gst_resnet18_stats_count(self->stats, GST_RESNET18_SKIPPED, 1);
    return;
  }
  if (is_still(self, job)) {
    gst_resnet18_stream_recycle(self->engine->stream, job);
    reuse(self, moment);
    return;
  }
  submit(self, job, moment);
  if (!is_sync(self->now.mode, g_atomic_int_get(&self->live)))
    return;
  if (gst_resnet18_stream_wait(self->engine->stream)) {
    collect_results(self, moment);
    watch_latency(self, gst_resnet18_now() - moment->entered);
  }
}

/* ---- Showing ------------------------------------------------------------------------------------------- */

static gboolean downstream_draws_overlays(GstResnet18Classify *self) {
  GstQuery *query;
  gboolean draws;
  if (gst_caps_features_contains(gst_caps_get_features(self->caps, 0),
                                 GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION))
    return TRUE;
  query = gst_query_new_allocation(self->caps, FALSE);
  draws = gst_pad_peer_query(GST_BASE_TRANSFORM_SRC_PAD(self), query) &&
          gst_query_find_allocation_meta(query, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL);
  gst_query_unref(query);
  return draws;
}

static void show_overlay(GstResnet18Classify *self, GstBuffer *buffer) {
  if (!self->overlay) {
    self->overlay = gst_resnet18_overlay_new();
    g_atomic_int_set(&self->overlay_outdated, TRUE);
    self->overlay_stale = TRUE;
  }
  if (g_atomic_int_compare_and_exchange(&self->overlay_outdated, TRUE, FALSE))
    gst_resnet18_overlay_set_info(self->overlay, &self->info, downstream_draws_overlays(self));
  if (self->overlay_stale)
    gst_resnet18_overlay_set_results(self->overlay, self->found.result, &self->found.regions, &self->now);
  self->overlay_stale = FALSE;
  if (!gst_resnet18_overlay_apply(self->overlay, buffer))
    complain(self, &(resnet18_error){RESNET18_ERROR_SYSTEM, "the buffer's memory cannot be mapped for the overlay"});
}

/* A region's result goes to the region where it is now; if that has gone, so has the result. */
static void attach_region(GstResnet18Classify *self, GstBuffer *buffer, guint i, const GstResnet18Regions *here,
                          GstClockTime age) {
  const GstResnet18Region *region = gst_resnet18_regions_find(here, &self->found.regions.region[i]);
  if (!region)
    return;
  gst_resnet18_metadata_attach(buffer, self->found.result[i], age);
  if (region->source == GST_RESNET18_REGION_META)
    gst_resnet18_region_tie(buffer, region, self->found.result[i]);
  gst_resnet18_analytics_attach(buffer, self->found.result[i], region);
}

static void attach(GstResnet18Classify *self, GstBuffer *buffer, GstClockTime age) {
  const Found *found = &self->found;
  GstResnet18Regions here;
  if (found->regions.region[0].source < GST_RESNET18_REGION_META) {
    gst_resnet18_metadata_attach(buffer, found->result[0], age);
    gst_resnet18_analytics_attach(buffer, found->result[0], NULL);
    return;
  }
  gst_resnet18_regions_from_buffer(&here, buffer, GST_VIDEO_INFO_WIDTH(&self->info),
                                   GST_VIDEO_INFO_HEIGHT(&self->info));
  for (guint i = 0; i < found->regions.n; i++)
    attach_region(self, buffer, i, &here, age);
}

static void show(GstResnet18Classify *self, GstBuffer *buffer, const Moment *moment) {
  GstClockTime age;
  if (self->found.regions.n == 0 || !gst_buffer_is_writable(buffer))
    return;
  age = age_of(&self->found, moment);
  if (age > self->now.max_age && !is_sync(self->now.mode, g_atomic_int_get(&self->live)))
    return;
  if (self->now.attach_meta)
    attach(self, buffer, age);
  if (self->now.overlay)
    show_overlay(self, buffer);
}

/* ---- Data flow ----------------------------------------------------------------------------------------- */

/* The base class passes buffers through as they are, which is right but for the meta and the overlay: those want a
 * buffer of our own around the same memory. */
static GstFlowReturn gst_resnet18_classify_submit_input_buffer(GstBaseTransform *trans, gboolean discont,
                                                               GstBuffer *buffer) {
  GstResnet18Classify *self = GST_RESNET18_CLASSIFY(trans);
  refresh_settings(self);
  if (self->now.attach_meta || self->now.overlay)
    buffer = gst_buffer_make_writable(buffer);
  return GST_BASE_TRANSFORM_CLASS(gst_resnet18_classify_parent_class)->submit_input_buffer(trans, discont, buffer);
}

static Moment moment_of(GstResnet18Classify *self, GstBuffer *buffer) {
  const GstSegment *segment = &GST_BASE_TRANSFORM(self)->segment;
  Moment moment = {GST_BUFFER_PTS(buffer), GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE, GST_BUFFER_DURATION(buffer),
                   gst_resnet18_now()};
  if (segment->format == GST_FORMAT_TIME && GST_CLOCK_TIME_IS_VALID(moment.pts)) {
    moment.running_time = gst_segment_to_running_time(segment, GST_FORMAT_TIME, moment.pts);
    moment.stream_time = gst_segment_to_stream_time(segment, GST_FORMAT_TIME, moment.pts);
  }
  return moment;
}

static GstFlowReturn gst_resnet18_classify_transform_ip(GstBaseTransform *trans, GstBuffer *buffer) {
  GstResnet18Classify *self = GST_RESNET18_CLASSIFY(trans);
  GstResnet18Engine *replacement = gst_resnet18_loader_take(self->loader);
  Moment moment = moment_of(self, buffer);
  GstResnet18Count fate;
  if (replacement)
    replace_engine(self, replacement);
  self->last = moment;
  gst_resnet18_stats_count(self->stats, GST_RESNET18_FRAMES, 1);
  collect_results(self, &moment);
  fate = decide(self, buffer, &moment);
  if (fate == GST_RESNET18_CLASSIFIED)
    classify(self, buffer, &moment);
  else
    gst_resnet18_stats_count(self->stats, fate, 1);
  show(self, buffer, &moment);
  gst_resnet18_stats_time(self->stats, GST_RESNET18_BUFFER_TIME, gst_resnet18_now() - moment.entered);
  return GST_FLOW_OK;
}

/* Frames that are still being classified get their result said before the stream ends. */
static void drain(GstResnet18Classify *self) {
  if (self->engine && gst_resnet18_stream_wait(self->engine->stream))
    collect_results(self, &self->last);
}

static gboolean gst_resnet18_classify_sink_event(GstBaseTransform *trans, GstEvent *event) {
  GstResnet18Classify *self = GST_RESNET18_CLASSIFY(trans);
  switch (GST_EVENT_TYPE(event)) {
  case GST_EVENT_FLUSH_START:
    interrupt(self, TRUE);
    break;
  case GST_EVENT_FLUSH_STOP:
    interrupt(self, FALSE);
    forget_past(self);
    break;
  case GST_EVENT_SEGMENT:
    forget_past(self);
    break;
  case GST_EVENT_EOS:
    drain(self);
    break;
  default:
    break;
  }
  return GST_BASE_TRANSFORM_CLASS(gst_resnet18_classify_parent_class)->sink_event(trans, event);
}

/* Frames up to the time that the late one's would have had to be; the same rule as GstBaseTransform's own. */
static void heed_qos(GstResnet18Classify *self, GstEvent *event) {
  GstClockTimeDiff diff;
  GstClockTime timestamp;
  gst_event_parse_qos(event, NULL, NULL, &diff, &timestamp);
  if (!GST_CLOCK_TIME_IS_VALID(timestamp) || (diff < 0 && (GstClockTime)-diff > timestamp))
    set_earliest(self, GST_CLOCK_TIME_NONE);
  else
    set_earliest(self, timestamp + (GstClockTime)diff);
}

static gboolean gst_resnet18_classify_src_event(GstBaseTransform *trans, GstEvent *event) {
  GstResnet18Classify *self = GST_RESNET18_CLASSIFY(trans);
  if (GST_EVENT_TYPE(event) == GST_EVENT_RECONFIGURE)
    g_atomic_int_set(&self->overlay_outdated, TRUE);
  if (GST_EVENT_TYPE(event) == GST_EVENT_QOS)
    heed_qos(self, event);
  return GST_BASE_TRANSFORM_CLASS(gst_resnet18_classify_parent_class)->src_event(trans, event);
}

/* ---- Class --------------------------------------------------------------------------------------------- */

static void gst_resnet18_classify_finalize(GObject *object) {
  GstResnet18Classify *self = GST_RESNET18_CLASSIFY(object);
  gst_resnet18_settings_clear(&self->settings);
  gst_resnet18_settings_clear(&self->now);
  gst_resnet18_stats_free(self->stats);
  g_hash_table_unref(self->tracks);
  G_OBJECT_CLASS(gst_resnet18_classify_parent_class)->finalize(object);
}

static void gst_resnet18_classify_init(GstResnet18Classify *self) {
  gst_resnet18_settings_init(&self->settings);
  gst_video_info_init(&self->info);
  self->stats = gst_resnet18_stats_new();
  self->tracks = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, (GDestroyNotify)gst_resnet18_track_free);
  gst_base_transform_set_in_place(GST_BASE_TRANSFORM(self), TRUE);
  gst_base_transform_set_passthrough(GST_BASE_TRANSFORM(self), TRUE);
  gst_base_transform_set_gap_aware(GST_BASE_TRANSFORM(self), TRUE);
}

static void add_pad_templates(GstElementClass *element_class) {
  GstCaps *caps = gst_resnet18_frame_caps();
  gst_element_class_add_pad_template(element_class, gst_pad_template_new("sink", GST_PAD_SINK, GST_PAD_ALWAYS, caps));
  gst_element_class_add_pad_template(element_class, gst_pad_template_new("src", GST_PAD_SRC, GST_PAD_ALWAYS, caps));
  gst_caps_unref(caps);
}

static void gst_resnet18_classify_class_init(GstResnet18ClassifyClass *klass) {
  GObjectClass *object_class = G_OBJECT_CLASS(klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
  GstBaseTransformClass *transform_class = GST_BASE_TRANSFORM_CLASS(klass);

  object_class->set_property = gst_resnet18_classify_set_property;
  object_class->get_property = gst_resnet18_classify_get_property;
  object_class->finalize = gst_resnet18_classify_finalize;
  gst_resnet18_settings_install(object_class);

  /**
   * GstResnet18Classify::classified:
   * @element: the element
   * @result: the result, a structure GstResnet18Result
   *
   * A frame has been classified. From the streaming thread: do not take long, and do not change the pipeline's state.
   */
  signals[SIGNAL_CLASSIFIED] = g_signal_new("classified", G_TYPE_FROM_CLASS(klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                            NULL, G_TYPE_NONE, 1, GST_TYPE_STRUCTURE | G_SIGNAL_TYPE_STATIC_SCOPE);

  /**
   * GstResnet18Classify::event:
   * @element: the element
   * @result: the result that brought it about; its field "event" says what happened
   *
   * A class has entered (there was none), left (there is none any more) or changed. From the streaming thread.
   */
  signals[SIGNAL_EVENT] = g_signal_new("event", G_TYPE_FROM_CLASS(klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                       G_TYPE_NONE, 1, GST_TYPE_STRUCTURE | G_SIGNAL_TYPE_STATIC_SCOPE);

  gst_element_class_set_static_metadata(element_class, "ResNet-18 classifier", "Filter/Analyzer/Video",
                                        "Says what is on each video frame, with ResNet-18 on the CPU",
                                        "The resnet18classify developers");
  add_pad_templates(element_class);
  gst_type_mark_as_plugin_api(gst_resnet18_precision_get_type(), 0);
  gst_type_mark_as_plugin_api(gst_resnet18_mode_get_type(), 0);
  gst_type_mark_as_plugin_api(gst_resnet18_post_get_type(), 0);
  gst_type_mark_as_plugin_api(gst_resnet18_crop_get_type(), 0);
  gst_type_mark_as_plugin_api(gst_resnet18_roi_source_get_type(), 0);
  gst_type_mark_as_plugin_api(gst_resnet18_position_get_type(), 0);

  element_class->change_state = gst_resnet18_classify_change_state;
  transform_class->start = gst_resnet18_classify_start;
  transform_class->stop = gst_resnet18_classify_stop;
  transform_class->set_caps = gst_resnet18_classify_set_caps;
  transform_class->query = gst_resnet18_classify_query;
  transform_class->sink_event = gst_resnet18_classify_sink_event;
  transform_class->src_event = gst_resnet18_classify_src_event;
  transform_class->submit_input_buffer = gst_resnet18_classify_submit_input_buffer;
  transform_class->transform_ip = gst_resnet18_classify_transform_ip;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One live source: a pipeline with resnet18classify that is begun anew when it ends or stands still. It has a thread of
 * its own, on which its pipeline is started and stopped, so that one that hangs keeps nobody waiting. All functions may
 * be called from any thread. */
#ifndef RESNET18_SERVER_CAMERA_H
#define RESNET18_SERVER_CAMERA_H

#include "spec.h"

#include <gst/gst.h>
#include <jansson.h>

typedef struct camera camera;

/* Takes `spec`. `number`: its place in the list, for messages. */
camera *camera_new(camera_spec *spec, unsigned number);
camera *camera_ref(camera *c);
/* NULL is allowed. */
void camera_unref(camera *c);

/* Once, after GStreamer was started. Begins when `before`, a camera that is being stopped or NULL, has ended, or has
 * not for too long. */
void camera_start(camera *c, camera *before);
/* Begins to stop it, and does not wait. */
void camera_stop(camera *c);
/* Waits until it has ended, at most until `until` (monotonic). False if it has not. */
gboolean camera_join(camera *c, gint64 until);

const camera_spec *camera_get_spec(const camera *c);
unsigned camera_number(const camera *c);

json_t *camera_json(camera *c);

/* What is counted. */
typedef struct {
  const char *name; /* lives as long as the camera */
  guint64 delivered, dropped, waiting;
  gboolean was_tried; /* the camera has played since it is there */
  gboolean is_open;   /* when the camera last played */
} camera_target_counts;
/* What became of frames: counts of the element resnet18classify. */
enum { CAMERA_CLASSIFIED, CAMERA_DROPPED, CAMERA_LATE, CAMERA_SKIPPED, CAMERA_REUSED, CAMERA_FATES };
extern const char *const camera_fate_names[CAMERA_FATES];
enum { CAMERA_STATES = 5 };
extern const char *const camera_state_names[CAMERA_STATES];
typedef struct {
  const char *name;
  unsigned state;
  char *reason; /* NULL = none; g_free */
  double rate;  /* frames a second over the last ten seconds */
  double age;   /* seconds since the last frame; negative: there was none yet */
  guint64 frames, restarts, left_behind, fates[CAMERA_FATES];
  double latency_median, latency_p99; /* in seconds; 0: nothing was classified yet */
  GArray *targets;                    /* camera_target_counts; g_array_unref */
} camera_counts;
camera_counts camera_count(camera *c);

/* The newest frame as JPEG, newer than number *seen, which is updated; NULL if there is none yet. */
GBytes *camera_frame(camera *c, guint64 *seen);
/* Frames are encoded while somebody looks: `callback` is called after each new one, and when the camera stops, until it
 * is taken away; after camera_unwatch no call runs any more. */
typedef struct {
  void (*callback)(gpointer user);
  gpointer user;
} watcher;
void camera_watch(camera *c, watcher *w);
void camera_unwatch(camera *c, watcher *w);
/* Whether frames may come. */
gboolean camera_plays(camera *c);

#endif

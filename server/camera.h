/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One live source: a pipeline with resnet18classify that is begun anew when it ends or stands still. All functions but
 * those that say otherwise are called on the thread of the live sources. */
#ifndef RESNET18_SERVER_CAMERA_H
#define RESNET18_SERVER_CAMERA_H

#include "settings.h"

#include <gst/gst.h>
#include <jansson.h>

typedef struct camera camera;

/* `number`: its place in the list, for messages. */
camera *camera_new(const settings *s, unsigned number, const char *uri);
/* Begins, in the thread-default main context. */
void camera_start(camera *c);
/* Looks at what has happened since; to be called about twice a second. */
void camera_tick(camera *c);
void camera_free(camera *c);

/* From any thread. */
json_t *camera_json(camera *c);

/* The newest frame as JPEG, newer than number *seen, which is updated; NULL if there is none yet. From any thread. */
GBytes *camera_frame(camera *c, guint64 *seen);
/* Frames are encoded while somebody looks: `callback` is called after each new one, and when the camera stops, until it
 * is taken away. From any thread; after camera_unwatch no call runs any more. */
typedef struct {
  void (*callback)(gpointer user);
  gpointer user;
} watcher;
void camera_watch(camera *c, watcher *w);
void camera_unwatch(camera *c, watcher *w);
/* Whether frames may come. From any thread. */
gboolean camera_plays(camera *c);

/* A URI without its user and password. Free with g_free. */
char *camera_public_uri(const char *uri);

#endif

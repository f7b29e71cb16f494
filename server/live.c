/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The live sources over HTTP. */
#include "live.h"

#include "camera.h"
#include "events.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TICK = 500, KEEP_ALIVE = 15 };
static const gint64 snapshot_time = 5 * G_USEC_PER_SEC;

struct live {
  const settings *settings;
  GThread *thread;
  GMainContext *context;
  GMainLoop *loop;
  camera **cameras;
  unsigned ticks, count;
  GMutex lock; /* of what follows */
  bool ended;
  GPtrArray *snapshots;
};

/* ---- Snapshots: a request that waits for the next frame ------------------------------------------------ */

typedef struct {
  live *live;
  camera *camera;
  request *request;
  gint64 until;
  watcher watcher;
} snapshot;

static void reply_snapshot(snapshot *s, GBytes *frame) {
  gsize size;
  if (frame) {
    const void *data = g_bytes_get_data(frame, &size);
    request_reply(s->request, 200, "image/jpeg", data, size);
    g_bytes_unref(frame);
  } else {
    request_busy(s->request, "the camera has no picture now");
  }
}

/* Those that have a frame, or waited too long. On the thread of the live sources. */
static void look_at_snapshots(live *l, bool all) {
  const gint64 now = g_get_monotonic_time();
  g_mutex_lock(&l->lock);
  for (guint i = l->snapshots->len; i-- > 0;) {
    snapshot *s = l->snapshots->pdata[i];
    guint64 seen = 0;
    GBytes *frame = camera_frame(s->camera, &seen);
    if (frame == NULL && !all && now < s->until && camera_plays(s->camera))
      continue;
    g_ptr_array_remove_index_fast(l->snapshots, i);
    camera_unwatch(s->camera, &s->watcher);
    reply_snapshot(s, frame);
    g_free(s);
  }
  g_mutex_unlock(&l->lock);
}

static gboolean snapshots_now(gpointer user) {
  look_at_snapshots(user, false);
  return G_SOURCE_REMOVE;
}

/* A frame has come, on a streaming thread, with the camera's lock held. */
static void snapshot_ready(gpointer user) {
  snapshot *s = user;
  GSource *source = g_idle_source_new();
  g_source_set_callback(source, snapshots_now, s->live, NULL);
  g_source_attach(source, s->live->context);
  g_source_unref(source);
}

/* ---- The thread ---------------------------------------------------------------------------------------- */

static gboolean tick(gpointer user) {
  live *l = user;
  for (unsigned i = 0; i < l->count; i++)
    camera_tick(l->cameras[i]);
  look_at_snapshots(l, false);
  if (++l->ticks % (KEEP_ALIVE * 1000 / TICK) == 0)
    events_keep_alive();
  return G_SOURCE_CONTINUE;
}

static bool start_cameras(live *l) {
  GError *error = NULL;
  if (l->count == 0)
    return true;
  if (!gst_init_check(NULL, NULL, &error)) {
    fprintf(stderr, "resnet18-server: GStreamer does not start: %s\n", error ? error->message : "unknown reason");
    g_clear_error(&error);
    return false;
  }
  for (unsigned i = 0; i < l->count; i++)
    camera_start(l->cameras[i]);
  return true;
}

static gpointer run(gpointer user) {
  live *l = user;
  g_main_context_push_thread_default(l->context);
  GSource *source = g_timeout_source_new(TICK);
  g_source_set_callback(source, tick, l, NULL);
  if (start_cameras(l))
    g_source_attach(source, l->context);
  g_main_loop_run(l->loop);
  g_source_destroy(source);
  g_source_unref(source);
  g_mutex_lock(&l->lock);
  l->ended = true;
  g_mutex_unlock(&l->lock);
  look_at_snapshots(l, true);
  g_main_context_pop_thread_default(l->context);
  return NULL;
}

live *live_new(const settings *s) {
  live *l = g_new0(live, 1);
  l->settings = s;
  l->count = s->uris ? g_strv_length(s->uris) : 0;
  l->cameras = g_new0(camera *, l->count + 1);
  for (unsigned i = 0; i < l->count; i++)
    l->cameras[i] = camera_new(s, i, s->uris[i]);
  l->snapshots = g_ptr_array_new();
  g_mutex_init(&l->lock);
  l->context = g_main_context_new();
  l->loop = g_main_loop_new(l->context, FALSE);
  l->thread = g_thread_new("live", run, l);
  return l;
}

static gboolean quit(gpointer loop) {
  g_main_loop_quit(loop);
  return G_SOURCE_REMOVE;
}

void live_stop(live *l) {
  if (l == NULL || l->thread == NULL)
    return;
  GSource *source = g_idle_source_new();
  g_source_set_callback(source, quit, l->loop, NULL);
  g_source_attach(source, l->context);
  g_source_unref(source);
  g_thread_join(l->thread);
  l->thread = NULL;
}

void live_free(live *l) {
  if (l == NULL)
    return;
  live_stop(l);
  g_main_context_push_thread_default(l->context);
  for (unsigned i = 0; i < l->count; i++)
    camera_free(l->cameras[i]);
  g_main_context_pop_thread_default(l->context);
  g_main_loop_unref(l->loop);
  g_main_context_unref(l->context);
  g_ptr_array_free(l->snapshots, TRUE);
  g_mutex_clear(&l->lock);
  g_free(l->cameras);
  g_free(l);
}

/* ---- Requests ------------------------------------------------------------------------------------------ */

static camera *camera_at(live *l, unsigned n) {
  return n < l->count ? l->cameras[n] : NULL;
}

static void list(request *r) {
  live *l = request_server(r)->live;
  json_t *streams = json_array();
  camera *c;
  for (unsigned i = 0; (c = camera_at(l, i)); i++)
    json_array_append_new(streams, camera_json(c));
  request_reply_json(r, 200, json_pack("{s:o}", "streams", streams));
}

/* NULL after an answer. */
static camera *find(request *r) {
  guint64 n = 0;
  const char *text = request_segment(r, 0);
  camera *c = g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT, &n, NULL)
                  ? camera_at(request_server(r)->live, (unsigned)n)
                  : NULL;
  if (c == NULL)
    request_fail(r, 404, "there is no camera '%.20s'", text);
  else if (!camera_plays(c)) {
    request_busy(r, "the camera has no picture now");
    c = NULL;
  }
  return c;
}

static void take_snapshot(request *r) {
  live *l = request_server(r)->live;
  camera *c = find(r);
  if (c == NULL)
    return;
  snapshot *s = g_new0(snapshot, 1);
  *s = (snapshot){.live = l,
                  .camera = c,
                  .request = r,
                  .until = g_get_monotonic_time() + snapshot_time,
                  .watcher = {snapshot_ready, s}};
  g_mutex_lock(&l->lock);
  const bool ended = l->ended;
  if (!ended) {
    g_ptr_array_add(l->snapshots, s);
    camera_watch(c, &s->watcher);
  }
  g_mutex_unlock(&l->lock);
  if (ended) {
    reply_snapshot(s, NULL);
    g_free(s);
  }
}

/* ---- Motion JPEG --------------------------------------------------------------------------------------- */

#define BOUNDARY "resnet18-frame"

typedef struct {
  camera *camera;
  watcher watcher;
  stream_reply *reply;
  guint64 seen;
  GBytes *part; /* what is being sent, and how much of it is */
  gsize at;
} viewer;

static void frame_ready(gpointer user) {
  stream_wake(((viewer *)user)->reply);
}

/* A frame with its header. */
static GBytes *make_part(GBytes *frame) {
  gsize size;
  const char *data = g_bytes_get_data(frame, &size);
  GString *part = g_string_sized_new(size + 128);
  g_string_append_printf(part, "--" BOUNDARY "\r\nContent-Type: image/jpeg\r\nContent-Length: %zu\r\n\r\n", size);
  g_string_append_len(part, data, (gssize)size);
  g_string_append(part, "\r\n");
  return g_string_free_to_bytes(part);
}

static ssize_t read_frames(void *user, char *to, size_t room) {
  viewer *v = user;
  gsize size;
  if (v->part == NULL) {
    GBytes *frame = camera_frame(v->camera, &v->seen);
    if (frame == NULL)
      return camera_plays(v->camera) ? 0 : -1;
    v->part = make_part(frame);
    v->at = 0;
    g_bytes_unref(frame);
  }
  const char *data = g_bytes_get_data(v->part, &size);
  const gsize n = MIN(room, size - v->at);
  memcpy(to, data + v->at, n);
  v->at += n;
  if (v->at == size)
    g_clear_pointer(&v->part, g_bytes_unref);
  return (ssize_t)n;
}

static void viewer_closed(void *user) {
  viewer *v = user;
  camera_unwatch(v->camera, &v->watcher);
  g_clear_pointer(&v->part, g_bytes_unref);
  g_free(v);
}

static void stream(request *r) {
  static const stream_source source = {read_frames, viewer_closed};
  camera *c = find(r);
  if (c == NULL)
    return;
  viewer *v = g_new0(viewer, 1);
  *v = (viewer){.camera = c, .watcher = {frame_ready, v}};
  if (request_stream(r, "multipart/x-mixed-replace; boundary=" BOUNDARY, &source, v, &v->reply))
    camera_watch(c, &v->watcher);
  else
    g_free(v);
}

const route live_routes[] = {
    {"GET", "/live", list, 0, NULL},
    {"GET", "/live/*/stream", stream, 0, "t"},
    {"GET", "/live/*/snapshot", take_snapshot, 0, "t"},
    {"GET", "/events", events_handle, 0, NULL},
    {NULL},
};

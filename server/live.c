/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The live sources over HTTP. */
#include "live.h"

#include "camera.h"
#include "camera_metrics.h"
#include "events.h"
#include "public.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TICK = 500, KEEP_ALIVE = 15, STOP_SECONDS = 5 };
static const gint64 snapshot_time = 5 * G_USEC_PER_SEC;

struct live {
  const settings *settings;
  GThread *thread;
  GMainContext *context;
  GMainLoop *loop;
  unsigned ticks;
  GMutex lock; /* of what follows */
  bool started, ended;
  unsigned next;      /* number of the next camera */
  unsigned fixed;     /* of the command line, which are the last in the list */
  GPtrArray *cameras; /* in the order in which they are shown */
  GPtrArray *leaving; /* being stopped */
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
    camera_unref(s->camera);
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

/* ---- The list ------------------------------------------------------------------------------------------ */

static void unref_camera(gpointer c) {
  camera_unref(c);
}

/* Under the lock. NULL if there is none. */
static camera *find_name(const live *l, const char *name) {
  for (guint i = 0; i < l->cameras->len; i++)
    if (strcmp(camera_get_spec(l->cameras->pdata[i])->name, name) == 0)
      return l->cameras->pdata[i];
  return NULL;
}

/* Cameras that have ended are forgotten. */
static void see_off(live *l) {
  for (guint i = l->leaving->len; i-- > 0;)
    if (camera_join(l->leaving->pdata[i], 0))
      g_ptr_array_remove_index_fast(l->leaving, i);
}

/* Of a URI or a file's name, of which there may be several that are the same. */
static camera_spec *make_spec(const live *l, const char *word) {
  char *uri = spec_uri(word, NULL);
  char *plain = strcmp(uri, word) == 0 ? public_uri(word) : g_path_get_basename(word), *name = g_strdup(plain);
  for (unsigned n = 2; find_name(l, name); n++) {
    g_free(name);
    name = g_strdup_printf("%s (%u)", plain, n);
  }
  camera_spec *spec = camera_spec_new(name);
  spec->uri = uri;
  spec->loop = l->settings->loop;
  spec->supervision.manner = RETRY_QUICK;
  spec_set(spec->classify, "overlay", "true");
  spec_set(spec->classify, "groups", "true");
  g_free(plain);
  g_free(name);
  return spec;
}

/* The camera of a specification, which is taken: the one that is there if it is the same, else a new one. */
static camera *renew(live *l, camera_spec *spec) {
  camera *old = find_name(l, spec->name);
  if (!spec->has_model)
    settings_describe_engine(l->settings, spec->classify);
  if (old && camera_spec_equal(camera_get_spec(old), spec)) {
    camera_spec_free(spec);
    return camera_ref(old);
  }
  camera *made = camera_new(spec, old ? camera_number(old) : l->next++);
  if (l->started)
    camera_start(made, old);
  return made;
}

static bool is_in(const GPtrArray *list, const camera *c) {
  return g_ptr_array_find((GPtrArray *)list, c, NULL);
}

/* Those of the file that are in `next` no more are stopped. */
static void dismiss(live *l, const GPtrArray *next) {
  for (guint i = 0; i < l->cameras->len; i++) {
    camera *c = l->cameras->pdata[i];
    if (is_in(next, c))
      continue;
    camera_stop(c);
    g_ptr_array_add(l->leaving, camera_ref(c));
  }
}

void live_reload(live *l, GPtrArray *cameras) {
  GPtrArray *next = g_ptr_array_new_with_free_func(unref_camera);
  g_mutex_lock(&l->lock);
  see_off(l);
  for (guint i = 0; i < cameras->len; i++)
    g_ptr_array_add(next, renew(l, g_steal_pointer(&cameras->pdata[i])));
  for (guint i = l->cameras->len - l->fixed; i < l->cameras->len; i++)
    g_ptr_array_add(next, camera_ref(l->cameras->pdata[i]));
  dismiss(l, next);
  g_ptr_array_unref(l->cameras);
  l->cameras = next;
  g_mutex_unlock(&l->lock);
  g_ptr_array_unref(cameras);
}

/* ---- The thread ---------------------------------------------------------------------------------------- */

static gboolean tick(gpointer user) {
  live *l = user;
  look_at_snapshots(l, false);
  if (++l->ticks % (KEEP_ALIVE * 1000 / TICK) == 0)
    events_keep_alive();
  return G_SOURCE_CONTINUE;
}

static bool start_gstreamer(void) {
  GError *error = NULL;
  if (gst_init_check(NULL, NULL, &error))
    return true;
  fprintf(stderr, "resnet18-server: GStreamer does not start: %s\n", error ? error->message : "unknown reason");
  g_clear_error(&error);
  return false;
}

/* GStreamer takes its time, which a server without cameras does not need. */
static void start_cameras(live *l) {
  if (!start_gstreamer())
    return;
  g_mutex_lock(&l->lock);
  l->started = true;
  for (guint i = 0; i < l->cameras->len; i++)
    camera_start(l->cameras->pdata[i], NULL);
  g_mutex_unlock(&l->lock);
}

static gpointer run(gpointer user) {
  live *l = user;
  g_main_context_push_thread_default(l->context);
  GSource *source = g_timeout_source_new(TICK);
  g_source_set_callback(source, tick, l, NULL);
  if (l->cameras->len > 0 || l->settings->config)
    start_cameras(l);
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

live *live_new(const settings *s, GPtrArray *cameras) {
  live *l = g_new0(live, 1);
  l->settings = s;
  l->cameras = g_ptr_array_new_with_free_func(unref_camera);
  l->leaving = g_ptr_array_new_with_free_func(unref_camera);
  l->snapshots = g_ptr_array_new();
  g_mutex_init(&l->lock);
  if (cameras)
    live_reload(l, cameras);
  for (unsigned i = 0; s->uris && s->uris[i]; i++, l->fixed++)
    g_ptr_array_add(l->cameras, renew(l, make_spec(l, s->uris[i])));
  l->context = g_main_context_new();
  l->loop = g_main_loop_new(l->context, FALSE);
  GError *error = NULL;
  l->thread = g_thread_try_new("live", run, l, &error);
  if (l->thread)
    return l;
  fprintf(stderr, "resnet18-server: %s\n", error->message);
  g_error_free(error);
  live_free(l);
  return NULL;
}

static gboolean quit(gpointer loop) {
  g_main_loop_quit(loop);
  return G_SOURCE_REMOVE;
}

/* All at once, as each takes its time. */
static bool stop_cameras(live *l) {
  const gint64 until = g_get_monotonic_time() + STOP_SECONDS * G_USEC_PER_SEC;
  for (guint i = 0; i < l->cameras->len; i++)
    camera_stop(l->cameras->pdata[i]);
  g_ptr_array_extend(l->leaving, l->cameras, (GCopyFunc)(void (*)(void))camera_ref, NULL);
  bool ended = true;
  for (guint i = 0; i < l->leaving->len; i++)
    if (!camera_join(l->leaving->pdata[i], until)) {
      fprintf(stderr, "resnet18-server: camera %s does not stop\n", camera_get_spec(l->leaving->pdata[i])->name);
      ended = false;
    }
  return ended;
}

bool live_stop(live *l) {
  if (l == NULL || l->thread == NULL)
    return true;
  GSource *source = g_idle_source_new();
  g_source_set_callback(source, quit, l->loop, NULL);
  g_source_attach(source, l->context);
  g_source_unref(source);
  g_thread_join(l->thread);
  l->thread = NULL;
  return stop_cameras(l);
}

void live_free(live *l) {
  if (l == NULL)
    return;
  live_stop(l);
  g_ptr_array_free(l->cameras, TRUE);
  g_ptr_array_free(l->leaving, TRUE);
  g_main_loop_unref(l->loop);
  g_main_context_unref(l->context);
  g_ptr_array_free(l->snapshots, TRUE);
  g_mutex_clear(&l->lock);
  g_free(l);
}

/* ---- Requests ------------------------------------------------------------------------------------------ */

/* A reference to each. */
static GPtrArray *all_cameras(live *l) {
  GPtrArray *all = g_ptr_array_new_with_free_func(unref_camera);
  g_mutex_lock(&l->lock);
  for (guint i = 0; i < l->cameras->len; i++)
    g_ptr_array_add(all, camera_ref(l->cameras->pdata[i]));
  g_mutex_unlock(&l->lock);
  return all;
}

/* A reference; NULL if there is none. */
static camera *camera_at(live *l, guint64 number) {
  camera *found = NULL;
  g_mutex_lock(&l->lock);
  for (guint i = 0; i < l->cameras->len && found == NULL; i++)
    if (camera_number(l->cameras->pdata[i]) == number)
      found = camera_ref(l->cameras->pdata[i]);
  g_mutex_unlock(&l->lock);
  return found;
}

static void list(request *r) {
  GPtrArray *all = all_cameras(request_server(r)->live);
  json_t *streams = json_array();
  for (guint i = 0; i < all->len; i++)
    json_array_append_new(streams, camera_json(all->pdata[i]));
  g_ptr_array_unref(all);
  request_reply_json(r, 200, json_pack("{s:o}", "streams", streams));
}

/* A reference, or NULL after an answer. */
static camera *find(request *r) {
  guint64 n = 0;
  const char *text = request_segment(r, 0);
  const bool is_number = g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT, &n, NULL);
  camera *c = is_number ? camera_at(request_server(r)->live, n) : NULL;
  if (c == NULL)
    request_fail(r, 404, "there is no camera '%.20s'", text);
  else if (!camera_plays(c)) {
    request_busy(r, "the camera has no picture now");
    g_clear_pointer(&c, camera_unref);
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
    camera_unref(c);
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
  camera_unref(v->camera);
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
  else {
    camera_unref(c);
    g_free(v);
  }
}

/* ---- Metrics ------------------------------------------------------------------------------------------- */

void live_append_metrics(live *l, GString *text) {
  GPtrArray *all = all_cameras(l);
  camera_metrics_append(all, text);
  g_ptr_array_unref(all);
}

const route live_routes[] = {
    {"GET", "/live", list, 0, NULL},
    {"GET", "/live/*/stream", stream, 0, "t"},
    {"GET", "/live/*/snapshot", take_snapshot, 0, "t"},
    {"GET", "/events", events_handle, 0, NULL},
    {NULL},
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One live source. */
#include "camera.h"

#include "events.h"
#include "result_json.h"

#include <gst/app/gstappsink.h>
#include <string.h>

/* Seconds without a frame after which the source counts as dead, and between two results of one camera in the events.
 */
enum { SILENCE = 20, RATE = 10, SIDE = 960 };
static const gint64 result_pause = G_USEC_PER_SEC / 2;

typedef enum { STARTING, PLAYING, WAITING, ENDED, FAILED } camera_state;
static const char *const state_names[] = {"starting", "playing", "waiting", "ended", "failed"};

struct camera {
  const settings *settings;
  unsigned number;
  char *uri, *name;
  GstElement *pipeline, *valve, *classify;
  guint bus_watch;
  gint64 retry;      /* when to begin anew; 0 = not */
  unsigned attempts; /* since it last played for a while */
  gint64 last_tick, played_since;
  guint64 last_frames;
  gint64 last_result;

  guint64 frames;    /* atomic */
  gint64 last_frame; /* atomic; monotonic */

  GMutex lock; /* of what follows */
  camera_state state;
  char *reason, *result; /* NULL = none */
  double rate;
  unsigned restarts;
  json_t *stats;
  GBytes *frame;
  guint64 frame_number;
  GPtrArray *watchers;
};

static const int waits[] = {1, 1, 1, 1, 1, 5, 5, 5, 5, 5, 10}; /* seconds */

/* ---- State --------------------------------------------------------------------------------------------- */

char *camera_public_uri(const char *uri) {
  const char *scheme = strstr(uri, "://");
  if (scheme == NULL)
    return g_strdup(uri);
  const char *host = scheme + 3, *end = host + strcspn(host, "/?#");
  const char *at = memrchr(host, '@', (size_t)(end - host));
  return at ? g_strdup_printf("%.*s%s", (int)(host - uri), uri, at + 1) : g_strdup(uri);
}

/* Messages of elements may have the URI in them. */
static char *without_secret(const camera *c, const char *text) {
  char **parts = g_strsplit(text, c->uri, -1);
  char *clean = g_strjoinv(c->name, parts);
  g_strfreev(parts);
  return clean;
}

static json_t *state_json(camera *c) {
  return json_pack("{s:i,s:s,s:s,s:s?,s:f,s:i}", "stream", (int)c->number, "name", c->name, "state",
                   state_names[c->state], "reason", c->reason, "rate", c->rate, "restarts", (int)c->restarts);
}

static void call_watchers(camera *c) {
  for (guint i = 0; i < c->watchers->len; i++) {
    const watcher *w = c->watchers->pdata[i];
    w->callback(w->user);
  }
}

static void set_state(camera *c, camera_state state, const char *reason) {
  g_mutex_lock(&c->lock);
  const bool news = c->state != state || g_strcmp0(c->reason, reason) != 0;
  c->state = state;
  g_free(c->reason);
  c->reason = reason ? without_secret(c, reason) : NULL;
  json_t *json = news ? state_json(c) : NULL;
  if (state != PLAYING)
    call_watchers(c);
  g_mutex_unlock(&c->lock);
  if (json) {
    char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(6));
    events_publish("state", text);
    free(text);
    json_decref(json);
  }
}

/* ---- Frames -------------------------------------------------------------------------------------------- */

static GstPadProbeReturn count_frame(GstPad *pad, GstPadProbeInfo *info, gpointer user) {
  camera *c = user;
  __atomic_add_fetch(&c->frames, 1, __ATOMIC_RELAXED);
  __atomic_store_n(&c->last_frame, g_get_monotonic_time(), __ATOMIC_RELAXED);
  return GST_PAD_PROBE_OK;
}

static GBytes *copy_buffer(GstBuffer *buffer) {
  GstMapInfo map;
  if (!gst_buffer_map(buffer, &map, GST_MAP_READ))
    return NULL;
  GBytes *bytes = g_bytes_new(map.data, map.size);
  gst_buffer_unmap(buffer, &map);
  return bytes;
}

static GstFlowReturn take_frame(GstAppSink *sink, gpointer user) {
  camera *c = user;
  GstSample *sample = gst_app_sink_pull_sample(sink);
  GBytes *bytes = sample ? copy_buffer(gst_sample_get_buffer(sample)) : NULL;
  if (sample)
    gst_sample_unref(sample);
  if (bytes == NULL)
    return GST_FLOW_OK;
  g_mutex_lock(&c->lock);
  g_clear_pointer(&c->frame, g_bytes_unref);
  c->frame = bytes;
  c->frame_number++;
  call_watchers(c);
  g_mutex_unlock(&c->lock);
  return GST_FLOW_OK;
}

/* ---- Messages ------------------------------------------------------------------------------------------ */

static void publish_result(camera *c, const GstStructure *result) {
  const gint64 now = g_get_monotonic_time();
  const bool event = gst_structure_get_string(result, "event") != NULL;
  if (!event && now - c->last_result < result_pause)
    return;
  GDateTime *date = g_date_time_new_now_utc();
  char *time = g_date_time_format(date, "%Y-%m-%dT%H:%M:%S.%fZ");
  GString *json = g_string_new(NULL);
  g_string_printf(json, "{\"stream\":%u,\"time\":\"%s\",", c->number, time);
  gst_resnet18_json_append_members(json, result);
  g_string_append_c(json, '}');
  events_publish("result", json->str);
  c->last_result = now;
  g_mutex_lock(&c->lock);
  g_free(c->result);
  c->result = g_string_free(json, FALSE);
  g_mutex_unlock(&c->lock);
  g_free(time);
  g_date_time_unref(date);
}

/* To begin anew after a while; of a file that has been played, never. */
static void retire(camera *c, camera_state state, const char *reason) {
  const unsigned step = MIN(c->attempts, G_N_ELEMENTS(waits) - 1);
  c->retry = state == WAITING ? g_get_monotonic_time() + waits[step] * G_USEC_PER_SEC : 0;
  c->attempts++;
  if (c->bus_watch)
    g_source_destroy(g_main_context_find_source_by_id(g_main_context_get_thread_default(), c->bus_watch));
  c->bus_watch = 0;
  if (c->pipeline) {
    gst_element_set_state(c->pipeline, GST_STATE_NULL);
    gst_object_unref(c->pipeline);
  }
  g_mutex_lock(&c->lock);
  c->pipeline = c->valve = c->classify = NULL;
  g_mutex_unlock(&c->lock);
  set_state(c, state, reason);
}

static void on_error(camera *c, GstMessage *message) {
  GError *error = NULL;
  gst_message_parse_error(message, &error, NULL);
  char *text = g_strdup(error->message);
  g_error_free(error);
  retire(c, WAITING, text);
  g_free(text);
}

static gboolean on_message(GstBus *bus, GstMessage *message, gpointer user) {
  camera *c = user;
  const GstStructure *result;
  switch (GST_MESSAGE_TYPE(message)) {
  case GST_MESSAGE_ELEMENT:
    result = gst_resnet18_message_get_result(message);
    if (result)
      publish_result(c, result);
    return G_SOURCE_CONTINUE;
  case GST_MESSAGE_ERROR:
    on_error(c, message);
    return G_SOURCE_REMOVE;
  case GST_MESSAGE_EOS:
    if (g_str_has_prefix(c->uri, "file:")) {
      retire(c, ENDED, NULL);
      if (c->settings->loop)
        camera_start(c);
    } else
      retire(c, WAITING, "the stream has ended");
    return G_SOURCE_REMOVE;
  default:
    return G_SOURCE_CONTINUE;
  }
}

/* ---- The pipeline -------------------------------------------------------------------------------------- */

static void link_video(GstElement *source, GstPad *pad, gpointer user) {
  GstElement *first = user;
  GstPad *sink = gst_element_get_static_pad(first, "sink");
  GstCaps *caps = gst_pad_get_current_caps(pad);
  if (caps && g_str_has_prefix(gst_structure_get_name(gst_caps_get_structure(caps, 0)), "video/") &&
      !gst_pad_is_linked(sink))
    gst_pad_link(pad, sink);
  gst_clear_caps(&caps);
  gst_object_unref(sink);
}

/* The engine as the server's. */
static void set_engine(camera *c) {
  const settings *s = c->settings;
  if (s->weights)
    g_object_set(c->classify, "weights", s->weights, NULL);
  if (s->labels)
    g_object_set(c->classify, "labels", s->labels, NULL);
  if (s->precision)
    gst_util_set_object_arg(G_OBJECT(c->classify), "precision", s->precision);
  gst_util_set_object_arg(G_OBJECT(c->classify), "post-messages", "all");
  g_object_set(c->classify, "overlay", TRUE, "groups", TRUE, NULL);
}

static GstElement *make_pipeline(camera *c, GError **error) {
  const bool pace = g_str_has_prefix(c->uri, "file:") || g_str_has_prefix(c->uri, "http");
  char *text = g_strdup_printf(
      "uridecodebin name=source videoconvert name=first ! clocksync name=clock sync=%s ! resnet18classify "
      "name=classify ! "
      "valve name=valve drop=true ! videorate max-rate=%d drop-only=true skip-to-first=true ! videoscale ! "
      "video/x-raw,width=[1,%d],height=[1,%d],pixel-aspect-ratio=1/1 ! videoconvert ! jpegenc quality=80 ! "
      "appsink name=sink sync=false async=false max-buffers=1 drop=true",
      pace ? "true" : "false", RATE, SIDE, SIDE);
  GstElement *pipeline = gst_parse_launch(text, error);
  g_free(text);
  if (*error) {
    g_clear_pointer(&pipeline, gst_object_unref);
    return NULL;
  }
  return pipeline;
}

static void configure(camera *c, GstElement *pipeline) {
  static const GstAppSinkCallbacks callbacks = {.new_sample = take_frame};
  GstElement *source = gst_bin_get_by_name(GST_BIN(pipeline), "source");
  GstElement *first = gst_bin_get_by_name(GST_BIN(pipeline), "first");
  GstElement *sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
  g_object_set(source, "uri", c->uri, NULL);
  g_signal_connect(source, "pad-added", G_CALLBACK(link_video), first);
  gst_app_sink_set_callbacks(GST_APP_SINK(sink), (GstAppSinkCallbacks *)&callbacks, c, NULL);
  g_mutex_lock(&c->lock);
  c->pipeline = pipeline;
  /* The pipeline holds them. */
  c->valve = gst_bin_get_by_name(GST_BIN(pipeline), "valve");
  c->classify = gst_bin_get_by_name(GST_BIN(pipeline), "classify");
  gst_object_unref(c->valve);
  gst_object_unref(c->classify);
  g_object_set(c->valve, "drop", c->watchers->len == 0, NULL);
  g_mutex_unlock(&c->lock);
  set_engine(c);
  GstPad *pad = gst_element_get_static_pad(c->classify, "src");
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, count_frame, c, NULL);
  gst_object_unref(pad);
  gst_object_unref(source);
  gst_object_unref(first);
  gst_object_unref(sink);
}

void camera_start(camera *c) {
  GError *error = NULL;
  c->retry = 0;
  GstElement *pipeline = make_pipeline(c, &error);
  if (pipeline == NULL) {
    retire(c, FAILED, error->message);
    g_error_free(error);
    return;
  }
  set_state(c, STARTING, NULL);
  configure(c, pipeline);
  GstBus *bus = gst_element_get_bus(pipeline);
  c->bus_watch = gst_bus_add_watch(bus, on_message, c);
  gst_object_unref(bus);
  __atomic_store_n(&c->last_frame, g_get_monotonic_time(), __ATOMIC_RELAXED);
  c->played_since = 0;
  gst_element_set_state(pipeline, GST_STATE_PLAYING); /* a failure is a message */
}

/* ---- Looking after it ---------------------------------------------------------------------------------- */

static gboolean add_number(GQuark field, const GValue *value, gpointer json) {
  const char *name = g_quark_to_string(field);
  if (G_VALUE_HOLDS_UINT64(value))
    json_object_set_new(json, name, json_integer((json_int_t)g_value_get_uint64(value)));
  else if (G_VALUE_HOLDS_UINT(value))
    json_object_set_new(json, name, json_integer((json_int_t)g_value_get_uint(value)));
  else if (G_VALUE_HOLDS_INT(value))
    json_object_set_new(json, name, json_integer((json_int_t)g_value_get_int(value)));
  else if (G_VALUE_HOLDS_DOUBLE(value))
    json_object_set_new(json, name, json_real(g_value_get_double(value)));
  else if (G_VALUE_HOLDS_BOOLEAN(value))
    json_object_set_new(json, name, json_boolean(g_value_get_boolean(value)));
  else if (G_VALUE_HOLDS_STRING(value) && g_value_get_string(value))
    json_object_set_new(json, name, json_string(g_value_get_string(value)));
  return TRUE;
}

static json_t *read_stats(camera *c) {
  GstStructure *structure = NULL;
  json_t *json = json_object();
  g_object_get(c->classify, "stats", &structure, NULL);
  if (structure) {
    gst_structure_foreach(structure, add_number, json);
    gst_structure_free(structure);
  }
  return json;
}

static void measure(camera *c, gint64 now) {
  const guint64 frames = __atomic_load_n(&c->frames, __ATOMIC_RELAXED);
  const double seconds = (double)(now - c->last_tick) / G_USEC_PER_SEC;
  const double rate = c->last_tick && seconds > 0 ? (double)(frames - c->last_frames) / seconds : 0;
  json_t *stats = c->classify ? read_stats(c) : NULL;
  c->last_tick = now;
  c->last_frames = frames;
  g_mutex_lock(&c->lock);
  c->rate = 0.7 * c->rate + 0.3 * rate;
  if (c->state != PLAYING)
    c->rate = 0;
  if (stats) {
    json_decref(c->stats);
    c->stats = stats;
  }
  g_mutex_unlock(&c->lock);
}

static void look(camera *c, gint64 now) {
  const gint64 silent = now - __atomic_load_n(&c->last_frame, __ATOMIC_RELAXED);
  const bool came = __atomic_load_n(&c->frames, __ATOMIC_RELAXED) > c->last_frames;
  if (came && c->state == STARTING) {
    c->played_since = now;
    set_state(c, PLAYING, NULL);
  }
  if (c->played_since && now - c->played_since > SILENCE * G_USEC_PER_SEC)
    c->attempts = 0;
  if (silent > SILENCE * G_USEC_PER_SEC)
    retire(c, WAITING, "no frame came for 20 seconds");
}

void camera_tick(camera *c) {
  const gint64 now = g_get_monotonic_time();
  if (c->pipeline)
    look(c, now);
  else if (c->retry && now >= c->retry) {
    g_mutex_lock(&c->lock);
    c->restarts++;
    g_mutex_unlock(&c->lock);
    camera_start(c);
  }
  measure(c, now);
}

/* ---- Making and reading -------------------------------------------------------------------------------- */

/* Of a URI or a file's name. */
static char *make_uri(const char *word) {
  if (strstr(word, "://"))
    return g_strdup(word);
  char *path = g_canonicalize_filename(word, NULL), *uri = g_filename_to_uri(path, NULL, NULL);
  g_free(path);
  return uri ? uri : g_strdup(word);
}

camera *camera_new(const settings *s, unsigned number, const char *uri) {
  camera *c = g_new0(camera, 1);
  c->settings = s;
  c->number = number;
  c->uri = make_uri(uri);
  c->name = strcmp(c->uri, uri) == 0 ? camera_public_uri(uri) : g_path_get_basename(uri);
  g_mutex_init(&c->lock);
  c->watchers = g_ptr_array_new();
  c->stats = json_object();
  return c;
}

void camera_free(camera *c) {
  retire(c, ENDED, "the server is being stopped");
  g_clear_pointer(&c->frame, g_bytes_unref);
  json_decref(c->stats);
  g_ptr_array_free(c->watchers, TRUE);
  g_mutex_clear(&c->lock);
  g_free(c->uri);
  g_free(c->name);
  g_free(c->reason);
  g_free(c->result);
  g_free(c);
}

json_t *camera_json(camera *c) {
  g_mutex_lock(&c->lock);
  json_t *json = state_json(c);
  json_object_set_new(json, "id", json_integer((json_int_t)c->number));
  json_object_del(json, "stream");
  json_object_set_new(json, "stats", json_deep_copy(c->stats));
  json_t *result = c->result ? json_loads(c->result, 0, NULL) : NULL;
  json_object_set_new(json, "result", result ? result : json_null());
  g_mutex_unlock(&c->lock);
  return json;
}

GBytes *camera_frame(camera *c, guint64 *seen) {
  GBytes *frame = NULL;
  g_mutex_lock(&c->lock);
  if (c->frame && c->frame_number != *seen) {
    frame = g_bytes_ref(c->frame);
    *seen = c->frame_number;
  }
  g_mutex_unlock(&c->lock);
  return frame;
}

static void set_valve(camera *c) {
  if (c->watchers->len == 0) /* an old one is worse than none */
    g_clear_pointer(&c->frame, g_bytes_unref);
  if (c->valve)
    g_object_set(c->valve, "drop", c->watchers->len == 0, NULL);
}

void camera_watch(camera *c, watcher *w) {
  g_mutex_lock(&c->lock);
  g_ptr_array_add(c->watchers, w);
  set_valve(c);
  g_mutex_unlock(&c->lock);
}

void camera_unwatch(camera *c, watcher *w) {
  g_mutex_lock(&c->lock);
  g_ptr_array_remove_fast(c->watchers, w);
  set_valve(c);
  g_mutex_unlock(&c->lock);
}

gboolean camera_plays(camera *c) {
  g_mutex_lock(&c->lock);
  const gboolean plays = c->state == PLAYING;
  g_mutex_unlock(&c->lock);
  return plays;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One live source. */
#include "camera.h"

#include "camera_pipeline.h"
#include "events.h"
#include "pipeline.h"
#include "public.h"
#include "result_json.h"
#include "teardown.h"

#include <gst/app/gstappsink.h>
#include <string.h>

/* Milliseconds between two looks at the source; looks over which the rate is taken; looks and frames before it is
 * believed. */
enum { TICK = 500, WINDOW = 20, SETTLED = 2, ENOUGH = 10 };
/* Seconds that a camera waits for the one in whose place it is, and for its own last pipeline: one with targets may
 * have results to hand over. */
enum { HANDOVER = 5, TEARDOWN = 2 };
/* Seconds after which a target that refuses something while it is open may say the same again. */
enum { FORGET = 60 };
/* Between two results of one camera in the events. */
static const gint64 result_pause = G_USEC_PER_SEC / 2;

typedef enum { STARTING, PLAYING, WAITING, ENDED, FAILED } camera_state;
const char *const camera_fate_names[CAMERA_FATES] = {"classified", "dropped", "late", "skipped", "reused"};
const char *const camera_state_names[CAMERA_STATES] = {"starting", "playing", "waiting", "ended", "failed"};

/* Of a target, over all pipelines so far. */
typedef struct {
  guint64 delivered, dropped; /* of those that have ended */
  camera_target_counts now;
  char *said; /* the trouble that the log has; NULL = none; the camera's thread's, as all below */
  gint64 said_at;
  bool was_closed; /* by that trouble: that it is open again is worth a word */
} target_sum;

struct camera {
  gint references; /* atomic */
  camera_spec *spec;
  unsigned number;
  camera *before;
  gint stopping; /* atomic */
  GMainContext *context;
  GMainLoop *loop;

  /* The thread's. */
  GstElement *pipeline;
  GSource *bus_watch;
  GSource *retry;    /* begins anew; NULL = not */
  unsigned attempts; /* since it last played for a while */
  bool needs_tcp;    /* nothing came by UDP */
  bool goes_round;   /* a file is at its end and begins anew: its rate goes on */
  gint64 begun, played_since, last_result;
  guint64 frames_before; /* of this pipeline */
  struct {
    gint64 time;
    guint64 frames;
  } looks[WINDOW];
  unsigned n_looks;

  guint64 frames;    /* atomic */
  gint64 last_frame; /* atomic; monotonic */
  gpointer current;  /* atomic: the pipeline whose frames count, which one that was left behind is not any more */

  GMutex lock; /* of what follows */
  GCond finished;
  gboolean ended;    /* its thread has, or never was */
  GstElement *valve; /* the pipeline's; NULL = none */
  camera_state state;
  char *reason, *result; /* NULL = none */
  char *said;            /* the reason that the log has; NULL while all is well */
  double rate;
  double usual; /* the rate when a frame last came; 0 = not known yet; its thread's own */
  unsigned restarts, left_behind;
  guint64 fates[CAMERA_FATES]; /* of pipelines that have ended */
  json_t *stats;               /* of the pipeline, or of the last one */
  bool is_counted;             /* they are in `fates` */
  target_sum *targets;
  GBytes *frame;
  guint64 frame_number;
  GPtrArray *watchers;
};

static void begin(camera *c);
static gboolean begin_again(gpointer user);

/* ---- State --------------------------------------------------------------------------------------------- */

static json_t *state_json(camera *c) {
  return json_pack("{s:i,s:s,s:s,s:s?,s:f,s:i}", "stream", (int)c->number, "name", c->spec->name, "state",
                   camera_state_names[c->state], "reason", c->reason, "rate", c->rate, "restarts", (int)c->restarts);
}

static void call_watchers(camera *c) {
  for (guint i = 0; i < c->watchers->len; i++) {
    const watcher *w = c->watchers->pdata[i];
    w->callback(w->user);
  }
}

/* For whoever reads the log: what is wrong, once for each reason, and that it is over. On the thread that alone changes
 * them, and without the lock, which a log that nobody reads must not hold. */
static void say_state(camera *c) {
  if ((c->state == WAITING || c->state == FAILED) && g_strcmp0(c->said, c->reason) != 0) {
    fprintf(stderr, "resnet18-server: camera %s: %s\n", c->spec->name, c->reason ? c->reason : "it fails");
    g_free(c->said);
    c->said = g_strdup(c->reason);
  } else if (c->state == PLAYING && c->said) {
    fprintf(stderr, "resnet18-server: camera %s: plays\n", c->spec->name);
    g_clear_pointer(&c->said, g_free);
  }
}

/* Without a reason, STARTING keeps the one why it begins anew. */
static void set_state(camera *c, camera_state state, const char *reason) {
  g_mutex_lock(&c->lock);
  char *clean = reason ? public_text(reason, c->spec->uri) : state == STARTING ? g_strdup(c->reason) : NULL;
  const bool news = c->state != state || g_strcmp0(c->reason, clean) != 0;
  c->state = state;
  g_free(c->reason);
  c->reason = clean;
  json_t *json = news ? state_json(c) : NULL;
  if (state != PLAYING)
    call_watchers(c);
  g_mutex_unlock(&c->lock);
  say_state(c);
  if (json) {
    char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(6));
    if (text)
      events_publish("state", text);
    free(text);
    json_decref(json);
  }
}

/* ---- Frames -------------------------------------------------------------------------------------------- */

/* Without a lock: the pipeline lives as long as its elements call. */
static bool is_current(camera *c, const void *element) {
  return g_atomic_pointer_get(&c->current) == GST_OBJECT_PARENT(element);
}

static GstPadProbeReturn count_frame(GstPad *pad, GstPadProbeInfo *info, gpointer user) {
  camera *c = user;
  if (!is_current(c, GST_OBJECT_PARENT(pad)))
    return GST_PAD_PROBE_OK;
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
  GBytes *bytes = sample && is_current(c, sink) ? copy_buffer(gst_sample_get_buffer(sample)) : NULL;
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

/* A number of a structure of counts. */
static guint64 number_of(const GstStructure *counts, const char *name) {
  guint64 number = 0;
  guint small = 0;
  if (!gst_structure_get_uint64(counts, name, &number) && gst_structure_get_uint(counts, name, &small))
    number = small;
  return number;
}

static GstStructure *stats_of(GstElement *pipeline, const char *name) {
  GstStructure *stats = NULL;
  GstElement *element = gst_bin_get_by_name(GST_BIN(pipeline), name);
  g_object_get(element, "stats", &stats, NULL);
  gst_object_unref(element);
  return stats;
}

static gboolean add_number(GQuark quark, const GValue *value, gpointer json) {
  const char *name = g_quark_to_string(quark);
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

static void read_classify(camera *c, GstElement *pipeline) {
  GstStructure *counts = stats_of(pipeline, "classify");
  if (counts == NULL)
    return;
  json_t *json = json_object();
  gst_structure_foreach(counts, add_number, json);
  gst_structure_free(counts);
  g_mutex_lock(&c->lock);
  json_decref(c->stats);
  c->stats = json;
  c->is_counted = false;
  g_mutex_unlock(&c->lock);
}

static GstStructure *target_stats(GstElement *pipeline, guint i) {
  char *name = camera_pipeline_target_name(i);
  GstStructure *counts = stats_of(pipeline, name);
  g_free(name);
  return counts;
}

static bool is_open_now(const GstStructure *counts) {
  gboolean is_open = FALSE;
  if (counts)
    gst_structure_get_boolean(counts, "open", &is_open);
  return is_open;
}

static void say_of_target(const camera *c, guint i, const char *text) {
  char *clean = public_text(text, c->spec->uri);
  fprintf(stderr, "resnet18-server: camera %s: target %s: %s\n", c->spec->name, c->targets[i].now.name, clean);
  g_free(clean);
}

/* Once for each trouble, however often the camera is begun anew meanwhile. */
static void say_trouble(camera *c, GstElement *pipeline, guint i, const char *text) {
  target_sum *t = &c->targets[i];
  GstStructure *counts = target_stats(pipeline, i);
  t->was_closed |= !is_open_now(counts);
  if (counts)
    gst_structure_free(counts);
  if (g_strcmp0(t->said, text) != 0) {
    say_of_target(c, i, text);
    g_free(t->said);
    t->said = g_strdup(text);
    t->said_at = g_get_monotonic_time();
  }
}

/* What the trouble was, without the element's name and property. */
static const char *without_property(const char *text) {
  static const char before[] = ": property \"location\": ";
  const char *found = strstr(text, before);
  return found ? found + strlen(before) : text;
}

static void on_warning(camera *c, GstMessage *message) {
  GError *error = NULL;
  gst_message_parse_warning(message, &error, NULL);
  for (guint i = 0; i < c->spec->targets->len; i++) {
    char *name = camera_pipeline_target_name(i);
    if (strcmp(GST_OBJECT_NAME(GST_MESSAGE_SRC(message)), name) == 0)
      say_trouble(c, c->pipeline, i, without_property(error->message));
    g_free(name);
  }
  g_error_free(error);
}

static void say_recovery(const camera *c, guint i, bool is_open) {
  target_sum *t = &c->targets[i];
  if (t->said == NULL || !is_open)
    return;
  if (t->was_closed)
    say_of_target(c, i, "is open again");
  if (t->was_closed || g_get_monotonic_time() - t->said_at > FORGET * G_USEC_PER_SEC)
    g_clear_pointer(&t->said, g_free);
  t->was_closed = false;
}

/* What the pipeline last said becomes a part of what all have said. */
static void keep_target(target_sum *t) {
  t->delivered = t->now.delivered;
  t->dropped = t->now.dropped;
}

/* `last`: the pipeline has ended. */
static void read_target(camera *c, GstElement *pipeline, guint i, bool last) {
  GstStructure *counts = target_stats(pipeline, i);
  target_sum *sum = &c->targets[i];
  if (counts == NULL)
    return;
  const bool is_open = is_open_now(counts);
  say_recovery(c, i, is_open);
  g_mutex_lock(&c->lock);
  sum->now.delivered = sum->delivered + number_of(counts, "written") + number_of(counts, "sent");
  sum->now.dropped = sum->dropped + number_of(counts, "dropped");
  sum->now.waiting = number_of(counts, "waiting") + number_of(counts, "spooled");
  if (c->state == PLAYING) { /* while a camera is away, its targets are not tried for long enough to say more */
    sum->now.was_tried = TRUE;
    sum->now.is_open = is_open;
  }
  if (last)
    keep_target(sum);
  g_mutex_unlock(&c->lock);
  gst_structure_free(counts);
}

/* Over all pipelines so far. */
static guint64 fate_of(const camera *c, unsigned i) {
  const json_t *now = json_object_get(c->stats, camera_fate_names[i]);
  return c->fates[i] + (c->is_counted ? 0 : (guint64)json_integer_value(now));
}

static double seconds_of(const camera *c, const char *name) {
  return (double)json_integer_value(json_object_get(c->stats, name)) / 1e9;
}

/* What the pipeline counted since it was made is added to what was before; NULL: what it last said. */
static void keep_counts(camera *c, GstElement *pipeline) {
  for (guint i = 0; pipeline && i < c->spec->targets->len; i++)
    read_target(c, pipeline, i, true);
  g_mutex_lock(&c->lock);
  for (guint i = 0; !pipeline && i < c->spec->targets->len; i++)
    keep_target(&c->targets[i]);
  for (unsigned i = 0; i < CAMERA_FATES; i++)
    c->fates[i] = fate_of(c, i);
  c->is_counted = true;
  g_mutex_unlock(&c->lock);
}

/* It has locked itself up, and the camera does without. */
static void leave_behind(camera *c, int seconds) {
  g_atomic_pointer_set(&c->current, NULL);
  g_mutex_lock(&c->lock);
  c->left_behind++;
  g_mutex_unlock(&c->lock);
  fprintf(stderr, "resnet18-server: camera %s: its pipeline has not ended in %d s and is left behind\n", c->spec->name,
          seconds);
}

static void take_down(camera *c) {
  GstElement *pipeline = g_steal_pointer(&c->pipeline);
  g_mutex_lock(&c->lock);
  c->valve = NULL;
  g_mutex_unlock(&c->lock);
  if (c->bus_watch) {
    g_source_destroy(c->bus_watch);
    g_clear_pointer(&c->bus_watch, g_source_unref);
  }
  if (pipeline == NULL)
    return;
  read_classify(c, pipeline);
  const int seconds = c->spec->targets->len ? HANDOVER : TEARDOWN;
  const bool ended = teardown_pipeline(pipeline, seconds * G_USEC_PER_SEC, (GDestroyNotify)camera_unref, camera_ref(c));
  if (!ended)
    leave_behind(c, seconds);
  keep_counts(c, ended ? pipeline : NULL);
  gst_object_unref(pipeline);
}

static void begin_later(camera *c, double seconds) {
  c->retry = g_timeout_source_new((guint)(seconds * 1000));
  g_source_set_callback(c->retry, begin_again, c, NULL);
  g_source_attach(c->retry, c->context);
}

static void forget_retry(camera *c) {
  if (c->retry) {
    g_source_destroy(c->retry);
    g_clear_pointer(&c->retry, g_source_unref);
  }
}

/* To begin anew after a while; of a file that has been played, never. */
static void retire(camera *c, camera_state state, const char *reason) {
  c->goes_round = false;
  forget_retry(c);
  if (state == WAITING)
    begin_later(c, supervision_pause(&c->spec->supervision, c->attempts));
  c->attempts++;
  set_state(c, state, reason); /* before what may take long */
  take_down(c);
}

/* TCP did not help, unless frames came, or there was nobody to talk to. */
static void judge_tcp(camera *c, const GError *error) {
  const bool came = __atomic_load_n(&c->frames, __ATOMIC_RELAXED) > c->frames_before;
  const bool away = g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ) ||
                    g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ_WRITE);
  c->needs_tcp = c->needs_tcp && (came || away);
}

static void on_error(camera *c, GstMessage *message) {
  GError *error = NULL;
  gchar *debug = NULL;
  gst_message_parse_error(message, &error, &debug);
  char *text = pipeline_sentence(error, debug);
  judge_tcp(c, error);
  retire(c, WAITING, text);
  g_error_free(error);
  g_free(debug);
  g_free(text);
}

static void on_end(camera *c) {
  if (!g_str_has_prefix(c->spec->uri, "file:")) {
    retire(c, WAITING, "the stream has ended");
    return;
  }
  if (__atomic_load_n(&c->frames, __ATOMIC_RELAXED) == c->frames_before) {
    retire(c, WAITING, "the file has no picture");
    return;
  }
  retire(c, ENDED, NULL);
  c->attempts = 0;
  c->goes_round = c->spec->loop;
  if (c->spec->loop)
    begin(c);
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
    on_end(c);
    return G_SOURCE_REMOVE;
  case GST_MESSAGE_WARNING:
    c->needs_tcp |= camera_pipeline_misses_udp(message);
    on_warning(c, message);
    return G_SOURCE_CONTINUE;
  default:
    return G_SOURCE_CONTINUE;
  }
}

/* ---- The pipeline -------------------------------------------------------------------------------------- */

static void configure(camera *c, GstElement *pipeline) {
  static const GstAppSinkCallbacks callbacks = {.new_sample = take_frame};
  GstElement *sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
  GstElement *classify = gst_bin_get_by_name(GST_BIN(pipeline), "classify");
  GstElement *valve = gst_bin_get_by_name(GST_BIN(pipeline), "valve");
  GstPad *pad = gst_element_get_static_pad(classify, "src");
  g_atomic_pointer_set(&c->current, pipeline);
  gst_app_sink_set_callbacks(GST_APP_SINK(sink), (GstAppSinkCallbacks *)&callbacks, c, NULL);
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, count_frame, c, NULL);
  g_mutex_lock(&c->lock);
  c->valve = valve; /* the pipeline holds it */
  g_object_set(valve, "drop", c->watchers->len == 0, NULL);
  g_mutex_unlock(&c->lock);
  gst_object_unref(pad);
  gst_object_unref(valve);
  gst_object_unref(classify);
  gst_object_unref(sink);
}

static void watch_bus(camera *c) {
  GstBus *bus = gst_element_get_bus(c->pipeline);
  c->bus_watch = gst_bus_create_watch(bus);
  g_source_set_callback(c->bus_watch, G_SOURCE_FUNC(on_message), c, NULL);
  g_source_attach(c->bus_watch, c->context);
  gst_object_unref(bus);
}

/* Why there is no pipeline: most often the program was not installed. */
static char *reason_of(const GError *error) {
  const bool misses_ours =
      g_error_matches(error, GST_PARSE_ERROR, GST_PARSE_ERROR_NO_SUCH_ELEMENT) && strstr(error->message, "\"resnet18");
  return g_strconcat(error->message,
                     misses_ours
                         ? "; the plugin libgstresnet18.so is looked for in GStreamer's folder and in those of the "
                           "environment variable GST_PLUGIN_PATH (in the build tree: build/gst)"
                         : NULL,
                     NULL);
}

static void begin(camera *c) {
  GError *error = NULL;
  const camera_approach approach = {supervision_answer(&c->spec->supervision, c->attempts), c->needs_tcp};
  c->pipeline = camera_pipeline_new(c->spec, approach, &error);
  if (c->pipeline == NULL) {
    char *reason = reason_of(error);
    retire(c, FAILED, reason);
    g_free(reason);
    g_error_free(error);
    return;
  }
  set_state(c, STARTING, NULL);
  configure(c, c->pipeline);
  watch_bus(c);
  c->begun = g_get_monotonic_time();
  c->played_since = 0;
  c->frames_before = __atomic_load_n(&c->frames, __ATOMIC_RELAXED);
  gst_element_set_state(c->pipeline, GST_STATE_PLAYING); /* a failure is a message */
}

static gboolean begin_again(gpointer user) {
  camera *c = user;
  forget_retry(c);
  g_mutex_lock(&c->lock);
  c->restarts++;
  g_mutex_unlock(&c->lock);
  begin(c);
  return G_SOURCE_REMOVE;
}

/* ---- Looking after it ---------------------------------------------------------------------------------- */

static void measure_rate(camera *c, gint64 now, guint64 frames) {
  const unsigned place = c->n_looks % WINDOW, oldest = c->n_looks < WINDOW ? 0 : place;
  const double seconds = (double)(now - c->looks[oldest].time) / G_USEC_PER_SEC;
  const guint64 came = c->n_looks ? frames - c->looks[oldest].frames : 0;
  const double rate = seconds > 0 ? (double)came / seconds : 0;
  const bool news = c->n_looks && frames > c->looks[(c->n_looks - 1) % WINDOW].frames;
  c->looks[place].time = now;
  c->looks[place].frames = frames;
  c->n_looks++;
  if (news && c->n_looks > SETTLED && came >= ENOUGH) /* silence says nothing of how often frames come */
    c->usual = rate;
  g_mutex_lock(&c->lock);
  c->rate = c->state == PLAYING || c->goes_round ? rate : 0;
  g_mutex_unlock(&c->lock);
}

static void measure(camera *c, gint64 now) {
  measure_rate(c, now, __atomic_load_n(&c->frames, __ATOMIC_RELAXED));
  if (c->pipeline == NULL)
    return;
  read_classify(c, c->pipeline);
  for (guint i = 0; i < c->spec->targets->len; i++)
    read_target(c, c->pipeline, i, false);
}

/* Seconds without a frame after which it is lost. */
static double patience(const camera *c) {
  return supervision_silence(&c->spec->supervision, c->state == PLAYING ? c->usual : 0);
}

static void give_up(camera *c, double seconds) {
  char *reason = g_strdup_printf("no frame came for %.0f seconds", seconds);
  judge_tcp(c, NULL);
  retire(c, WAITING, reason);
  g_free(reason);
}

static void look(camera *c, gint64 now) {
  const gint64 silent = now - MAX(c->begun, __atomic_load_n(&c->last_frame, __ATOMIC_RELAXED));
  const bool came = __atomic_load_n(&c->frames, __ATOMIC_RELAXED) > c->frames_before;
  if (came && c->state == STARTING) {
    c->played_since = now;
    if (!c->goes_round)
      c->n_looks = 0;
    c->goes_round = false;
    set_state(c, PLAYING, NULL);
  }
  if (c->played_since && supervision_is_healthy((double)(now - c->played_since) / G_USEC_PER_SEC))
    c->attempts = 0;
  if ((double)silent > patience(c) * G_USEC_PER_SEC)
    give_up(c, patience(c));
}

static gboolean tick(gpointer user) {
  camera *c = user;
  const gint64 now = g_get_monotonic_time();
  if (c->pipeline)
    look(c, now);
  measure(c, now);
  return G_SOURCE_CONTINUE;
}

/* ---- Its thread ---------------------------------------------------------------------------------------- */

static void supervise(camera *c) {
  GSource *source = g_timeout_source_new(TICK);
  g_source_set_callback(source, tick, c, NULL);
  g_source_attach(source, c->context);
  begin(c);
  g_main_loop_run(c->loop);
  g_source_destroy(source);
  g_source_unref(source);
  retire(c, ENDED, "it is being stopped");
}

/* Its predecessor gives back what both want: a device, a spool. One that has locked itself up is not waited for. */
static void await_predecessor(camera *c) {
  const gint64 until = g_get_monotonic_time() + HANDOVER * G_USEC_PER_SEC;
  gint64 now;
  gboolean ended = FALSE;
  while (!ended && (now = g_get_monotonic_time()) < until && !g_atomic_int_get(&c->stopping))
    ended = camera_join(c->before, now + TICK * 1000);
  if (!ended && !g_atomic_int_get(&c->stopping))
    fprintf(stderr, "resnet18-server: camera %s: what it was before has not ended in %d s and is left behind\n",
            c->spec->name, HANDOVER);
  g_clear_pointer(&c->before, camera_unref);
}

static gpointer run(gpointer user) {
  camera *c = user;
  g_main_context_push_thread_default(c->context);
  if (c->before)
    await_predecessor(c);
  supervise(c);
  g_main_context_pop_thread_default(c->context);
  g_mutex_lock(&c->lock);
  c->ended = TRUE;
  g_cond_broadcast(&c->finished);
  g_mutex_unlock(&c->lock);
  camera_unref(c);
  return NULL;
}

void camera_start(camera *c, camera *before) {
  c->ended = FALSE;
  c->before = before ? camera_ref(before) : NULL;
  GError *error = NULL;
  GThread *thread = g_thread_try_new("camera", run, camera_ref(c), &error);
  if (thread) {
    g_thread_unref(thread);
    return;
  }
  set_state(c, FAILED, error->message);
  g_error_free(error);
  g_clear_pointer(&c->before, camera_unref);
  c->ended = TRUE;
  camera_unref(c);
}

static gboolean quit(gpointer loop) {
  g_main_loop_quit(loop);
  return G_SOURCE_REMOVE;
}

void camera_stop(camera *c) {
  g_atomic_int_set(&c->stopping, TRUE);
  GSource *source = g_idle_source_new(); /* not a call from here, which could come before the loop runs */
  g_source_set_priority(source, G_PRIORITY_HIGH);
  g_source_set_callback(source, quit, c->loop, NULL);
  g_source_attach(source, c->context);
  g_source_unref(source);
}

gboolean camera_join(camera *c, gint64 until) {
  g_mutex_lock(&c->lock);
  gboolean in_time = TRUE;
  while (!c->ended && in_time)
    in_time = g_cond_wait_until(&c->finished, &c->lock, until);
  const gboolean ended = c->ended;
  g_mutex_unlock(&c->lock);
  return ended;
}

/* ---- Making and reading -------------------------------------------------------------------------------- */

camera *camera_new(camera_spec *spec, unsigned number) {
  camera *c = g_new0(camera, 1);
  c->references = 1;
  c->spec = spec;
  c->number = number;
  c->context = g_main_context_new();
  c->loop = g_main_loop_new(c->context, FALSE);
  g_mutex_init(&c->lock);
  g_cond_init(&c->finished);
  c->ended = TRUE;
  c->watchers = g_ptr_array_new();
  c->stats = json_object();
  c->targets = g_new0(target_sum, spec->targets->len + 1);
  for (guint i = 0; i < spec->targets->len; i++)
    c->targets[i].now.name = ((spec_target *)spec->targets->pdata[i])->name;
  return c;
}

camera *camera_ref(camera *c) {
  g_atomic_int_inc(&c->references);
  return c;
}

void camera_unref(camera *c) {
  if (c == NULL || !g_atomic_int_dec_and_test(&c->references))
    return;
  g_clear_pointer(&c->frame, g_bytes_unref);
  json_decref(c->stats);
  g_ptr_array_free(c->watchers, TRUE);
  g_main_loop_unref(c->loop);
  g_main_context_unref(c->context);
  g_mutex_clear(&c->lock);
  g_cond_clear(&c->finished);
  for (guint i = 0; i < c->spec->targets->len; i++)
    g_free(c->targets[i].said);
  camera_spec_free(c->spec);
  g_free(c->targets);
  g_free(c->reason);
  g_free(c->said);
  g_free(c->result);
  g_free(c);
}

const camera_spec *camera_get_spec(const camera *c) {
  return c->spec;
}

unsigned camera_number(const camera *c) {
  return c->number;
}

static json_t *targets_json(const camera *c) {
  json_t *list = json_array();
  for (guint i = 0; i < c->spec->targets->len; i++) {
    const camera_target_counts *now = &c->targets[i].now;
    json_array_append_new(list, json_pack("{s:s,s:b,s:I,s:I,s:I}", "name", now->name, "open", now->is_open, "delivered",
                                          (json_int_t)now->delivered, "dropped", (json_int_t)now->dropped, "waiting",
                                          (json_int_t)now->waiting));
  }
  return list;
}

json_t *camera_json(camera *c) {
  g_mutex_lock(&c->lock);
  json_t *json = state_json(c);
  json_object_set_new(json, "id", json_integer((json_int_t)c->number));
  json_object_del(json, "stream");
  json_object_set_new(json, "stats", json_deep_copy(c->stats));
  json_object_set_new(json, "targets", targets_json(c));
  json_t *result = c->result ? json_loads(c->result, 0, NULL) : NULL;
  json_object_set_new(json, "result", result ? result : json_null());
  g_mutex_unlock(&c->lock);
  return json;
}

camera_counts camera_count(camera *c) {
  const guint64 frames = __atomic_load_n(&c->frames, __ATOMIC_RELAXED);
  const gint64 silent = g_get_monotonic_time() - __atomic_load_n(&c->last_frame, __ATOMIC_RELAXED);
  g_mutex_lock(&c->lock);
  camera_counts counts = {.name = c->spec->name,
                          .state = c->state,
                          .reason = g_strdup(c->reason),
                          .rate = c->rate,
                          .age = frames ? (double)silent / G_USEC_PER_SEC : -1,
                          .frames = frames,
                          .restarts = c->restarts,
                          .left_behind = c->left_behind,
                          .latency_median = seconds_of(c, "latency-p50"),
                          .latency_p99 = seconds_of(c, "latency-p99"),
                          .targets = g_array_new(FALSE, FALSE, sizeof(camera_target_counts))};
  for (unsigned i = 0; i < CAMERA_FATES; i++)
    counts.fates[i] = fate_of(c, i);
  for (guint i = 0; i < c->spec->targets->len; i++)
    g_array_append_val(counts.targets, c->targets[i].now);
  g_mutex_unlock(&c->lock);
  return counts;
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

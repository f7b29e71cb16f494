/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resnet18 worker: classifies what a JetStream work queue holds.
 *
 * Each lane is a thread that takes one job at a time: decode, classify (on one thread unless --threads says more),
 * store the result, then acknowledge the job. A lane waits for the network twice a job; there is one lane more than
 * processors, so that another one computes meanwhile. A job is acknowledged only once its result is stored: a worker
 * that is killed in between leaves it to another, and the result of the second run has the message id of the first, so
 * it is kept once.
 */
#include "answer.h"
#include "command.h"
#include "frame.h"
#include "input.h"
#include "object.h"
#include "picture.h"
#include "queue.h"
#include "result_json.h"
#include "stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int run(int argc, char **argv);

const command worker_command = {
    .name = "worker",
    .arguments = "",
    .summary = "Classify what a NATS JetStream work queue holds",
    .help = "Takes the jobs that 'resnet18 submit' queues: pictures, or paths, URIs and object-store keys\n"
            "of pictures and videos. A video's answer is the mean of its frames' scores. Run as many\n"
            "workers as you like, on as many machines. A job that fails is tried again, by --tries\n"
            "workers in all, then moved to the dead-letter stream, and its result says why.\n"
            "A forward pass has one thread unless --threads says more; other jobs use the other processors.\n"
            "SIGTERM and SIGINT end it when the jobs in hand are done.\n\n"
            "Examples:\n"
            "  resnet18 worker --nats nats://127.0.0.1:4222\n"
            "  resnet18 worker --nats nats://a:4222,nats://b:4222 --stream parking --precision auto\n",
    .run = run,
};

enum { MAX_LANES = 64, MAX_TRIES = 100, FETCH_MS = 1000, IN_PROGRESS_SECONDS = 5, STALL_SECONDS = 60, DELAY_MS = 500 };

typedef struct {
  engine_options engine;
  resnet18_preprocess_options prepare;
  answer_options answer;
  char *servers, *stream;
  int lanes, tries, interval;
  gboolean once;
} worker_options;

typedef struct {
  const worker_options *options;
  queue *queue;
  engine engine;
  resnet18_class *best;
  frame_preparer *preparer;
  natsMsg *message;  /* the job in hand */
  gint64 said;       /* when the server last heard of it (monotonic, microseconds) */
  gint64 frame;      /* when the stream last had a frame */
  guint64 *sum_done; /* shared: jobs that are done */
} lane;

/* ---- One job ------------------------------------------------------------------------------------------- */

/* Tells the server that the job is being worked on, often enough. */
static void keep_job(lane *l) {
  const gint64 now = g_get_monotonic_time();
  if (now - l->said < IN_PROGRESS_SECONDS * G_USEC_PER_SEC)
    return;
  natsMsg_InProgress(l->message, NULL);
  l->said = now;
}

static bool is_stalled(const lane *l) {
  return g_get_monotonic_time() - l->frame >= STALL_SECONDS * G_USEC_PER_SEC;
}

/* A stream that has nothing more to say must not hold a lane, nor the worker that shall end. */
static bool may_wait(void *user) {
  lane *l = user;
  keep_job(l);
  return !queue_stopping() && !is_stalled(l);
}

static report new_report(const char *input) {
  return (report){.input = input,
                  .pts = GST_CLOCK_TIME_NONE,
                  .running_time = GST_CLOCK_TIME_NONE,
                  .stream_time = GST_CLOCK_TIME_NONE,
                  .duration = GST_CLOCK_TIME_NONE};
}

static char *classify_sample(lane *l, const char *input, GstSample *sample, GError **error) {
  uint8_t rgb[RESNET18_RGB_BYTES];
  report r = new_report(input);
  frame_size(sample, &r.width, &r.height);
  if (!frame_preparer_run(l->preparer, sample, rgb, error))
    return NULL;
  if (answer_picture(&l->engine, rgb, &l->options->answer, l->best, &r))
    return report_to_json(&r);
  g_set_error(error, MEDIA_ERROR, MEDIA_ERROR_DAMAGED, "the forward pass failed");
  return NULL;
}

static char *classify_bytes(lane *l, const char *input, GBytes *bytes, GError **error) {
  GstCaps *type = picture_type(bytes);
  char *json = NULL;
  if (type == NULL || !picture_is_still(type)) {
    g_set_error(error, MEDIA_ERROR, MEDIA_ERROR_UNKNOWN, "it is not a picture that GStreamer recognises");
  } else {
    GstSample *sample = picture_decode(bytes, type, true, error);
    if (sample)
      json = classify_sample(l, input, sample, error);
    g_clear_pointer(&sample, gst_sample_unref);
  }
  g_clear_pointer(&type, gst_caps_unref);
  return json;
}

/* Adds one frame's scores to `sum`. */
static bool add_frame(lane *l, GstSample *sample, double *sum, GError **error) {
  uint8_t rgb[RESNET18_RGB_BYTES];
  double seconds;
  if (!frame_preparer_run(l->preparer, sample, rgb, error))
    return false;
  if (!engine_run(&l->engine, rgb, &seconds)) {
    g_set_error(error, MEDIA_ERROR, MEDIA_ERROR_DAMAGED, "the forward pass failed");
    return false;
  }
  resnet18_softmax(l->engine.scores, l->engine.classes, l->engine.scores);
  for (size_t i = 0; i < l->engine.classes; i++)
    sum[i] += (double)l->engine.scores[i];
  return true;
}

/* Mean of the scores of every n-th frame. A stream without an end is no job, but SIGTERM ends that too. */
static char *classify_stream(lane *l, const char *input, const char *uri, GError **error) {
  stream *source = stream_open(uri, true, error);
  report r = new_report(input);
  double *sum = g_new0(double, l->engine.classes);
  GstSample *sample;
  guint64 frames = 0, used = 0;
  char *json = NULL;
  l->frame = g_get_monotonic_time();
  if (source)
    stream_set_patience(source, may_wait, l);
  while (source && *error == NULL && !queue_stopping() && (sample = stream_next(source, error))) {
    frame_size(sample, &r.width, &r.height);
    if (frames++ % (guint64)l->options->interval == 0 && add_frame(l, sample, sum, error))
      used++;
    gst_sample_unref(sample);
    keep_job(l);
    l->frame = g_get_monotonic_time();
  }
  const bool stopped = queue_stopping(); /* asked once: the signal may come meanwhile */
  if (source && *error == NULL && is_stalled(l))
    g_set_error(error, MEDIA_ERROR, MEDIA_ERROR_DAMAGED, "no frame came for %d s", STALL_SECONDS);
  stream_close(source);
  if (*error == NULL && used == 0)
    g_set_error(error, MEDIA_ERROR, MEDIA_ERROR_DAMAGED, "no frame could be decoded from it");
  if (stopped) {
    g_clear_error(error); /* what was not waited for is no fault of the stream's */
  } else if (*error == NULL) {
    for (size_t i = 0; i < l->engine.classes; i++)
      l->engine.scores[i] = (float)(sum[i] / (double)used);
    answer_fill(&l->engine, &l->options->answer, l->best, &r);
    r.frames = used;
    json = report_to_json(&r);
  }
  g_free(sum);
  return json;
}

static char *classify_name(lane *l, const char *input, const char *name, GError **error) {
  GstSample *sample = NULL;
  char *uri = NULL, *json = NULL;
  if (strcmp(name, "-") == 0) {
    g_set_error(error, MEDIA_ERROR, MEDIA_ERROR_OPEN, "a job cannot name standard input");
    return NULL;
  }
  if (!input_open(name, true, &sample, &uri, error))
    return NULL;
  json = sample ? classify_sample(l, input, sample, error) : classify_stream(l, input, uri, error);
  g_clear_pointer(&sample, gst_sample_unref);
  g_free(uri);
  return json;
}

static char *classify_object(lane *l, const char *input, const char *key, GError **error) {
  GBytes *bytes = object_read(l->queue, key, error);
  char *json = bytes ? classify_bytes(l, input, bytes, error) : NULL;
  if (bytes)
    g_bytes_unref(bytes);
  return json;
}

/* The answer's JSON. NULL without an error: the worker is being stopped. */
static char *classify(lane *l, const char *input, GError **error) {
  const char *kind = queue_header(l->message, QUEUE_KIND);
  const char *data = natsMsg_GetData(l->message);
  const gsize size = (gsize)natsMsg_GetDataLength(l->message);
  char *json = NULL, *text = NULL;
  if (kind == NULL || strcmp(kind, "picture") == 0) { /* a message of somebody else's needs no headers */
    GBytes *bytes = g_bytes_new_static(data, size);
    json = classify_bytes(l, input, bytes, error);
    g_bytes_unref(bytes);
    return json;
  }
  text = g_strndup(data, size);
  if (strcmp(kind, "path") == 0 || strcmp(kind, "uri") == 0)
    json = classify_name(l, input, text, error);
  else if (strcmp(kind, "object") == 0)
    json = classify_object(l, input, text, error);
  else
    g_set_error(error, MEDIA_ERROR, MEDIA_ERROR_UNKNOWN, "the job is of the unknown kind '%s'", kind);
  g_free(text);
  return json;
}

/* ---- Its result ---------------------------------------------------------------------------------------- */

/* A message with the job's headers and the message id that its result has. */
static natsMsg *derive(lane *l, const char *kind, const char *data, int size) {
  static const char *const copied[] = {QUEUE_ID, QUEUE_INDEX, QUEUE_INPUT, QUEUE_KIND};
  const char *run = strrchr(natsMsg_GetSubject(l->message), '.');
  char *subject = queue_subject(l->queue, kind, run ? run + 1 : "other");
  natsMsg *message = NULL;
  if (natsMsg_Create(&message, subject, NULL, data, size) == NATS_OK)
    for (size_t i = 0; i < G_N_ELEMENTS(copied); i++) {
      const char *value = queue_header(l->message, copied[i]);
      if (value)
        natsMsgHeader_Set(message, copied[i], value);
    }
  const char *id = queue_header(l->message, QUEUE_RESULT_ID);
  if (message && id)
    natsMsgHeader_Set(message, QUEUE_ID, id);
  g_free(subject);
  return message;
}

static bool store(lane *l, const char *kind, const char *data, int size) {
  natsMsg *message = derive(l, kind, data, size);
  const bool ok = message && queue_store(l->queue, message);
  natsMsg_Destroy(message);
  return ok;
}

static char *error_json(const char *input, const char *reason) {
  GString *json = g_string_new("{\"input\":");
  gst_resnet18_json_append_string(json, input);
  g_string_append(json, ",\"error\":");
  gst_resnet18_json_append_string(json, reason);
  return g_string_free(g_string_append_c(json, '}'), FALSE);
}

/* How often the job was given to a worker that did not give it back, this time included. `place`: of the message in its
 * stream. */
static guint64 count_tries(natsMsg *message, guint64 *place) {
  jsMsgMetaData *meta = NULL;
  const char *before = queue_header(message, QUEUE_TRIES);
  guint64 count = 1;
  *place = 0;
  if (natsMsg_GetMetaData(&meta, message) == NATS_OK) {
    count = meta->NumDelivered;
    *place = meta->Sequence.Stream;
  }
  jsMsgMetaData_Destroy(meta);
  return count + (before ? g_ascii_strtoull(before, NULL, 10) : 0);
}

/* A worker that shall end queues the job anew, because the server counts a delivery whatever came of it. A worker that
 * is killed between the two steps leaves two jobs, whose results have one id; the same job given back twice has one id,
 * too. */
static void give_back(lane *l, guint64 tries, guint64 place) {
  natsMsg *again = derive(l, "jobs", natsMsg_GetData(l->message), natsMsg_GetDataLength(l->message));
  const char *result = again ? queue_header(again, QUEUE_ID) : NULL;
  char *count = g_strdup_printf("%" G_GUINT64_FORMAT, tries - 1);
  char *id = result ? g_strdup_printf("%s-again-%" G_GUINT64_FORMAT, result, place) : NULL;
  bool ok = again && natsMsgHeader_Set(again, QUEUE_TRIES, count) == NATS_OK;
  if (id)
    ok = ok && natsMsgHeader_Set(again, QUEUE_RESULT_ID, result) == NATS_OK &&
         natsMsgHeader_Set(again, QUEUE_ID, id) == NATS_OK;
  if (ok && queue_store(l->queue, again))
    natsMsg_Ack(l->message, NULL);
  else
    natsMsg_Nak(l->message, NULL); /* which costs a try */
  natsMsg_Destroy(again);
  g_free(count);
  g_free(id);
}

static void finish(lane *l, const char *json) {
  if (!store(l, "results", json, (int)strlen(json)))
    return; /* it comes again, here or elsewhere */
  natsMsg_Ack(l->message, NULL);
  __atomic_fetch_add(l->sum_done, 1, __ATOMIC_RELAXED);
}

/* The job itself goes to the dead letters, the reason to the results. */
static void bury(lane *l, const char *input, const char *reason) {
  char *json = error_json(input, reason);
  command_fail("%s: %s", input, reason);
  if (store(l, "dead", natsMsg_GetData(l->message), natsMsg_GetDataLength(l->message)))
    finish(l, json);
  g_free(json);
}

/* "input" of the result: what the submitter calls it, else the message's place in the stream. */
static char *input_of(natsMsg *message) {
  const char *encoded = queue_header(message, QUEUE_INPUT);
  gsize size = 0;
  if (encoded == NULL)
    return g_strdup(natsMsg_GetSubject(message));
  guchar *bytes = g_base64_decode(encoded, &size);
  char *input = g_strndup((const char *)bytes, size);
  g_free(bytes);
  return input;
}

static void do_job(lane *l) {
  char *input = input_of(l->message), *json = NULL;
  GError *error = NULL;
  guint64 place;
  const guint64 tries = count_tries(l->message, &place);
  l->said = g_get_monotonic_time();
  if (tries > (guint64)l->options->tries) { /* whoever had it did not live to say what was wrong */
    char *reason = g_strdup_printf("no worker finished it in %d tries", l->options->tries);
    bury(l, input, reason);
    g_free(reason);
  } else if ((json = classify(l, input, &error))) {
    finish(l, json);
  } else if (error == NULL) {
    give_back(l, tries, place);
  } else if (tries < (guint64)l->options->tries) {
    natsMsg_NakWithDelay(l->message, DELAY_MS * (int64_t)tries, NULL);
  } else {
    bury(l, input, error->message);
  }
  g_clear_error(&error);
  g_free(json);
  g_free(input);
}

/* ---- Lanes --------------------------------------------------------------------------------------------- */

/* False: there is nothing, or no answer. */
static bool fetch(lane *l, natsSubscription *subscription) {
  natsMsgList list = {0};
  jsErrCode code = 0;
  const natsStatus s = natsSubscription_Fetch(&list, subscription, 1, FETCH_MS, &code);
  if (s == NATS_OK && list.Count > 0) {
    l->message = list.Msgs[0];
    list.Msgs[0] = NULL;
  }
  natsMsgList_Destroy(&list);
  if (s != NATS_OK && s != NATS_TIMEOUT)
    nats_Sleep(100); /* such as while a leader is elected */
  return l->message != NULL;
}

static gpointer work(gpointer data) {
  lane *l = data;
  natsSubscription *subscription = NULL;
  while (!queue_stopping() && queue_pull(l->queue, l->queue->name, QUEUE_CONSUMER, &subscription) != NATS_OK)
    nats_Sleep(200);
  while (subscription && !queue_stopping()) {
    if (fetch(l, subscription)) {
      do_job(l);
      natsMsg_Destroy(l->message);
      l->message = NULL;
    } else if (l->options->once) {
      break;
    }
  }
  natsSubscription_Destroy(subscription);
  return NULL;
}

static bool open_lane(lane *l, const worker_options *o, queue *q, const engine *first) {
  l->options = o;
  l->queue = q;
  if (!engine_share(&l->engine, first, &o->engine))
    return false;
  l->best = g_new(resnet18_class, ANSWER_MAX_TOP_K);
  l->preparer = frame_preparer_new(&o->prepare);
  return true;
}

static void close_lane(lane *l) {
  frame_preparer_free(l->preparer);
  g_free(l->best);
  engine_close(&l->engine);
}

static bool run_lanes(const worker_options *o, queue *q, const engine *first) {
  lane lanes[MAX_LANES] = {0};
  GThread *thread[MAX_LANES];
  guint64 done = 0;
  int opened = 0;
  while (opened < o->lanes && open_lane(&lanes[opened], o, q, first))
    lanes[opened++].sum_done = &done;
  const bool ok = opened == o->lanes;
  for (int i = 0; ok && i < opened; i++)
    thread[i] = g_thread_new("lane", work, &lanes[i]);
  for (int i = 0; ok && i < opened; i++)
    g_thread_join(thread[i]);
  for (int i = 0; i < opened; i++)
    close_lane(&lanes[i]);
  natsConnection_FlushTimeout(q->connection, 5000); /* the last acknowledgements */
  if (ok)
    fprintf(stderr, "resnet18 worker: %" G_GUINT64_FORMAT " jobs done\n", done);
  return ok;
}

static int work_on(worker_options *o) {
  queue q;
  engine first;
  bool ok = false;
  queue_catch_signals();
  gst_init(NULL, NULL);
  if (!engine_open(&first, &o->engine, true))
    return STATUS_FAILED;
  if (queue_open(&q, o->servers, o->stream)) {
    fprintf(stderr, "resnet18 worker: ready, %d lanes, %s\n", o->lanes, engine_precision(&first));
    ok = run_lanes(o, &q, &first);
    queue_close(&q);
  }
  engine_close(&first);
  nats_Close();
  return ok || queue_stopping() ? STATUS_DONE : STATUS_FAILED;
}

static bool check(worker_options *o, int argc) {
  const command *self = &worker_command;
  if (argc > 1 || o->servers == NULL) {
    command_misuse(self, argc > 1 ? "it takes no inputs; 'resnet18 submit' does" : "which server? (--nats URL)");
    return false;
  }
  if (o->engine.threads == 0)
    o->engine.threads = 1;
  if (o->lanes == 0)
    o->lanes = MIN((int)resnet18_cpu_count() / MAX(o->engine.threads, 1) + 1, MAX_LANES);
  return command_in_range(self, "--lanes", o->lanes, 1, MAX_LANES) &&
         command_in_range(self, "--tries", o->tries, 1, MAX_TRIES) &&
         command_in_range(self, "--interval", o->interval, 1, G_MAXINT) &&
         command_in_range(self, "--top-k", o->answer.top_k, 1, ANSWER_MAX_TOP_K) &&
         command_in_range(self, "--threshold", o->answer.threshold, 0, 1);
}

static int run(int argc, char **argv) {
  worker_options o = {.answer.top_k = 5, .interval = 25, .tries = 5};
  const GOptionEntry entries[] = {
      {"nats", 'n', 0, G_OPTION_ARG_STRING, &o.servers, "The servers, such as nats://a:4222,nats://b:4222", "URL"},
      {"stream", 's', 0, G_OPTION_ARG_STRING, &o.stream, "Name of the queue's stream (default: resnet18)", "NAME"},
      {"lanes", 0, 0, G_OPTION_ARG_INT, &o.lanes, "Jobs in hand at a time (default: one a processor, and one more)",
       "N"},
      {"tries", 0, 0, G_OPTION_ARG_INT, &o.tries, "How often a job may fail (default: 5)", "N"},
      {"interval", 'i', 0, G_OPTION_ARG_INT, &o.interval, "Of a video, classify every n-th frame (default: 25)", "N"},
      {"top-k", 'k', 0, G_OPTION_ARG_INT, &o.answer.top_k, "Classes in an answer (default: 5)", "N"},
      {"threshold", 0, 0, G_OPTION_ARG_DOUBLE, &o.answer.threshold,
       "Leave out classes with a lower score (0..1, default: 0)", "X"},
      {"once", 0, 0, G_OPTION_ARG_NONE, &o.once, "End when the queue is empty", NULL},
      {NULL},
  };
  int status;
  engine_options_init(&o.engine, ENGINE_LABELS | ENGINE_RUNS | ENGINE_PICTURES);
  if (command_parse(&worker_command, entries, o.engine.entries, &argc, &argv, &status)) {
    if (o.stream == NULL)
      o.stream = g_strdup("resnet18");
    status =
        check(&o, argc) && engine_options_check(&worker_command, &o.engine, &o.prepare) ? work_on(&o) : STATUS_USAGE;
  }
  engine_options_clear(&o.engine);
  g_free(o.servers);
  g_free(o.stream);
  return status;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* KServe v2 over HTTP. Reading a request and writing its answer can take a while, so threads of its own do both; the
 * pictures between them take the same way as everybody's. */
#include "kserve.h"

#include <stdio.h>
#include <string.h>

#include "kserve_answer.h"
#include "server.h"

#define VERSION "1"

/* ---- Who asks for what --------------------------------------------------------------------------------- */

/* The model that the path names, NULL after an answer. */
static const kserve_model *model_of(request *r) {
  const kserve_model *model = kserve_find_model(request_segment(r, 0));
  const char *version = request_segment(r, 1);
  if (!model)
    request_fail(r, 404, "there is no model '%.100s'", request_segment(r, 0));
  else if (version && strcmp(version, VERSION) != 0) {
    request_fail(r, 404, "the model '%s' has no version '%.100s'", model->name, version);
    model = NULL;
  }
  return model;
}

static size_t max_pictures(const server *s) {
  return MIN(RESNET18_MAX_BATCH, classifier_room(s->classifier));
}

static kserve_facts facts_of(const server *s) {
  return (kserve_facts){
      .source = resnet18_model_source(classifier_model(s->classifier)),
      .precision = classifier_precision(s->classifier),
      .kernels = classifier_kernels(s->classifier),
      .classes = classifier_classes(s->classifier),
      .max_pictures = max_pictures(s),
  };
}

/* ---- Metadata ------------------------------------------------------------------------------------------ */

static void server_metadata(request *r) {
  request_reply_json(r, 200, kserve_server_metadata());
}

static void model_metadata(request *r) {
  const kserve_model *model = model_of(r);
  const kserve_facts facts = facts_of(request_server(r));
  if (model)
    request_reply_json(r, 200, kserve_model_metadata(model, &facts));
}

static void model_config(request *r) {
  const kserve_model *model = model_of(r);
  const kserve_facts facts = facts_of(request_server(r));
  if (model)
    request_reply_json(r, 200, kserve_model_config(model, &facts));
}

/* Models are ready when the server listens, and until it is stopped. */
static void model_ready(request *r) {
  const kserve_model *model = model_of(r);
  if (!model)
    return;
  if (__atomic_load_n(&request_server(r)->ready, __ATOMIC_ACQUIRE))
    request_reply_json(r, 200, json_pack("{s:s, s:b}", "name", model->name, "ready", 1));
  else
    request_busy(r, "the server is being stopped");
}

/* ---- Inference ----------------------------------------------------------------------------------------- */

typedef struct {
  request *request;
  const kserve_model *model;
  kserve_request ask;
  job **jobs;     /* of each picture, once it is read */
  size_t pending; /* atomic: jobs that are not done */
} inference;

static void inference_free(inference *i) {
  for (size_t k = 0; i->jobs && k < i->ask.pictures; k++)
    job_free(i->jobs[k]);
  g_free(i->jobs);
  kserve_request_clear(&i->ask);
  g_free(i);
}

/* Few threads: what the numbers of requests take meanwhile is bounded. */
enum { CLERKS = 2 };
static GThread *clerk[CLERKS];
static GAsyncQueue *desk; /* inferences; no_more = a clerk may go */
static char no_more;

static void done(job *j) {
  inference *i = j->user;
  if (__atomic_sub_fetch(&i->pending, 1, __ATOMIC_ACQ_REL) == 0)
    g_async_queue_push(desk, i);
}

static job *make_job(inference *i, size_t picture) {
  const size_t size = kserve_picture_bytes(i->model->input);
  void *copy = g_memdup2((const char *)i->ask.data + picture * size, size);
  job *j = job_new();
  if (i->model->input == KSERVE_FP32)
    j->nchw = copy;
  else
    j->rgb = copy;
  j->want_features = true;
  j->done = done;
  j->user = i;
  j->submitted = g_get_monotonic_time();
  return j;
}

/* False after an answer. */
static bool start(inference *i) {
  request *r = i->request;
  server *s = request_server(r);
  char reason[256];
  size_t length;
  const uint8_t *body = request_body(r, &length);
  if (!kserve_parse(i->model, body, length, request_header(r, "Inference-Header-Content-Length"),
                    classifier_classes(s->classifier), max_pictures(s), &i->ask, reason)) {
    if (i->ask.lacks_memory)
      request_busy(r, reason);
    else
      request_fail(r, 400, "%s", reason);
    return false;
  }
  const size_t count = i->pending = i->ask.pictures;
  if (!classifier_admit(s->classifier, (unsigned)count)) {
    request_busy(r, "too many pictures are waiting");
    return false;
  }
  job **jobs = i->jobs = g_new(job *, count);
  for (size_t k = 0; k < count; k++)
    jobs[k] = make_job(i, k);
  g_clear_pointer(&i->ask.data, g_free);
  /* `i` may be gone when the last one is pushed. */
  for (size_t k = 0; k < count; k++) {
    job *j = jobs[k];
    classifier_push(s->classifier, j);
  }
  return true;
}

static void answer(inference *i) {
  server *s = request_server(i->request);
  const size_t count = i->ask.pictures, classes = classifier_classes(s->classifier);
  float *logits = g_new(float, count *classes), *features = g_new(float, count *RESNET18_FEATURES);
  const job *failed = NULL;
  char reason[256];
  size_t json_length;
  for (size_t k = 0; k < count; k++) {
    const job *j = i->jobs[k];
    if (j->status != 200) {
      failed = j;
      continue;
    }
    memcpy(logits + k * classes, j->logits, classes * sizeof *logits);
    memcpy(features + k * RESNET18_FEATURES, j->features, RESNET18_FEATURES * sizeof *features);
  }
  classifier_leave(s->classifier, (unsigned)count);
  const kserve_result result = {logits, features, classes};
  GByteArray *bytes =
      failed ? NULL : kserve_answer(&i->ask, &result, classifier_labels(s->classifier), &json_length, reason);
  if (bytes) {
    if (json_length) {
      char text[32];
      g_snprintf(text, sizeof text, "%zu", json_length);
      request_add_header(i->request, "Inference-Header-Content-Length", text);
    }
    request_reply(i->request, 200, json_length ? "application/octet-stream" : "application/json", bytes->data,
                  bytes->len);
    g_byte_array_unref(bytes);
  } else if (failed && failed->status == 503)
    request_busy(i->request, failed->reason);
  else if (failed)
    request_fail(i->request, failed->status, "%s", failed->reason);
  else
    request_fail(i->request, 400, "%s", reason);
  g_free(logits);
  g_free(features);
}

/* Comes by twice: to be read, and to be answered. */
static void serve(gpointer data) {
  inference *i = data;
  if (i->jobs)
    answer(i);
  else if (start(i))
    return;
  inference_free(i);
}

static gpointer work(gpointer unused) {
  gpointer next;
  while ((next = g_async_queue_pop(desk)) != &no_more)
    serve(next);
  return NULL;
}

/* They are made before the first request, so that none is asked for when one has come. Not by a GThreadPool: that of
 * GLib 2.84 frees itself under the feet of its first thread where the second is refused. */
bool kserve_start(void) {
  GError *error = NULL;
  desk = g_async_queue_new();
  for (int i = 0; i < CLERKS && !error; i++)
    clerk[i] = g_thread_try_new("kserve", work, NULL, &error);
  if (error) {
    fprintf(stderr, "resnet18-server: %s\n", error->message);
    g_error_free(error);
    return false;
  }
  return true;
}

void kserve_stop(void) {
  for (int i = 0; i < CLERKS; i++)
    if (clerk[i])
      g_async_queue_push(desk, &no_more);
  for (int i = 0; i < CLERKS; i++)
    if (clerk[i])
      g_thread_join(g_steal_pointer(&clerk[i]));
  g_clear_pointer(&desk, g_async_queue_unref);
}

static void infer(request *r) {
  const kserve_model *model = model_of(r);
  const char *encoding = request_header(r, "Content-Encoding");
  if (!model)
    return;
  if (encoding && g_ascii_strcasecmp(encoding, "identity") != 0) {
    request_fail(r, 415, "the body must not be compressed");
    return;
  }
  inference *i = g_new0(inference, 1);
  i->request = r;
  i->model = model;
  g_async_queue_push(desk, i);
}

const route kserve_routes[] = {
    {"GET", "/v2", server_metadata, 0, NULL},
    {"GET", "/v2/models/*", model_metadata, 0, NULL},
    {"GET", "/v2/models/*/config", model_config, 0, NULL},
    {"GET", "/v2/models/*/ready", model_ready, 0, NULL},
    {"POST", "/v2/models/*/infer", infer, 0, NULL},
    {"GET", "/v2/models/*/versions/*", model_metadata, 0, NULL},
    {"GET", "/v2/models/*/versions/*/config", model_config, 0, NULL},
    {"GET", "/v2/models/*/versions/*/ready", model_ready, 0, NULL},
    {"POST", "/v2/models/*/versions/*/infer", infer, 0, NULL},
    {0},
};

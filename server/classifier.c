/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The forward passes. A picture that is alone gets all threads; when there are several, each thread works on one of its
 * own, which wastes no time on waiting for the others. */
#include "classifier.h"

#include "cam_map.h"
#include "groups.h"
#include "metrics.h"

#include <stdio.h>
#include <string.h>

typedef struct {
  classifier *owner;
  GThread *thread;
  resnet18_session *alone; /* one thread */
  uint8_t *rgb;            /* a batch, put together; NULL where it is 1 */
  float *logits, *layer;
} worker;

struct classifier {
  resnet18_model *model;
  resnet18_labels *labels;
  guint8 *groups;
  size_t classes;
  unsigned threads, batch, room;
  unsigned admitted; /* atomic */
  unsigned n_workers;
  worker *workers;
  resnet18_session *shared; /* all threads; NULL where there is one */
  GMutex lock;              /* of what follows */
  GCond more;
  job_queue queue;
  unsigned working;
  bool together; /* the session of all threads runs: the others leave it the processor */
  bool ending;
};

/* ---- One batch ----------------------------------------------------------------------------------------- */

static void make_cam(worker *w, resnet18_session *session, size_t image, job *j, const float *scores) {
  classifier *c = w->owner;
  resnet18_class best;
  if (j->cam_class >= 0)
    j->cam_of = (uint32_t)j->cam_class;
  else if (resnet18_top_k(scores, c->classes, 1, 0, &best) == 1)
    j->cam_of = best.index;
  else
    return;
  if (!resnet18_session_layer(session, RESNET18_LAYER_4, image, w->layer))
    return;
  j->cam = g_new(float, GST_RESNET18_CAM_CELLS);
  gst_resnet18_cam(c->model, j->cam_of, w->layer, j->cam);
}

static void finish(worker *w, resnet18_session *session, size_t image, job *j, gint64 nanoseconds) {
  classifier *c = w->owner;
  const float *logits = w->logits + image * c->classes;
  j->logits = g_memdup2(logits, c->classes * sizeof *logits);
  j->scores = g_new(float, c->classes);
  resnet18_softmax(logits, c->classes, j->scores);
  j->inference_time = nanoseconds;
  if (j->want_features)
    j->features = g_memdup2(resnet18_session_features(session, image), RESNET18_FEATURES * sizeof *j->features);
  if (j->want_cam)
    make_cam(w, session, image, j, j->scores);
  j->status = 200;
}

static void run(worker *w, resnet18_session *session, job **jobs, size_t count) {
  resnet18_error error;
  /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a worker is woken for a job, so `take` has found one */
  const uint8_t *rgb = jobs[0]->rgb;
  resnet18_status status;
  for (size_t i = 0; count > 1 && i < count; i++)
    memcpy(w->rgb + i * RESNET18_RGB_BYTES, jobs[i]->rgb, RESNET18_RGB_BYTES);
  const gint64 start = g_get_monotonic_time();
  if (jobs[0]->nchw)
    status = resnet18_session_run_normalized(session, jobs[0]->nchw, 1, w->logits, &error);
  else
    status = resnet18_session_run(session, count > 1 ? w->rgb : rgb, count, w->logits, &error);
  const gint64 took = g_get_monotonic_time() - start;
  metrics_inference((double)took * 1e-6, (unsigned)count);
  for (size_t i = 0; i < count; i++) {
    metrics_wait((double)(start - (jobs[i]->decoded ? jobs[i]->decoded : jobs[i]->submitted)) * 1e-6);
    if (status == RESNET18_OK)
      finish(w, session, i, jobs[i], took * 1000);
  }
  for (size_t i = 0; i < count; i++)
    if (status == RESNET18_OK)
      jobs[i]->done(jobs[i]);
    else
      job_fail(jobs[i], 500, "%s", error.message);
}

/* What waits for this pass: one picture, or more that already wait. */
static size_t take(classifier *c, job **jobs) {
  size_t count = 0;
  const unsigned fair = (c->queue.length + c->n_workers - 1) / c->n_workers; /* the other workers want some, too */
  while (count < MIN(c->batch, MAX(1, fair)) && c->queue.first && (count == 0 || !c->queue.first->nchw)) {
    jobs[count++] = job_queue_pop(&c->queue);
    if (jobs[0]->nchw)
      break;
  }
  return count;
}

static gpointer work(gpointer user) {
  worker *w = user;
  classifier *c = w->owner;
  job *jobs[RESNET18_MAX_BATCH];
  g_mutex_lock(&c->lock);
  for (;;) {
    while (!c->ending && (c->queue.first == NULL || c->together))
      g_cond_wait(&c->more, &c->lock);
    if (c->ending)
      break;
    const size_t count = take(c, jobs);
    /* Alone in the house, those that are being decoded counted. */
    const bool together = c->shared && count == 1 && c->working == 0 && classifier_load(c) <= 1;
    c->working++;
    c->together = together;
    g_mutex_unlock(&c->lock);
    run(w, together ? c->shared : w->alone, jobs, count);
    g_mutex_lock(&c->lock);
    c->working--;
    if (together) {
      c->together = false;
      g_cond_broadcast(&c->more);
    }
  }
  g_mutex_unlock(&c->lock);
  return NULL;
}

/* ---- Making -------------------------------------------------------------------------------------------- */

static bool fail(const char *sentence) {
  fprintf(stderr, "resnet18-server: %s\n", sentence);
  return false;
}

static resnet18_precision precision_of(const settings *s) {
  if (s->precision && strcmp(s->precision, "fp32") == 0)
    return RESNET18_PRECISION_FP32;
  return s->precision && strcmp(s->precision, "int8") == 0 ? RESNET18_PRECISION_INT8 : RESNET18_PRECISION_AUTO;
}

static bool make_sessions(classifier *c, worker *w, const settings *s) {
  resnet18_error error;
  resnet18_session_options options = {.precision = precision_of(s), .threads = c->threads, .max_batch = 1};
  /* The session of all threads comes first, so that all of them pack the weights. */
  if (w == c->workers && c->threads > 1 && resnet18_session_new(c->model, &options, &c->shared, &error) != RESNET18_OK)
    return fail(error.message);
  options.threads = 1;
  options.max_batch = c->batch;
  if (resnet18_session_new(c->model, &options, &w->alone, &error) != RESNET18_OK)
    return fail(error.message);
  if (w == c->workers && *resnet18_session_warning(w->alone))
    fail(resnet18_session_warning(w->alone));
  if (c->batch > 1)
    w->rgb = g_malloc((gsize)c->batch * RESNET18_RGB_BYTES);
  w->logits = g_new(float, c->batch * c->classes);
  w->layer = g_new(float, GST_RESNET18_CAM_CELLS *RESNET18_FEATURES);
  w->owner = c;
  return true;
}

static bool load(classifier *c, const settings *s) {
  resnet18_error error;
  if (resnet18_model_load(s->weights, &c->model, &error) != RESNET18_OK)
    return fail(error.message);
  c->classes = resnet18_model_classes(c->model);
  if (resnet18_labels_load(s->labels, c->classes, &c->labels, &error) != RESNET18_OK)
    return fail(error.message);
  c->groups = gst_resnet18_groups_of_labels(c->labels, c->classes);
  for (unsigned i = 0; i < c->n_workers; i++)
    if (!make_sessions(c, &c->workers[i], s))
      return false;
  return true;
}

static bool start_threads(classifier *c) {
  GError *error = NULL;
  for (unsigned i = 0; i < c->n_workers; i++) {
    c->workers[i].thread = g_thread_try_new("classifier", work, &c->workers[i], &error);
    if (error) {
      fail(error->message);
      g_error_free(error);
      return false;
    }
  }
  return true;
}

classifier *classifier_new(const settings *s) {
  classifier *c = g_new0(classifier, 1);
  c->threads = s->threads ? (unsigned)s->threads : resnet18_cpu_count();
  c->batch = (unsigned)s->batch;
  c->room = (unsigned)s->queue;
  c->n_workers = c->threads;
  c->workers = g_new0(worker, c->n_workers);
  job_queue_init(&c->queue);
  g_mutex_init(&c->lock);
  g_cond_init(&c->more);
  if (!load(c, s) || !start_threads(c)) {
    classifier_free(c);
    return NULL;
  }
  return c;
}

static void worker_clear(worker *w) {
  resnet18_session_free(w->alone);
  g_free(w->rgb);
  g_free(w->logits);
  g_free(w->layer);
}

void classifier_stop(classifier *c) {
  job *j;
  if (c == NULL)
    return;
  g_mutex_lock(&c->lock);
  c->ending = true;
  g_cond_broadcast(&c->more);
  g_mutex_unlock(&c->lock);
  for (unsigned i = 0; i < c->n_workers; i++)
    if (c->workers[i].thread)
      g_thread_join(g_steal_pointer(&c->workers[i].thread));
  while ((j = job_queue_pop(&c->queue)))
    job_fail(j, 503, "the server is being stopped");
}

void classifier_free(classifier *c) {
  if (c == NULL)
    return;
  classifier_stop(c);
  for (unsigned i = 0; i < c->n_workers; i++)
    worker_clear(&c->workers[i]);
  resnet18_session_free(c->shared);
  resnet18_labels_unref(c->labels);
  resnet18_model_unref(c->model);
  g_mutex_clear(&c->lock);
  g_cond_clear(&c->more);
  g_free(c->groups);
  g_free(c->workers);
  g_free(c);
}

/* ---- Use ----------------------------------------------------------------------------------------------- */

bool classifier_admit(classifier *c, unsigned count) {
  unsigned now = __atomic_load_n(&c->admitted, __ATOMIC_RELAXED);
  do
    if (count > c->room || now > c->room - count)
      return false;
  while (!__atomic_compare_exchange_n(&c->admitted, &now, now + count, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  return true;
}

void classifier_leave(classifier *c, unsigned count) {
  __atomic_sub_fetch(&c->admitted, count, __ATOMIC_RELAXED);
}

void classifier_push(classifier *c, job *j) {
  g_mutex_lock(&c->lock);
  const bool ending = c->ending;
  if (!ending) {
    job_queue_push(&c->queue, j);
    g_cond_signal(&c->more);
  }
  g_mutex_unlock(&c->lock);
  if (ending)
    job_fail(j, 503, "the server is being stopped");
}

resnet18_model *classifier_model(const classifier *c) {
  return c->model;
}

resnet18_labels *classifier_labels(const classifier *c) {
  return c->labels;
}

const guint8 *classifier_groups(const classifier *c) {
  return c->groups;
}

size_t classifier_classes(const classifier *c) {
  return c->classes;
}

const char *classifier_precision(const classifier *c) {
  return resnet18_session_precision(c->workers[0].alone) == RESNET18_PRECISION_INT8 ? "int8" : "fp32";
}

const char *classifier_kernels(const classifier *c) {
  return resnet18_session_kernels(c->workers[0].alone);
}

unsigned classifier_threads(const classifier *c) {
  return c->threads;
}

unsigned classifier_load(classifier *c) {
  return __atomic_load_n(&c->admitted, __ATOMIC_RELAXED);
}

unsigned classifier_room(const classifier *c) {
  return c->room;
}

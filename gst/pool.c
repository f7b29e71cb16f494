/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The inference pool. */
#include "pool.h"
#include "background.h"

#include <string.h>

GST_DEBUG_CATEGORY_EXTERN(gst_resnet18_classify_debug);
#define GST_CAT_DEFAULT gst_resnet18_classify_debug

#define FEATURES_PER_PICTURE (7 * 7 * RESNET18_FEATURES)
/* Pictures in one forward pass, where frames of several streams wait. A lone stream never has more than one, and is
 * spared the memory: 3.5 MB at int8, 18 MB at fp32. */
#define MAX_BATCH 4
/* Threads of a forward pass where none are asked for: its steps are too short for more to be worth their barriers. The
 * CPUs that are left work on the frames of other streams. */
#define MAX_CHOSEN_THREADS 8

typedef struct {
  GstResnet18Pool *pool;
  GThread *thread;
  resnet18_session *session;
  guint batch;         /* pictures in one pass of the session */
  guint wanted_batch;  /* of the streams that there were last; `batch` where there was memory for it */
  gboolean hurried;    /* as the pool's, then */
  gboolean background; /* the thread has been made one */
  guint8 *rgb;         /* MAX_BATCH pictures, where jobs are put together */
  gfloat *logits;      /* MAX_BATCH x classes */
} Worker;

struct _GstResnet18Pool {
  guint users;           /* guarded by registry_lock, as is n_workers */
  resnet18_model *model; /* the same for the same weights */
  gsize classes;
  resnet18_precision precision, wanted_precision;
  guint threads, wanted_threads;
  gchar *kernels, *warning;
  GstClockTime pass_time;
  Worker *workers;
  guint n_workers, max_workers;

  GMutex lock; /* guards the rest, and the streams */
  GCond work;
  GQueue turn; /* streams whose job waits and that have none being worked on */
  guint n_streams;
  gboolean hurried; /* a stream has waited for a result, and so the workers are no background work any more */
  gboolean stopping;
};

struct _GstResnet18Stream {
  GstResnet18Pool *pool;
  GstResnet18JudgeFunc judge;
  gpointer user;
  GList link; /* in pool->turn */
  gboolean in_turn;
  GstResnet18Job *waiting, *working;
  gint news;     /* atomic: whether something is in `done` */
  GQueue done;   /* finished, oldest first */
  GQueue unused; /* for obtain */
  GCond changed;
  guint generation;
  gboolean interrupted;
};

static GMutex registry_lock;
static GList *registry; /* of GstResnet18Pool */

GstClockTime gst_resnet18_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return GST_TIMESPEC_TO_TIME(now);
}

/* ---- Jobs ---------------------------------------------------------------------------------------------- */

static GstResnet18Job *job_new(void) {
  GstResnet18Job *job = g_new0(GstResnet18Job, 1);
  job->link.data = job;
  return job;
}

static void put(GQueue *jobs, GstResnet18Job *job) {
  g_queue_push_tail_link(jobs, &job->link);
}

/* NULL if there is none. */
static GstResnet18Job *get(GQueue *jobs) {
  GList *link = g_queue_pop_head_link(jobs);
  return link ? link->data : NULL;
}

static void job_drop_reports(GstResnet18Job *job) {
  for (guint i = 0; i < GST_RESNET18_MAX_REGIONS; i++)
    g_clear_pointer(&job->report[i], gst_resnet18_report_free);
}

static void job_free(GstResnet18Job *job) {
  job_drop_reports(job);
  g_free(job->rgb);
  g_free(job->logits);
  g_free(job->features);
  g_free(job);
}

static void job_make_room(GstResnet18Job *job, gsize classes, guint n_pictures, gboolean want_features) {
  if (n_pictures > job->room) {
    job->rgb = g_realloc(job->rgb, (gsize)n_pictures * RESNET18_RGB_BYTES);
    job->logits = g_realloc_n(job->logits, n_pictures * classes, sizeof(gfloat));
  }
  if (want_features && (n_pictures > job->room || !job->room_features)) {
    guint pictures = MAX(n_pictures, job->room);
    job->features = g_realloc_n(job->features, (gsize)pictures * FEATURES_PER_PICTURE, sizeof(gfloat));
  }
  job->room_features = want_features || (job->room_features && n_pictures <= job->room);
  job->room = MAX(job->room, n_pictures);
  job->n_pictures = n_pictures;
  job->want_features = want_features;
}

/* ---- Workers ------------------------------------------------------------------------------------------- */

/* The jobs of one turn, and the streams they belong to. */
typedef struct {
  GstResnet18Stream *stream[MAX_BATCH];
  GstResnet18Job *job[MAX_BATCH];
  guint n;
} Turn;

/* As many waiting jobs as fit one forward pass; a job with more pictures than that goes alone. */
static void collect_turn(GstResnet18Pool *pool, guint batch, Turn *turn) {
  guint pictures = 0;
  turn->n = 0;
  while (turn->n < batch && !g_queue_is_empty(&pool->turn)) {
    GstResnet18Stream *stream = g_queue_peek_head(&pool->turn);
    if (turn->n && pictures + stream->waiting->n_pictures > batch)
      break;
    g_queue_unlink(&pool->turn, &stream->link);
    stream->in_turn = FALSE;
    stream->working = stream->waiting;
    stream->waiting = NULL;
    pictures += stream->working->n_pictures;
    turn->stream[turn->n] = stream;
    turn->job[turn->n++] = stream->working;
  }
}

static void keep_outputs(Worker *w, GstResnet18Job *job, guint first, guint n, guint image, const gfloat *logits) {
  gsize classes = w->pool->classes;
  if (logits)
    memcpy(job->logits + first * classes, logits, n * classes * sizeof(gfloat));
  if (!job->want_features)
    return;
  for (guint i = 0; i < n; i++)
    resnet18_session_layer(w->session, RESNET18_LAYER_4, image + i,
                           job->features + (gsize)(first + i) * FEATURES_PER_PICTURE);
}

/* One job, from and to its own memory, in as many passes as its pictures need. */
static void run_alone(Worker *w, GstResnet18Job *job) {
  for (guint done = 0; done < job->n_pictures;) {
    guint n = MIN(job->n_pictures - done, w->batch);
    resnet18_session_run(w->session, job->rgb + (gsize)done * RESNET18_RGB_BYTES, n,
                         job->logits + done * w->pool->classes, NULL);
    keep_outputs(w, job, done, n, 0, NULL);
    done += n;
  }
}

/* Several jobs in one pass. */
static void run_together(Worker *w, const Turn *turn) {
  guint pictures = 0;
  for (guint i = 0; i < turn->n; i++) {
    const GstResnet18Job *job = turn->job[i];
    memcpy(w->rgb + (gsize)pictures * RESNET18_RGB_BYTES, job->rgb, (gsize)job->n_pictures * RESNET18_RGB_BYTES);
    pictures += job->n_pictures;
  }
  resnet18_session_run(w->session, w->rgb, pictures, w->logits, NULL);
  pictures = 0;
  for (guint i = 0; i < turn->n; i++) {
    guint n = turn->job[i]->n_pictures;
    keep_outputs(w, turn->job[i], 0, n, pictures, w->logits + pictures * w->pool->classes);
    pictures += n;
  }
}

static void take_turn(GstResnet18Pool *pool, GstResnet18Stream *stream) {
  if (stream->in_turn || !stream->waiting || stream->working)
    return;
  stream->in_turn = TRUE;
  g_queue_push_tail_link(&pool->turn, &stream->link);
  g_cond_signal(&pool->work);
}

static void deliver(GstResnet18Pool *pool, GstResnet18Stream *stream, GstResnet18Job *job) {
  stream->working = NULL;
  put(job->generation == stream->generation ? &stream->done : &stream->unused, job);
  g_atomic_int_set(&stream->news, !g_queue_is_empty(&stream->done));
  take_turn(pool, stream);
  g_cond_broadcast(&stream->changed);
}

static void run_turn(Worker *w, const Turn *turn) {
  GstClockTime started = gst_resnet18_now(), finished;
  if (turn->n == 1)
    run_alone(w, turn->job[0]);
  else
    run_together(w, turn);
  finished = gst_resnet18_now();
  for (guint i = 0; i < turn->n; i++) {
    turn->job[i]->inference_time = finished - started;
    turn->stream[i]->judge(turn->stream[i]->user, turn->job[i]);
    turn->job[i]->finished = gst_resnet18_now();
  }
}

static resnet18_status open_session(const GstResnet18Pool *pool, guint batch, resnet18_session **session,
                                    resnet18_error *error) {
  resnet18_session_options options = {
      .precision = pool->wanted_precision, .threads = pool->wanted_threads, .max_batch = batch};
  return resnet18_session_new(pool->model, &options, session, error);
}

/* The worker's thread, and the threads of sessions that it opens from now on. */
static void set_background(Worker *w, gboolean background) {
  if (background && !w->background)
    w->background = gst_resnet18_background_enter();
  if (!background && w->background)
    gst_resnet18_background_leave();
  w->background &= background;
}

/* Another session takes the place of the worker's; where there is no memory for it, that one stays. */
static void change_session(Worker *w, guint batch) {
  resnet18_session *session;
  resnet18_error error;
  if (open_session(w->pool, batch, &session, &error) != RESNET18_OK) {
    GST_WARNING("no other session: %s", error.message);
    return;
  }
  resnet18_session_free(w->session);
  w->session = session;
  w->batch = batch;
}

/* Called and returns with the lock held. Lets go of it, and returns TRUE, if the session was not one for the streams
 * that there are now. */
static gboolean suit_streams(Worker *w) {
  GstResnet18Pool *pool = w->pool;
  guint batch = pool->n_streams > 1 ? MAX_BATCH : w->wanted_batch;
  gboolean hurried = pool->hurried;
  if (batch == w->wanted_batch && hurried == w->hurried)
    return FALSE;
  w->wanted_batch = batch;
  w->hurried = hurried;
  g_mutex_unlock(&pool->lock);
  set_background(w, !hurried);
  change_session(w, batch);
  g_mutex_lock(&pool->lock);
  return TRUE;
}

static gpointer worker_main(gpointer data) {
  Worker *w = data;
  GstResnet18Pool *pool = w->pool;
  g_mutex_lock(&pool->lock);
  while (!pool->stopping) {
    Turn turn;
    if (g_queue_is_empty(&pool->turn)) {
      g_cond_wait(&pool->work, &pool->lock);
      continue;
    }
    if (suit_streams(w))
      continue;
    collect_turn(pool, w->batch, &turn);
    g_mutex_unlock(&pool->lock);
    run_turn(w, &turn);
    g_mutex_lock(&pool->lock);
    for (guint i = 0; i < turn.n; i++)
      deliver(pool, turn.stream[i], turn.job[i]);
  }
  g_mutex_unlock(&pool->lock);
  return NULL;
}

static resnet18_status worker_open(GstResnet18Pool *pool, Worker *w, resnet18_error *error) {
  w->pool = pool;
  w->batch = 1;
  w->wanted_batch = 1;
  w->hurried = TRUE;
  return open_session(pool, 1, &w->session, error);
}

static gboolean worker_start(GstResnet18Pool *pool, Worker *w, resnet18_error *error) {
  GError *reason = NULL;
  w->rgb = g_malloc((gsize)MAX_BATCH * RESNET18_RGB_BYTES);
  w->logits = g_new(gfloat, MAX_BATCH * pool->classes);
  w->thread = g_thread_try_new("resnet18", worker_main, w, &reason);
  if (w->thread)
    return TRUE;
  error->status = RESNET18_ERROR_SYSTEM;
  g_snprintf(error->message, sizeof error->message, "a thread for inference could not be created: %s", reason->message);
  g_error_free(reason);
  return FALSE;
}

static void worker_close(Worker *w) {
  if (w->thread)
    g_thread_join(w->thread);
  resnet18_session_free(w->session);
  g_free(w->rgb);
  g_free(w->logits);
  memset(w, 0, sizeof *w);
}

/* Two passes over a grey picture: the first touches the memory, the second is timed. */
static GstClockTime measure_pass(GstResnet18Pool *pool, Worker *w) {
  guint8 *rgb = g_malloc(RESNET18_RGB_BYTES);
  gfloat *logits = g_new(gfloat, pool->classes);
  GstClockTime started = 0;
  memset(rgb, 128, RESNET18_RGB_BYTES);
  for (guint i = 0; i < 2; i++) {
    started = gst_resnet18_now();
    resnet18_session_run(w->session, rgb, 1, logits, NULL);
  }
  started = gst_resnet18_now() - started;
  g_free(rgb);
  g_free(logits);
  return started;
}

/* ---- Pools --------------------------------------------------------------------------------------------- */

static GstResnet18Pool *find_pool(const resnet18_model *model, resnet18_precision precision, guint threads) {
  if (threads == 0)
    threads = MIN(resnet18_cpu_count(), MAX_CHOSEN_THREADS);
  for (GList *l = registry; l; l = l->next) {
    GstResnet18Pool *pool = l->data;
    if (pool->model != model || threads != pool->threads)
      continue;
    if (precision == pool->wanted_precision || precision == pool->precision)
      return pool;
  }
  return NULL;
}

static void pool_free(GstResnet18Pool *pool) {
  g_mutex_lock(&pool->lock);
  pool->stopping = TRUE;
  g_cond_broadcast(&pool->work);
  g_mutex_unlock(&pool->lock);
  for (guint i = 0; i < pool->n_workers; i++)
    worker_close(&pool->workers[i]);
  resnet18_model_unref(pool->model);
  g_free(pool->workers);
  g_free(pool->kernels);
  g_free(pool->warning);
  g_mutex_clear(&pool->lock);
  g_cond_clear(&pool->work);
  g_free(pool);
}

static gboolean open_first_worker(GstResnet18Pool *pool, resnet18_error *error) {
  Worker *w = &pool->workers[0];
  if (worker_open(pool, w, error) != RESNET18_OK)
    return FALSE;
  pool->n_workers = 1;
  pool->precision = resnet18_session_precision(w->session);
  pool->threads = resnet18_session_threads(w->session);
  pool->kernels = g_strdup(resnet18_session_kernels(w->session));
  pool->warning = g_strdup(resnet18_session_warning(w->session));
  pool->pass_time = measure_pass(pool, w);
  return TRUE;
}

static GstResnet18Pool *pool_new(resnet18_model *model, resnet18_precision precision, guint threads,
                                 resnet18_error *error) {
  GstResnet18Pool *pool = g_new0(GstResnet18Pool, 1);
  guint cpus = resnet18_cpu_count();
  pool->model = resnet18_model_ref(model);
  pool->classes = resnet18_model_classes(model);
  pool->wanted_precision = precision;
  pool->wanted_threads = threads ? threads : MIN(cpus, MAX_CHOSEN_THREADS);
  pool->max_workers = MAX(1, cpus / pool->wanted_threads);
  pool->workers = g_new0(Worker, pool->max_workers);
  g_mutex_init(&pool->lock);
  g_cond_init(&pool->work);
  g_queue_init(&pool->turn);
  if (open_first_worker(pool, error))
    return pool;
  pool_free(pool);
  return NULL;
}

/* `auto` may have come to what another pool already has. */
static GstResnet18Pool *prefer_existing(GstResnet18Pool *pool, resnet18_error *error) {
  GstResnet18Pool *same = find_pool(pool->model, pool->precision, pool->threads);
  if (same) {
    pool_free(pool);
    return same;
  }
  if (!worker_start(pool, &pool->workers[0], error)) {
    pool_free(pool);
    return NULL;
  }
  registry = g_list_prepend(registry, pool);
  return pool;
}

GstResnet18Pool *gst_resnet18_pool_acquire(const gchar *weights, resnet18_precision precision, guint threads,
                                           resnet18_error *error) {
  resnet18_model *model;
  GstResnet18Pool *pool;
  if (resnet18_model_load(weights, &model, error) != RESNET18_OK)
    return NULL;
  g_mutex_lock(&registry_lock);
  pool = find_pool(model, precision, threads);
  if (!pool) {
    pool = pool_new(model, precision, threads, error);
    pool = pool ? prefer_existing(pool, error) : NULL;
  }
  if (pool)
    pool->users++;
  g_mutex_unlock(&registry_lock);
  resnet18_model_unref(model);
  return pool;
}

void gst_resnet18_pool_release(GstResnet18Pool *pool) {
  gboolean last;
  g_mutex_lock(&registry_lock);
  last = --pool->users == 0;
  if (last)
    registry = g_list_remove(registry, pool);
  g_mutex_unlock(&registry_lock);
  if (last)
    pool_free(pool);
}

resnet18_model *gst_resnet18_pool_model(GstResnet18Pool *pool) {
  return pool->model;
}

resnet18_precision gst_resnet18_pool_precision(GstResnet18Pool *pool) {
  return pool->precision;
}

guint gst_resnet18_pool_threads(GstResnet18Pool *pool) {
  return pool->threads;
}

const gchar *gst_resnet18_pool_kernels(GstResnet18Pool *pool) {
  return pool->kernels;
}

const gchar *gst_resnet18_pool_warning(GstResnet18Pool *pool) {
  return pool->warning;
}

GstClockTime gst_resnet18_pool_pass_time(GstResnet18Pool *pool) {
  return pool->pass_time;
}

/* ---- Streams ------------------------------------------------------------------------------------------- */

/* Where a pass has fewer threads than there are CPUs, a second stream gets a second worker, and so on. */
static void add_worker_for_stream(GstResnet18Pool *pool) {
  resnet18_error error;
  guint n_streams;
  g_mutex_lock(&registry_lock);
  g_mutex_lock(&pool->lock);
  n_streams = pool->n_streams;
  g_mutex_unlock(&pool->lock);
  if (n_streams > pool->n_workers && pool->n_workers < pool->max_workers) {
    Worker *w = &pool->workers[pool->n_workers];
    if (worker_open(pool, w, &error) == RESNET18_OK && worker_start(pool, w, &error)) {
      pool->n_workers++;
    } else {
      worker_close(w);
      GST_WARNING("no further worker: %s", error.message);
    }
  }
  g_mutex_unlock(&registry_lock);
}

GstResnet18Stream *gst_resnet18_stream_new(GstResnet18Pool *pool, GstResnet18JudgeFunc judge, gpointer user) {
  GstResnet18Stream *stream = g_new0(GstResnet18Stream, 1);
  stream->pool = pool;
  stream->judge = judge;
  stream->user = user;
  stream->link.data = stream;
  g_queue_init(&stream->done);
  g_queue_init(&stream->unused);
  g_cond_init(&stream->changed);
  g_mutex_lock(&pool->lock);
  pool->n_streams++;
  g_mutex_unlock(&pool->lock);
  add_worker_for_stream(pool);
  return stream;
}

static void drop_waiting(GstResnet18Stream *stream) {
  if (stream->in_turn)
    g_queue_unlink(&stream->pool->turn, &stream->link);
  stream->in_turn = FALSE;
  if (stream->waiting)
    put(&stream->unused, stream->waiting);
  stream->waiting = NULL;
}

static guint forget_jobs(GstResnet18Stream *stream) {
  guint n = (stream->waiting != NULL) + g_queue_get_length(&stream->done);
  GstResnet18Job *job;
  if (stream->working && stream->working->generation == stream->generation)
    n++;
  drop_waiting(stream);
  while ((job = get(&stream->done)))
    put(&stream->unused, job);
  stream->generation++;
  g_cond_broadcast(&stream->changed);
  return n;
}

void gst_resnet18_stream_free(GstResnet18Stream *stream) {
  GstResnet18Pool *pool;
  GstResnet18Job *job;
  if (!stream)
    return;
  pool = stream->pool;
  g_mutex_lock(&pool->lock);
  forget_jobs(stream);
  while (stream->working)
    g_cond_wait(&stream->changed, &pool->lock);
  pool->n_streams--;
  g_mutex_unlock(&pool->lock);
  while ((job = get(&stream->unused)))
    job_free(job);
  g_cond_clear(&stream->changed);
  g_free(stream);
}

GstResnet18Job *gst_resnet18_stream_obtain(GstResnet18Stream *stream, guint n_pictures, gboolean want_features) {
  GstResnet18Job *job;
  g_mutex_lock(&stream->pool->lock);
  job = get(&stream->unused);
  g_mutex_unlock(&stream->pool->lock);
  if (!job)
    job = job_new();
  job_drop_reports(job);
  job_make_room(job, stream->pool->classes, n_pictures, want_features);
  return job;
}

void gst_resnet18_stream_recycle(GstResnet18Stream *stream, GstResnet18Job *job) {
  g_mutex_lock(&stream->pool->lock);
  put(&stream->unused, job);
  g_mutex_unlock(&stream->pool->lock);
}

gboolean gst_resnet18_stream_submit(GstResnet18Stream *stream, GstResnet18Job *job) {
  GstResnet18Pool *pool = stream->pool;
  gboolean replaced;
  g_mutex_lock(&pool->lock);
  replaced = stream->waiting != NULL;
  if (replaced)
    put(&stream->unused, stream->waiting);
  job->generation = stream->generation;
  pool->hurried |= job->hurried;
  stream->waiting = job;
  take_turn(pool, stream);
  g_mutex_unlock(&pool->lock);
  return replaced;
}

GstResnet18Job *gst_resnet18_stream_take(GstResnet18Stream *stream) {
  GstResnet18Job *job;
  if (!g_atomic_int_get(&stream->news))
    return NULL;
  g_mutex_lock(&stream->pool->lock);
  job = get(&stream->done);
  g_atomic_int_set(&stream->news, !g_queue_is_empty(&stream->done));
  g_mutex_unlock(&stream->pool->lock);
  return job;
}

gboolean gst_resnet18_stream_wait(GstResnet18Stream *stream) {
  gboolean complete;
  g_mutex_lock(&stream->pool->lock);
  while (!stream->interrupted && (stream->waiting || stream->working))
    g_cond_wait(&stream->changed, &stream->pool->lock);
  complete = !stream->interrupted;
  g_mutex_unlock(&stream->pool->lock);
  return complete;
}

void gst_resnet18_stream_interrupt(GstResnet18Stream *stream, gboolean interrupted) {
  g_mutex_lock(&stream->pool->lock);
  stream->interrupted = interrupted;
  g_cond_broadcast(&stream->changed);
  g_mutex_unlock(&stream->pool->lock);
}

guint gst_resnet18_stream_flush(GstResnet18Stream *stream) {
  guint n;
  g_mutex_lock(&stream->pool->lock);
  n = forget_jobs(stream);
  g_mutex_unlock(&stream->pool->lock);
  return n;
}

guint gst_resnet18_stream_queued(GstResnet18Stream *stream) {
  guint queued;
  g_mutex_lock(&stream->pool->lock);
  queued = stream->waiting != NULL;
  g_mutex_unlock(&stream->pool->lock);
  return queued;
}

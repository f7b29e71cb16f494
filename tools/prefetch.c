/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads, decodes and prepares many pictures in threads of its own. */
#include "prefetch.h"

#include "frame.h"
#include "input.h"

enum { MAX_WORKERS = 4, AHEAD = 4 /* inputs a worker */ };

struct prefetch {
  const char *const *names;
  size_t count;
  resnet18_preprocess_options options;
  bool upright;
  GThread *worker[MAX_WORKERS];
  unsigned workers;

  GMutex lock;
  GCond changed;
  size_t started, taken; /* inputs that a worker has begun, that the user has taken */
  bool stop;
  prepared ring[MAX_WORKERS * AHEAD]; /* input i in place i % size */
  bool ready[MAX_WORKERS * AHEAD];
};

static size_t ring_size(const prefetch *p) {
  return p->workers * (size_t)AHEAD;
}

static void prepare(const prefetch *p, frame_preparer *preparer, prepared *out) {
  GstSample *sample = NULL;
  if (!input_open(p->names[out->index], p->upright, &sample, &out->uri, &out->error) || sample == NULL)
    return;
  uint8_t *rgb = g_malloc(RESNET18_RGB_BYTES);
  frame_size(sample, &out->width, &out->height);
  if (frame_preparer_run(preparer, sample, rgb, &out->error))
    out->rgb = rgb;
  else
    g_free(rgb);
  gst_sample_unref(sample);
}

/* The next input to work on, when there is room for it. False at the end. */
static bool begin(prefetch *p, prepared *out) {
  g_mutex_lock(&p->lock);
  while (!p->stop && p->started < p->count && p->started >= p->taken + ring_size(p))
    g_cond_wait(&p->changed, &p->lock);
  bool more = !p->stop && p->started < p->count;
  if (more)
    *out = (prepared){.index = p->started++};
  g_mutex_unlock(&p->lock);
  return more;
}

static void deliver(prefetch *p, const prepared *done) {
  g_mutex_lock(&p->lock);
  p->ring[done->index % ring_size(p)] = *done;
  p->ready[done->index % ring_size(p)] = true;
  g_cond_broadcast(&p->changed);
  g_mutex_unlock(&p->lock);
}

static gpointer work(gpointer data) {
  prefetch *p = data;
  frame_preparer *preparer = frame_preparer_new(&p->options);
  prepared item;
  while (begin(p, &item)) {
    prepare(p, preparer, &item);
    deliver(p, &item);
  }
  frame_preparer_free(preparer);
  return NULL;
}

prefetch *prefetch_new(const char *const *names, size_t count, const resnet18_preprocess_options *options,
                       bool upright) {
  prefetch *p = g_new0(prefetch, 1);
  p->names = names;
  p->count = count;
  p->options = *options;
  p->upright = upright;
  p->workers = (unsigned)CLAMP(MIN(count, resnet18_cpu_count()), 1, MAX_WORKERS);
  g_mutex_init(&p->lock);
  g_cond_init(&p->changed);
  for (unsigned i = 0; i < p->workers; i++)
    p->worker[i] = g_thread_new("decode", work, p);
  return p;
}

bool prefetch_next(prefetch *p, prepared *out) {
  if (p->taken == p->count)
    return false;
  g_mutex_lock(&p->lock);
  const size_t place = p->taken % ring_size(p);
  while (!p->ready[place])
    g_cond_wait(&p->changed, &p->lock);
  *out = p->ring[place];
  p->ready[place] = false;
  p->taken++;
  g_cond_broadcast(&p->changed);
  g_mutex_unlock(&p->lock);
  return true;
}

void prepared_clear(prepared *p) {
  g_free(p->rgb);
  g_free(p->uri);
  g_clear_error(&p->error);
  p->rgb = NULL;
  p->uri = NULL;
}

void prefetch_free(prefetch *p) {
  if (p == NULL)
    return;
  g_mutex_lock(&p->lock);
  p->stop = true;
  g_cond_broadcast(&p->changed);
  g_mutex_unlock(&p->lock);
  for (unsigned i = 0; i < p->workers; i++)
    g_thread_join(p->worker[i]);
  for (size_t i = 0; i < ring_size(p); i++)
    if (p->ready[i])
      prepared_clear(&p->ring[i]);
  g_cond_clear(&p->changed);
  g_mutex_clear(&p->lock);
  g_free(p);
}

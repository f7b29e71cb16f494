/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ending a pipeline that may never end: rtspsrc of GStreamer 1.22 locks itself up when it is taken down at the moment
 * at which it begins a lost connection anew, some once in two hundred losses. */
#include "teardown.h"

typedef struct {
  gint references; /* atomic: the thread's and the caller's */
  GstElement *pipeline;
  GDestroyNotify release;
  gpointer user;
  GMutex lock;
  GCond changed;
  gboolean ended;
} teardown;

static void unref(teardown *t) {
  if (!g_atomic_int_dec_and_test(&t->references))
    return;
  g_mutex_clear(&t->lock);
  g_cond_clear(&t->changed);
  g_free(t);
}

static void end(teardown *t) {
  gst_element_set_state(t->pipeline, GST_STATE_NULL);
  gst_object_unref(t->pipeline);
  t->release(t->user);
}

static gpointer run(gpointer user) {
  teardown *t = user;
  end(t);
  g_mutex_lock(&t->lock);
  t->ended = TRUE;
  g_cond_signal(&t->changed);
  g_mutex_unlock(&t->lock);
  unref(t);
  return NULL;
}

static gboolean wait_for(teardown *t, gint64 until) {
  g_mutex_lock(&t->lock);
  gboolean in_time = TRUE;
  while (!t->ended && in_time)
    in_time = g_cond_wait_until(&t->changed, &t->lock, until);
  const gboolean ended = t->ended;
  g_mutex_unlock(&t->lock);
  return ended;
}

gboolean teardown_pipeline(GstElement *pipeline, gint64 patience, GDestroyNotify release, gpointer user) {
  teardown *t = g_new0(teardown, 1);
  t->references = 2;
  t->pipeline = gst_object_ref(pipeline);
  t->release = release;
  t->user = user;
  g_mutex_init(&t->lock);
  g_cond_init(&t->changed);
  GThread *thread = g_thread_try_new("teardown", run, t, NULL);
  gboolean ended = TRUE;
  if (thread) {
    g_thread_unref(thread);
    ended = wait_for(t, g_get_monotonic_time() + patience);
  } else {
    t->references = 1;
    end(t); /* here, then, however long it takes */
  }
  unref(t);
  return ended;
}

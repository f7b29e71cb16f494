/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changing weights or labels while frames flow. */
#include "loader.h"

struct _GstResnet18Loader {
  GstResnet18LoaderRefused refused;
  gpointer user;
  GMutex lock; /* guards the rest */
  GCond work;
  GThread *thread; /* NULL before the first request */
  gboolean stopping;
  gboolean requested;
  gint stuck; /* atomic: something was requested, and there can be no thread */
  GstResnet18Settings wanted;
  GstResnet18Engine *ready; /* also read without the lock, as a hint */
  GSList *retired;
};

GstResnet18Loader *gst_resnet18_loader_new(GstResnet18LoaderRefused refused, gpointer user) {
  GstResnet18Loader *l = g_new0(GstResnet18Loader, 1);
  l->refused = refused;
  l->user = user;
  g_mutex_init(&l->lock);
  g_cond_init(&l->work);
  return l;
}

/* Called and returns with the lock held; lets go of it while it closes. */
static void close_retired(GstResnet18Loader *l) {
  while (l->retired) {
    GstResnet18Engine *engine = l->retired->data;
    l->retired = g_slist_delete_link(l->retired, l->retired);
    g_mutex_unlock(&l->lock);
    gst_resnet18_engine_close(engine);
    g_mutex_lock(&l->lock);
  }
}

/* The same. */
static void open_requested(GstResnet18Loader *l) {
  GstResnet18Settings settings = {0};
  GstResnet18Engine *engine;
  const gchar *property;
  resnet18_error error;
  gst_resnet18_settings_copy(&settings, &l->wanted);
  l->requested = FALSE;
  g_mutex_unlock(&l->lock);
  engine = gst_resnet18_engine_open(&settings, &property, &error);
  if (!engine)
    l->refused(l->user, &settings, property, &error);
  gst_resnet18_settings_clear(&settings);
  g_mutex_lock(&l->lock);
  if (!engine)
    return;
  if (l->ready)
    l->retired = g_slist_prepend(l->retired, l->ready);
  g_atomic_pointer_set(&l->ready, engine);
}

static gpointer loader_main(gpointer data) {
  GstResnet18Loader *l = data;
  g_mutex_lock(&l->lock);
  while (!l->stopping) {
    if (l->retired)
      close_retired(l);
    else if (l->requested)
      open_requested(l);
    else
      g_cond_wait(&l->work, &l->lock);
  }
  g_mutex_unlock(&l->lock);
  return NULL;
}

void gst_resnet18_loader_free(GstResnet18Loader *l) {
  if (!l)
    return;
  g_mutex_lock(&l->lock);
  l->stopping = TRUE;
  g_cond_signal(&l->work);
  g_mutex_unlock(&l->lock);
  if (l->thread)
    g_thread_join(l->thread);
  g_slist_free_full(l->retired, (GDestroyNotify)gst_resnet18_engine_close);
  gst_resnet18_engine_close(l->ready);
  gst_resnet18_settings_clear(&l->wanted);
  g_mutex_clear(&l->lock);
  g_cond_clear(&l->work);
  g_free(l);
}

/* With the lock held. */
static void wake(GstResnet18Loader *l) {
  if (!l->thread)
    l->thread = g_thread_try_new("resnet18-load", loader_main, l, NULL);
  g_atomic_int_set(&l->stuck, l->thread == NULL);
  g_cond_signal(&l->work);
}

/* Not where it was requested: there, the element's lock is held. */
static void refuse_stuck(GstResnet18Loader *l) {
  const resnet18_error error = {RESNET18_ERROR_SYSTEM, "a thread that reads it could not be created"};
  GstResnet18Settings settings = {0};
  g_mutex_lock(&l->lock);
  gst_resnet18_settings_copy(&settings, &l->wanted);
  l->requested = FALSE;
  g_atomic_int_set(&l->stuck, FALSE);
  g_mutex_unlock(&l->lock);
  l->refused(l->user, &settings, "weights", &error);
  gst_resnet18_settings_clear(&settings);
}

void gst_resnet18_loader_request(GstResnet18Loader *l, const GstResnet18Settings *settings) {
  g_mutex_lock(&l->lock);
  gst_resnet18_settings_copy(&l->wanted, settings);
  l->requested = TRUE;
  wake(l);
  g_mutex_unlock(&l->lock);
}

GstResnet18Engine *gst_resnet18_loader_take(GstResnet18Loader *l) {
  GstResnet18Engine *engine;
  if (g_atomic_int_get(&l->stuck))
    refuse_stuck(l);
  if (!g_atomic_pointer_get(&l->ready))
    return NULL;
  g_mutex_lock(&l->lock);
  engine = l->ready;
  g_atomic_pointer_set(&l->ready, NULL);
  g_mutex_unlock(&l->lock);
  return engine;
}

void gst_resnet18_loader_retire(GstResnet18Loader *l, GstResnet18Engine *engine) {
  g_mutex_lock(&l->lock);
  l->retired = g_slist_prepend(l->retired, engine);
  wake(l);
  g_mutex_unlock(&l->lock);
}

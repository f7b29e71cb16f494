/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bounded queue of lines and the thread that writes them. */
#include "publisher.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Between two attempts to have the target again, in ms. */
#define SHORTEST_PAUSE 100
#define LONGEST_PAUSE 5000

struct _GstResnet18Publisher {
  GstResnet18Target *target; /* the thread's, once it runs */
  gboolean away;             /* the trouble has been told; the thread's */
  guint queue_size;
  GstResnet18PublisherTrouble trouble;
  gpointer user;
  GThread *thread;
  gint cancel_fd; /* readable while `cancelled` */

  GMutex lock;
  GCond work; /* there is a line, or the end */
  GCond rest; /* a line is done, or waiting is interrupted */
  /* All below under the lock. */
  GQueue lines; /* GString */
  gboolean busy, ended, interrupted, cancelled;
  GstResnet18PublisherCounts counts;
};

static void free_line(gpointer line) {
  g_string_free(line, TRUE);
}

/* ---- The writing thread -------------------------------------------------------------------------------- */

static void set_open(GstResnet18Publisher *p, gboolean is_open, gboolean again) {
  g_mutex_lock(&p->lock);
  p->counts.is_open = is_open;
  p->counts.reopened += is_open && again;
  g_mutex_unlock(&p->lock);
}

static void tell(GstResnet18Publisher *p, GError *error) {
  if (!p->away && error)
    p->trouble(p->user, error);
  p->away = TRUE;
  g_clear_error(&error);
}

/* False if cancelled. */
static gboolean pause_for(GstResnet18Publisher *p, gint milliseconds) {
  struct pollfd cancel = {.fd = p->cancel_fd, .events = POLLIN};
  return poll(&cancel, 1, milliseconds) <= 0;
}

static gboolean reopen(GstResnet18Publisher *p) {
  GError *error = NULL;
  if (p->target->open(p->target, TRUE, &error) != GST_RESNET18_TARGET_OK) {
    tell(p, error);
    return FALSE;
  }
  set_open(p, TRUE, TRUE);
  return TRUE;
}

/* One attempt, on a target that is open or not. */
static GstResnet18TargetStatus attempt(GstResnet18Publisher *p, gboolean *is_open, const GString *line) {
  GstResnet18TargetStatus status;
  GError *error = NULL;
  if (!*is_open && !(*is_open = reopen(p)))
    return GST_RESNET18_TARGET_AWAY;
  status = p->target->write(p->target, line->str, line->len, p->cancel_fd, &error);
  if (status == GST_RESNET18_TARGET_OK) {
    p->away = FALSE;
    return status;
  }
  p->target->close(p->target);
  set_open(p, *is_open = FALSE, FALSE);
  if (status != GST_RESNET18_TARGET_CANCELLED)
    tell(p, error);
  return status;
}

/* Until the line is written, or false when cancelled. A line that was cut off is written anew from its beginning. */
static gboolean deliver(GstResnet18Publisher *p, gboolean *is_open, const GString *line) {
  gint pause = SHORTEST_PAUSE;
  for (;;) {
    const gboolean was_open = *is_open;
    GstResnet18TargetStatus status = attempt(p, is_open, line);
    if (status == GST_RESNET18_TARGET_OK || status == GST_RESNET18_TARGET_CANCELLED)
      return status == GST_RESNET18_TARGET_OK;
    /* A connection that broke is often there again at once. */
    if (was_open && status == GST_RESNET18_TARGET_AWAY)
      continue;
    if (!pause_for(p, pause))
      return FALSE;
    pause = MIN(2 * pause, LONGEST_PAUSE);
  }
}

static gpointer write_lines(gpointer data) {
  GstResnet18Publisher *p = data;
  gboolean is_open;
  GString *line;
  gst_resnet18_target_block_signals();
  g_mutex_lock(&p->lock);
  is_open = p->counts.is_open;
  while (!p->ended) {
    gboolean written;
    if (!(line = g_queue_pop_head(&p->lines))) {
      g_cond_wait(&p->work, &p->lock);
      continue;
    }
    p->busy = TRUE;
    g_mutex_unlock(&p->lock);
    written = deliver(p, &is_open, line);
    free_line(line);
    g_mutex_lock(&p->lock);
    p->busy = FALSE;
    *(written ? &p->counts.written : &p->counts.dropped) += 1;
    g_cond_broadcast(&p->rest);
  }
  g_mutex_unlock(&p->lock);
  return NULL;
}

/* ---- From outside -------------------------------------------------------------------------------------- */

/* Opens the target for the first time. */
static gboolean begin(GstResnet18Publisher *p, GError **error) {
  GError *reason = NULL;
  GstResnet18TargetStatus status = p->target->open(p->target, FALSE, &reason);
  p->counts.is_open = status == GST_RESNET18_TARGET_OK;
  if (status == GST_RESNET18_TARGET_AWAY)
    tell(p, reason);
  if (status != GST_RESNET18_TARGET_FAILED)
    return TRUE;
  g_propagate_error(error, reason);
  return FALSE;
}

GstResnet18Publisher *gst_resnet18_publisher_new(GstResnet18Target *target, guint queue_size,
                                                 GstResnet18PublisherTrouble trouble, gpointer user, GError **error) {
  GstResnet18Publisher *p = g_new0(GstResnet18Publisher, 1);
  p->target = target;
  p->queue_size = queue_size;
  p->trouble = trouble;
  p->user = user;
  g_mutex_init(&p->lock);
  g_cond_init(&p->work);
  g_cond_init(&p->rest);
  g_queue_init(&p->lines);
  p->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (p->cancel_fd < 0)
    g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_MFILE, "the process has no file descriptor left");
  else if (begin(p, error))
    p->thread = g_thread_try_new("resnet18publish", write_lines, p, error);
  if (p->thread)
    return p;
  gst_resnet18_publisher_free(p);
  return NULL;
}

static void drop_waiting(GstResnet18Publisher *p) {
  p->counts.dropped += g_queue_get_length(&p->lines);
  g_queue_clear_full(&p->lines, free_line);
}

/* Makes the thread give up the line it is at, and waits until it has. */
static void cancel(GstResnet18Publisher *p) {
  guint64 one = 1;
  drop_waiting(p);
  while (p->busy) {
    if (!p->cancelled && write(p->cancel_fd, &one, sizeof one) == sizeof one)
      p->cancelled = TRUE;
    g_cond_wait(&p->rest, &p->lock);
  }
  if (p->cancelled && read(p->cancel_fd, &one, sizeof one) == sizeof one)
    p->cancelled = FALSE;
}

void gst_resnet18_publisher_free(GstResnet18Publisher *p) {
  g_mutex_lock(&p->lock);
  p->ended = TRUE;
  cancel(p);
  g_cond_signal(&p->work);
  g_mutex_unlock(&p->lock);
  if (p->thread)
    g_thread_join(p->thread);
  p->target->free(p->target);
  if (p->cancel_fd >= 0)
    close(p->cancel_fd);
  g_mutex_clear(&p->lock);
  g_cond_clear(&p->work);
  g_cond_clear(&p->rest);
  g_free(p);
}

void gst_resnet18_publisher_offer(GstResnet18Publisher *p, GString *line) {
  g_mutex_lock(&p->lock);
  p->counts.offered++;
  if (g_queue_get_length(&p->lines) >= p->queue_size) {
    free_line(g_queue_pop_head(&p->lines));
    p->counts.dropped++;
  }
  g_queue_push_tail(&p->lines, line);
  g_cond_signal(&p->work);
  g_mutex_unlock(&p->lock);
}

static gboolean is_at_work(const GstResnet18Publisher *p) {
  return p->busy || !g_queue_is_empty((GQueue *)&p->lines);
}

gboolean gst_resnet18_publisher_drain(GstResnet18Publisher *p, GstClockTime timeout) {
  const gint64 end = g_get_monotonic_time() + (gint64)MIN(timeout / GST_USECOND, G_MAXINT64 / 2);
  gboolean in_time = TRUE, interrupted;
  g_mutex_lock(&p->lock);
  while (is_at_work(p) && !p->interrupted && in_time)
    in_time = g_cond_wait_until(&p->rest, &p->lock, end);
  interrupted = p->interrupted;
  if (!interrupted)
    cancel(p);
  g_mutex_unlock(&p->lock);
  return !interrupted;
}

void gst_resnet18_publisher_interrupt(GstResnet18Publisher *p, gboolean interrupted) {
  g_mutex_lock(&p->lock);
  p->interrupted = interrupted;
  g_cond_broadcast(&p->rest);
  g_mutex_unlock(&p->lock);
}

void gst_resnet18_publisher_count(GstResnet18Publisher *p, GstResnet18PublisherCounts *counts) {
  g_mutex_lock(&p->lock);
  *counts = p->counts;
  counts->waiting = g_queue_get_length(&p->lines) + p->busy;
  g_mutex_unlock(&p->lock);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Carries lines from the spool to a broker.
 *
 * Several messages are on their way at a time. Those that have been acknowledged are taken out of the spool in order,
 * so that what is in the spool is always what is still owed. When the connection is lost, everything that is owed is
 * sent again from the oldest on; a message that comes twice has the same "id" both times. */
#include "courier.h"

#include "module.h"
#include "spool.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Messages on their way at most. After a new connection it begins with one, and grows with each that arrives. */
#define WINDOW 256
/* Between two attempts to connect, in ms. */
#define SHORTEST_PAUSE 100
#define LONGEST_PAUSE 5000
/* At most so much is lost by a power cut. */
#define SYNC_INTERVAL G_USEC_PER_SEC
#define TICK 1000 /* ms */

typedef enum { FLYING, ARRIVED, REFUSED } Fate;

typedef struct {
  guint64 number;
  Fate fate;
} Flight;

struct _GstResnet18Courier {
  GstResnet18Target parent;
  GstResnet18Address *address;
  const GstResnet18BrokerClass *klass;
  GstResnet18BrokerReports reports;
  gchar *folder;
  guint64 limit;
  GstResnet18PublisherTrouble trouble;
  gpointer user;
  GThread *thread;
  gint wake_fd;

  /* The carrying thread's. */
  GstResnet18Broker *broker;
  guint attempt;
  gint pause;
  gboolean away;         /* the trouble has been told */
  Flight window[WINDOW]; /* oldest first */
  guint flights, allowed;
  GArray *early;       /* numbers that arrived before older ones did, when the connection was lost */
  GString *held;       /* a message for which the broker had no room, else empty */
  guint64 held_number; /* 0 = none */
  gchar held_id[48];
  gint64 synced; /* when */

  GMutex lock;
  GstResnet18Spool *spool;          /* under the lock */
  guint64 sent, refused, undropped; /* under the lock; undropped: counted by the spool, but arrived after all */

  /* So that counting never waits for the disk, what is below has a lock of its own, which is taken last. */
  GMutex count_lock;
  GCond rest; /* something was sent, or waiting is interrupted */
  GstResnet18CourierCounts counts;
  gboolean ended, interrupted;
};

/* ---- Counts -------------------------------------------------------------------------------------------- */

/* Under the lock. */
static void tally(GstResnet18Courier *c) {
  GstResnet18SpoolCounts spool;
  gst_resnet18_spool_count(c->spool, &spool);
  g_mutex_lock(&c->count_lock);
  c->counts.recovered = spool.recovered;
  c->counts.spooled = spool.spooled;
  c->counts.sent = c->sent;
  c->counts.dropped = spool.dropped + c->refused - c->undropped;
  g_cond_broadcast(&c->rest);
  g_mutex_unlock(&c->count_lock);
}

static void set_open(GstResnet18Courier *c, gboolean is_open) {
  g_mutex_lock(&c->count_lock);
  if (is_open && !c->counts.is_open)
    c->counts.reopened++;
  c->counts.is_open = is_open;
  g_mutex_unlock(&c->count_lock);
}

static gboolean has_ended(GstResnet18Courier *c) {
  gboolean ended;
  g_mutex_lock(&c->count_lock);
  ended = c->ended;
  g_mutex_unlock(&c->count_lock);
  return ended;
}

static void tell(GstResnet18Courier *c, GError *error) {
  if (error && !c->away)
    c->trouble(c->user, error);
  c->away |= error != NULL;
  g_clear_error(&error);
}

/* ---- What becomes of messages -------------------------------------------------------------------------- */

/* Takes those out of the spool that have no older one before them. */
static void settle(GstResnet18Courier *c) {
  guint n = 0;
  g_mutex_lock(&c->lock);
  for (; n < c->flights && c->window[n].fate != FLYING; n++) {
    const Flight *flight = &c->window[n];
    /* The bound was reached while it was on its way. */
    c->undropped += flight->number <= gst_resnet18_spool_floor(c->spool);
    gst_resnet18_spool_acknowledge(c->spool, flight->number);
    *(flight->fate == ARRIVED ? &c->sent : &c->refused) += 1;
  }
  if (n)
    tally(c);
  g_mutex_unlock(&c->lock);
  c->flights -= n;
  memmove(c->window, c->window + n, c->flights * sizeof *c->window);
}

static gboolean decide(GstResnet18Courier *c, guint64 number, Fate fate) {
  for (guint i = 0; i < c->flights; i++)
    if (c->window[i].number == number && c->window[i].fate == FLYING) {
      c->window[i].fate = fate;
      settle(c);
      return TRUE;
    }
  return FALSE;
}

static void on_acknowledged(gpointer user, guint64 number) {
  GstResnet18Courier *c = user;
  if (!decide(c, number, ARRIVED))
    return;
  c->pause = SHORTEST_PAUSE;
  c->away = FALSE;
  c->allowed = MIN(c->allowed + 1, WINDOW);
}

static void on_refused(gpointer user, guint64 number, const GError *error) {
  GstResnet18Courier *c = user;
  if (decide(c, number, REFUSED))
    c->trouble(c->user, error);
}

/* ---- Sending ------------------------------------------------------------------------------------------- */

/* {"id":"...", and what the line has after its brace. */
static void wrap(GstResnet18Courier *c, const GstResnet18SpoolLine *line) {
  const gchar *data = line->data;
  gsize length = line->length;
  g_snprintf(c->held_id, sizeof c->held_id, "%016" G_GINT64_MODIFIER "x-%" G_GUINT64_FORMAT, line->salt, line->number);
  c->held_number = line->number;
  g_string_printf(c->held, "{\"id\":\"%s\"", c->held_id);
  if (length && data[length - 1] == '\n')
    length--;
  if (length > 2) {
    g_string_append_c(c->held, ',');
    g_string_append_len(c->held, data + 1, (gssize)length - 1);
  } else {
    g_string_append_c(c->held, '}');
  }
}

/* Holds the next line; FALSE if there is none. */
static gboolean take(GstResnet18Courier *c) {
  GstResnet18SpoolLine line;
  gboolean found;
  if (c->held_number)
    return TRUE;
  g_mutex_lock(&c->lock);
  found = gst_resnet18_spool_next(c->spool, &line);
  if (found)
    wrap(c, &line);
  tally(c); /* damaged lines are found by reading */
  g_mutex_unlock(&c->lock);
  return found;
}

static gboolean was_early(GstResnet18Courier *c, guint64 number) {
  for (guint i = 0; i < c->early->len; i++)
    if (g_array_index(c->early, guint64, i) == number) {
      g_array_remove_index(c->early, i);
      return TRUE;
    }
  return FALSE;
}

static GstResnet18BrokerStatus send_held(GstResnet18Courier *c, GError **error) {
  const guint64 number = c->held_number;
  const gboolean early = was_early(c, number);
  GstResnet18BrokerStatus status = GST_RESNET18_BROKER_OK;
  c->window[c->flights++] = (Flight){number, FLYING};
  if (early)
    decide(c, number, ARRIVED);
  else
    status = c->klass->send(c->broker, number, c->held_id, c->held->str, c->held->len, error);
  if (status == GST_RESNET18_BROKER_FULL)
    c->flights--;
  else
    c->held_number = 0;
  return status;
}

/* As many as may be on their way. */
static GstResnet18BrokerStatus send_more(GstResnet18Courier *c, GError **error) {
  GstResnet18BrokerStatus status = GST_RESNET18_BROKER_OK;
  while (status == GST_RESNET18_BROKER_OK && c->flights < c->allowed && take(c))
    status = send_held(c, error);
  return status;
}

/* ---- The carrying thread ------------------------------------------------------------------------------- */

static void sync_now_and_then(GstResnet18Courier *c) {
  const gint64 now = g_get_monotonic_time();
  if (now - c->synced < SYNC_INTERVAL)
    return;
  c->synced = now;
  g_mutex_lock(&c->lock);
  gst_resnet18_spool_sync(c->spool);
  g_mutex_unlock(&c->lock);
}

static void clear_wake(GstResnet18Courier *c) {
  guint64 count;
  while (read(c->wake_fd, &count, sizeof count) > 0)
    ;
}

static void wake(GstResnet18Courier *c) {
  const guint64 one = 1;
  while (write(c->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
    ;
}

static void rest_for(GstResnet18Courier *c, gint milliseconds) {
  const gint64 end = g_get_monotonic_time() + milliseconds * G_TIME_SPAN_MILLISECOND;
  gint64 left = milliseconds;
  while (left > 0 && !has_ended(c)) {
    struct pollfd fd = {.fd = c->wake_fd, .events = POLLIN};
    poll(&fd, 1, (gint)MIN(left, TICK));
    clear_wake(c);
    sync_now_and_then(c);
    left = (end - g_get_monotonic_time()) / G_TIME_SPAN_MILLISECOND;
  }
}

/* The connection has gone, and with it what is known of the messages on their way. */
static void lose(GstResnet18Courier *c) {
  guint64 repeated = 0;
  if (c->broker)
    c->klass->close(c->broker);
  c->broker = NULL;
  for (guint i = 0; i < c->flights; i++) {
    if (c->window[i].fate == FLYING)
      repeated++;
    else
      g_array_append_val(c->early, c->window[i].number);
  }
  c->flights = 0;
  c->held_number = 0;
  g_mutex_lock(&c->lock);
  gst_resnet18_spool_rewind(c->spool);
  g_mutex_unlock(&c->lock);
  g_mutex_lock(&c->count_lock);
  c->counts.repeated += repeated;
  g_mutex_unlock(&c->count_lock);
  set_open(c, FALSE);
}

static void retreat(GstResnet18Courier *c, GError *error) {
  lose(c);
  tell(c, error);
  rest_for(c, c->pause);
  c->pause = MIN(2 * c->pause, LONGEST_PAUSE);
}

static void work(GstResnet18Courier *c) {
  GError *error = NULL;
  GstResnet18BrokerStatus status = c->klass->work(c->broker, c->wake_fd, TICK, &error);
  clear_wake(c);
  set_open(c, status == GST_RESNET18_BROKER_OK);
  tell(c, error);
  error = NULL;
  /* A broker that is on the way may take some already. */
  if (status != GST_RESNET18_BROKER_LOST)
    status = send_more(c, &error);
  if (status == GST_RESNET18_BROKER_LOST)
    retreat(c, error);
}

static gpointer carry(gpointer data) {
  GstResnet18Courier *c = data;
  gst_resnet18_target_block_signals();
  while (!has_ended(c)) {
    GError *error = NULL;
    sync_now_and_then(c);
    if (c->broker) {
      work(c);
      continue;
    }
    c->allowed = 1;
    c->broker = c->klass->connect(c->address, c->attempt++, &c->reports, &error);
    if (!c->broker)
      retreat(c, error);
  }
  lose(c);
  return NULL;
}

/* ---- The target ---------------------------------------------------------------------------------------- */

static GstResnet18TargetStatus open_courier(GstResnet18Target *base, gboolean again, GError **error) {
  GstResnet18Courier *c = (GstResnet18Courier *)base;
  if (c->thread)
    return GST_RESNET18_TARGET_OK;
  c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (c->wake_fd < 0) {
    g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_MFILE, "the process has no file descriptor left");
    return GST_RESNET18_TARGET_FAILED;
  }
  c->spool = gst_resnet18_spool_open(c->folder, c->limit, error);
  if (!c->spool)
    g_prefix_error(error, "property \"spool\": ");
  if (!c->spool)
    return GST_RESNET18_TARGET_FAILED;
  tally(c);
  c->thread = g_thread_try_new("resnet18courier", carry, c, error);
  return c->thread ? GST_RESNET18_TARGET_OK : GST_RESNET18_TARGET_FAILED;
}

static GstResnet18TargetStatus write_to_spool(GstResnet18Target *base, const gchar *line, gsize length, gint cancel_fd,
                                              GError **error) {
  GstResnet18Courier *c = (GstResnet18Courier *)base;
  gboolean done;
  g_mutex_lock(&c->lock);
  done = gst_resnet18_spool_append(c->spool, line, length, error);
  tally(c);
  g_mutex_unlock(&c->lock);
  wake(c);
  return done ? GST_RESNET18_TARGET_OK : GST_RESNET18_TARGET_FAILED;
}

/* After the spool had no room; there is nothing to be had anew. */
static void close_nothing(GstResnet18Target *base) {
}

void gst_resnet18_courier_stop(GstResnet18Courier *c) {
  g_mutex_lock(&c->count_lock);
  c->ended = TRUE;
  g_mutex_unlock(&c->count_lock);
  if (!c->thread)
    return;
  wake(c);
  g_thread_join(c->thread);
  c->thread = NULL;
}

static void free_courier(GstResnet18Target *base) {
  GstResnet18Courier *c = (GstResnet18Courier *)base;
  gst_resnet18_courier_stop(c);
  if (c->spool)
    gst_resnet18_spool_free(c->spool);
  if (c->wake_fd >= 0)
    close(c->wake_fd);
  gst_resnet18_address_free(c->address);
  g_array_free(c->early, TRUE);
  g_string_free(c->held, TRUE);
  g_free(c->folder);
  g_mutex_clear(&c->lock);
  g_mutex_clear(&c->count_lock);
  g_cond_clear(&c->rest);
  g_free(c);
}

/* ---- From outside -------------------------------------------------------------------------------------- */

GstResnet18Courier *gst_resnet18_courier_new(GstResnet18Address *address, const gchar *folder, guint64 limit,
                                             GstResnet18PublisherTrouble trouble, gpointer user, GError **error) {
  const GstResnet18BrokerClass *klass = gst_resnet18_module_load(address->kind, error);
  GstResnet18Courier *c;
  if (!klass) {
    gst_resnet18_address_free(address);
    return NULL;
  }
  c = g_new0(GstResnet18Courier, 1);
  c->parent = (GstResnet18Target){open_courier, write_to_spool, close_nothing, free_courier};
  c->address = address;
  c->klass = klass;
  c->reports = (GstResnet18BrokerReports){on_acknowledged, on_refused, c};
  c->folder = g_strdup(folder);
  c->limit = limit;
  c->trouble = trouble;
  c->user = user;
  c->wake_fd = -1;
  c->pause = SHORTEST_PAUSE;
  c->early = g_array_new(FALSE, FALSE, sizeof(guint64));
  c->held = g_string_new(NULL);
  g_mutex_init(&c->lock);
  g_mutex_init(&c->count_lock);
  g_cond_init(&c->rest);
  return c;
}

GstResnet18Target *gst_resnet18_courier_get_target(GstResnet18Courier *c) {
  return &c->parent;
}

void gst_resnet18_courier_drain(GstResnet18Courier *c, GstClockTime timeout) {
  const gint64 end = g_get_monotonic_time() + (gint64)MIN(timeout / GST_USECOND, G_MAXINT64 / 2);
  gboolean in_time = TRUE;
  g_mutex_lock(&c->count_lock);
  while (c->counts.spooled && !c->interrupted && in_time)
    in_time = g_cond_wait_until(&c->rest, &c->count_lock, end);
  g_mutex_unlock(&c->count_lock);
}

void gst_resnet18_courier_interrupt(GstResnet18Courier *c, gboolean interrupted) {
  g_mutex_lock(&c->count_lock);
  c->interrupted = interrupted;
  g_cond_broadcast(&c->rest);
  g_mutex_unlock(&c->count_lock);
}

/* Having the broker for the first time is no reopening. */
void gst_resnet18_courier_count(GstResnet18Courier *c, GstResnet18CourierCounts *counts) {
  g_mutex_lock(&c->count_lock);
  *counts = c->counts;
  g_mutex_unlock(&c->count_lock);
  counts->reopened -= counts->reopened > 0;
}

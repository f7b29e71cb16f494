/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Server-sent events (the HTML standard, section 9.2). */
#include "events.h"

#include <string.h>

enum { KEPT = 512, DIGITS = 10 };

typedef struct {
  guint64 next; /* number of the message to send next */
  gsize at;     /* bytes of it that are sent */
  bool comment; /* a comment is due */
  stream_reply *reply;
} reader;

static GMutex lock; /* of all that follows */
static GBytes *kept[KEPT];
static guint64 count; /* of messages so far; number n is kept[n % KEPT] */
static GPtrArray *readers;

static void wake_all(void) {
  for (guint i = 0; readers && i < readers->len; i++)
    stream_wake(((reader *)readers->pdata[i])->reply);
}

void events_publish(const char *name, const char *data) {
  g_mutex_lock(&lock);
  char *text = g_strdup_printf("id: %" G_GUINT64_FORMAT "\nevent: %s\ndata: %s\n\n", count, name, data);
  GBytes **place = &kept[count % KEPT];
  if (*place)
    g_bytes_unref(*place);
  *place = g_bytes_new_take(text, strlen(text));
  count++;
  wake_all();
  g_mutex_unlock(&lock);
}

void events_keep_alive(void) {
  g_mutex_lock(&lock);
  for (guint i = 0; readers && i < readers->len; i++)
    ((reader *)readers->pdata[i])->comment = true;
  wake_all();
  g_mutex_unlock(&lock);
}

/* Part of the message that is next, or a comment between two. 0 = nothing to say, -1 = fell behind. */
static ssize_t put(reader *r, char *to, size_t room) {
  static const char comment[] = ": still here\n\n";
  if (r->at == 0 && r->comment && room >= sizeof comment - 1) {
    r->comment = false;
    memcpy(to, comment, sizeof comment - 1);
    return sizeof comment - 1;
  }
  if (r->next == count)
    return 0;
  if (count - r->next > KEPT)
    return -1;
  gsize size;
  const char *data = g_bytes_get_data(kept[r->next % KEPT], &size);
  const gsize part = MIN(room, size - r->at);
  memcpy(to, data + r->at, part);
  r->at += part;
  if (r->at == size) {
    r->at = 0;
    r->next++;
  }
  return (ssize_t)part;
}

static ssize_t read_events(void *user, char *to, size_t room) {
  g_mutex_lock(&lock);
  const ssize_t n = put(user, to, room);
  g_mutex_unlock(&lock);
  return n;
}

static void closed(void *user) {
  g_mutex_lock(&lock);
  g_ptr_array_remove_fast(readers, user);
  g_mutex_unlock(&lock);
  g_free(user);
}

/* Where a reader that comes back left off; else only what comes. */
static guint64 first_number(request *r) {
  const char *last = request_header(r, "Last-Event-ID");
  guint64 number;
  if (last == NULL || !g_ascii_string_to_unsigned(last, DIGITS, 0, G_MAXUINT64 - 1, &number, NULL) || number >= count)
    return count;
  return MAX(number + 1, count > KEPT ? count - KEPT : 0);
}

void events_handle(request *r) {
  static const stream_source source = {read_events, closed};
  reader *made = g_new0(reader, 1);
  made->comment = true; /* the answer begins at once */
  g_mutex_lock(&lock);
  if (readers == NULL)
    readers = g_ptr_array_new();
  made->next = first_number(r);
  if (request_stream(r, "text/event-stream", &source, made, &made->reply))
    g_ptr_array_add(readers, made);
  else
    g_free(made);
  g_mutex_unlock(&lock);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mosquitto, and mosquitto_sub with a session that persists. */
#include "servers.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

struct _World {
  gchar *config, *log, *port_text, *received;
  guint port;
  GPid server, reader;
};

static gchar *missing(void) {
  gchar *reason = server_missing("mosquitto");
  return reason ? reason : server_missing("mosquitto_sub");
}

static void start(World *w) {
  gchar *argv[] = {"mosquitto", "-c", w->config, NULL};
  w->server = server_start(argv, w->log);
  server_await(w->port);
}

/* A reader that finds nobody when it starts would end. */
static void start_reader(World *w) {
  gchar *argv[] = {"mosquitto_sub", "-h", "127.0.0.1", "-p", w->port_text, "-i", "reader", "-c", "-q", "1", "-t",
                   "cameras/door",  NULL};
  gboolean subscribed = FALSE;
  w->reader = server_start(argv, w->received);
  while (!subscribed) {
    gchar *text = NULL;
    g_usleep(10000);
    subscribed = g_file_get_contents(w->log, &text, NULL, NULL) && strstr(text, "Sending SUBACK to reader");
    g_free(text);
  }
}

static World *begin(const gchar *folder) {
  World *w = g_new0(World, 1);
  gchar *text;
  w->port = server_free_port();
  w->port_text = g_strdup_printf("%u", w->port);
  w->config = g_build_filename(folder, "mosquitto.conf", NULL);
  w->log = g_build_filename(folder, "mosquitto.log", NULL);
  w->received = g_build_filename(folder, "received", NULL);
  text = g_strdup_printf("listener %u 127.0.0.1\nallow_anonymous true\nuser root\npersistence true\n"
                         "persistence_location %s/\nmax_queued_messages 0\nlog_type all\n",
                         w->port, folder);
  g_assert_true(g_file_set_contents(w->config, text, -1, NULL));
  g_free(text);
  start(w);
  start_reader(w);
  return w;
}

static gchar *location(World *w) {
  return g_strdup_printf("mqtt://127.0.0.1:%u/cameras/door", w->port);
}

/* Told to end, it keeps what it has taken; killed, it would not, which is no matter of ours. */
static void away(World *w) {
  server_stop(&w->server, SIGTERM);
}

static GPtrArray *read_all(World *w) {
  GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
  gchar *text = NULL, *line, *end;
  if (!g_file_get_contents(w->received, &text, NULL, NULL))
    return lines;
  for (line = text; (end = strchr(line, '\n')); line = end + 1)
    if (*line == '{')
      g_ptr_array_add(lines, g_strndup(line, (gsize)(end - line)));
  g_free(text);
  return lines;
}

static void end(World *w) {
  server_stop(&w->reader, SIGTERM);
  server_stop(&w->server, SIGTERM);
  g_free(w->config);
  g_free(w->log);
  g_free(w->port_text);
  g_free(w->received);
  g_free(w);
}

const BrokerKind mqtt_kind = {"mqtt", FALSE, missing, begin, location, away, start, read_all, end};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nats-server with a JetStream stream in files. */
#include "servers.h"

#include <glib/gstdio.h>
#include <nats/nats.h>
#include <signal.h>
#include <string.h>

struct _World {
  gchar *config, *log;
  guint port;
  GPid server;
};

static gchar *missing(void) {
  return server_missing("nats-server");
}

static void start(World *w) {
  gchar *argv[] = {"nats-server", "-c", w->config, NULL};
  w->server = server_start(argv, w->log);
  server_await(w->port);
}

static natsConnection *connect_to(World *w) {
  gchar *url = g_strdup_printf("nats://127.0.0.1:%u", w->port);
  natsConnection *connection = NULL;
  g_assert_cmpint(natsConnection_ConnectTo(&connection, url), ==, NATS_OK);
  g_free(url);
  return connection;
}

static void add_stream(World *w) {
  natsConnection *connection = connect_to(w);
  jsCtx *js = NULL;
  jsStreamConfig config;
  const char *subjects[] = {"cameras.*"};
  jsStreamConfig_Init(&config);
  config.Name = "CAMERAS";
  config.Subjects = subjects;
  config.SubjectsLen = 1;
  g_assert_cmpint(natsConnection_JetStream(&js, connection, NULL), ==, NATS_OK);
  /* The server listens before JetStream is ready. */
  while (js_AddStream(NULL, js, &config, NULL, NULL) != NATS_OK)
    g_usleep(20000);
  jsCtx_Destroy(js);
  natsConnection_Destroy(connection);
}

static World *begin(const gchar *folder) {
  World *w = g_new0(World, 1);
  gchar *text;
  w->port = server_free_port();
  w->config = g_build_filename(folder, "nats.conf", NULL);
  w->log = g_build_filename(folder, "nats.log", NULL);
  text = g_strdup_printf("host: 127.0.0.1\nport: %u\njetstream { store_dir: \"%s/jetstream\" }\n", w->port, folder);
  g_assert_true(g_file_set_contents(w->config, text, -1, NULL));
  g_free(text);
  start(w);
  add_stream(w);
  return w;
}

static gchar *location(World *w) {
  return g_strdup_printf("nats://127.0.0.1:%u/cameras.door", w->port);
}

static void away(World *w) {
  server_stop(&w->server, SIGKILL);
}

static GPtrArray *read_all(World *w) {
  GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
  natsConnection *connection = connect_to(w);
  natsSubscription *subscription = NULL;
  natsMsg *message;
  jsCtx *js = NULL;
  g_assert_cmpint(natsConnection_JetStream(&js, connection, NULL), ==, NATS_OK);
  if (js_SubscribeSync(&subscription, js, "cameras.door", NULL, NULL, NULL) == NATS_OK) {
    while (natsSubscription_NextMsg(&message, subscription, 500) == NATS_OK) {
      g_ptr_array_add(lines, g_strndup(natsMsg_GetData(message), (gsize)natsMsg_GetDataLength(message)));
      natsMsg_Ack(message, NULL);
      natsMsg_Destroy(message);
    }
    natsSubscription_Unsubscribe(subscription);
  }
  natsSubscription_Destroy(subscription);
  jsCtx_Destroy(js);
  natsConnection_Destroy(connection);
  return lines;
}

static void end(World *w) {
  server_stop(&w->server, SIGTERM);
  g_free(w->config);
  g_free(w->log);
  g_free(w);
}

const BrokerKind nats_kind = {"nats", TRUE, missing, begin, location, away, start, read_all, end};

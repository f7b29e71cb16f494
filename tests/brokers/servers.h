/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Real message brokers for the tests, on ports of 127.0.0.1 that are free, with all their files in a folder of the
 * test's: the services that their packages may have started are not touched. */
#ifndef SERVERS_H
#define SERVERS_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct _World World;

/* One kind of broker. */
typedef struct {
  const gchar *kind;
  gboolean once; /* nothing comes twice */
  /* NULL, or why it cannot be had here. */
  gchar *(*missing)(void);
  /* Starts it, and whoever keeps what it is given. */
  World *(*begin)(const gchar *folder);
  gchar *(*location)(World *world);
  void (*away)(World *world);
  void (*back)(World *world);
  /* All messages so far: gchar *, in order. */
  GPtrArray *(*read)(World *world);
  void (*end)(World *world);
} BrokerKind;

#ifdef HAVE_MQTT
extern const BrokerKind mqtt_kind;
#endif
#ifdef HAVE_NATS
extern const BrokerKind nats_kind;
#endif
#ifdef HAVE_KAFKA
extern const BrokerKind kafka_kind;
#endif

/* For the kinds: */
guint server_free_port(void);
gchar *server_missing(const gchar *program);
/* Starts a program, its output appended to `log`; ends with this process. */
GPid server_start(gchar **argv, const gchar *log);
void server_await(guint port);
void server_stop(GPid *pid, gint signal);

G_END_DECLS

#endif

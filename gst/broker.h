/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a module for one kind of message broker (brokers/) is to the plugin. Each is a library of its own, loaded when a
 * location asks for it, so that the plugin needs none of the brokers' libraries.
 *
 * A broker is used by one thread. It reports what became of a message from within its functions, never from another
 * thread. Messages are sent in the order in which they were given. */
#ifndef GST_RESNET18_BROKER_H
#define GST_RESNET18_BROKER_H

#include "address.h"

G_BEGIN_DECLS

/* Counts up with each change of this file; the version of the plugin is compared too. */
#define GST_RESNET18_BROKER_ABI 1
/* The one symbol of a module: a GstResnet18BrokerClass. */
#define GST_RESNET18_BROKER_SYMBOL "gst_resnet18_broker"

typedef struct _GstResnet18Broker GstResnet18Broker;

typedef enum {
  GST_RESNET18_BROKER_OK,
  GST_RESNET18_BROKER_FULL,    /* only from `send`: not taken; later there is room */
  GST_RESNET18_BROKER_WAITING, /* only from `work`: not connected, but on the way; `error` if there is news */
  GST_RESNET18_BROKER_LOST     /* `error` says why; it must be closed */
} GstResnet18BrokerStatus;

typedef struct {
  /* The broker has taken the message and answers for it. */
  void (*acknowledged)(gpointer user, guint64 number);
  /* It never will, whoever asks: the message is too large. */
  void (*refused)(gpointer user, guint64 number, const GError *error);
  gpointer user;
} GstResnet18BrokerReports;

typedef struct {
  guint abi;
  const gchar *version;
  /* Begins to connect to host number `attempt`, modulo how many there are. Takes some seconds at most. Both pointers
   * stay valid until `close`. */
  GstResnet18Broker *(*connect)(const GstResnet18Address *address, guint attempt,
                                const GstResnet18BrokerReports *reports, GError **error);
  /* Does not wait. `id` names the message for ever. */
  GstResnet18BrokerStatus (*send)(GstResnet18Broker *broker, guint64 number, const gchar *id, const gchar *data,
                                  gsize length, GError **error);
  /* Waits until there is something to do, `wake_fd` is readable or the time is over, and does it. */
  GstResnet18BrokerStatus (*work)(GstResnet18Broker *broker, gint wake_fd, gint milliseconds, GError **error);
  /* Says goodbye if it is connected, for which it takes a second at most. */
  void (*close)(GstResnet18Broker *broker);
} GstResnet18BrokerClass;

G_END_DECLS

#endif

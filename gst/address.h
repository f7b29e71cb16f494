/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a message broker is, and as whom to go there: "mqtt://host:1883/topic" and what belongs to it. */
#ifndef GST_RESNET18_ADDRESS_H
#define GST_RESNET18_ADDRESS_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct {
  gchar *name; /* without the brackets of an IPv6 address */
  guint port;
} GstResnet18Host;

/* A message that the broker is to keep for whoever comes later. */
typedef struct {
  gchar *topic, *payload;
} GstResnet18Notice;

typedef struct {
  gchar *kind; /* "mqtt", "nats" or "kafka": the module's name */
  gchar *name; /* for sentences: the MQTT broker "host:1883" */
  gboolean tls;
  GArray *hosts; /* GstResnet18Host, at least one */
  gchar *topic;  /* or subject */
  gchar *client_id;
  gchar *username, *password; /* NULL = none. Never printed */
  gchar *ca;                  /* path; NULL = the system's */
  GArray *notices;            /* GstResnet18Notice */
} GstResnet18Address;

/* Whether a location looks like a URI, and so is no path of a file. */
gboolean gst_resnet18_address_is_uri(const gchar *location);
/* `client_id` NULL: one that follows from the machine, the location and `stream_name`. */
GstResnet18Address *gst_resnet18_address_new(const gchar *location, const gchar *client_id, const gchar *stream_name,
                                             GError **error);
/* Reads user name and password from a file, or, where `path` is NULL, from the environment. */
gboolean gst_resnet18_address_read_credentials(GstResnet18Address *address, const gchar *path, GError **error);
void gst_resnet18_address_free(GstResnet18Address *address);

G_END_DECLS

#endif

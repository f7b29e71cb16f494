/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-resnet18publish
 * @title: resnet18publish
 * @short_description: writes what resnet18classify found as lines of JSON, or sends it to a message broker
 * @see_also: resnet18classify
 *
 * Lets frames pass as they are and writes each result that resnet18classify has attached to them as one line of JSON
 * to a file, to standard output or to a Unix socket. The stream never waits for that: lines wait in a queue of limited
 * length, of which the oldest is dropped when it is full.
 *
 * To a broker (MQTT, NATS JetStream, Kafka) each result is a message. Lines for it are kept in a spool on disk until
 * the broker has acknowledged them, so that they survive a broker that is away, and the end of the process.
 *
 * At the end of the stream the element posts a message "resnet18-publish-stats" with the fields of the property stats.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 -q filesrc location=clip.mp4 ! decodebin ! resnet18classify interval=10 ! resnet18publish ! fakesink
 * ]| What is on every tenth frame of a film, on standard output.
 * |[
 * gst-launch-1.0 rtspsrc location=rtsp://camera/stream ! decodebin ! resnet18classify max-rate=2/1 !
 * resnet18publish location=unix:/run/results stream-name=door ! fakesink
 * ]| Two results a second of a camera to a program that listens on a socket.
 * |[
 * gst-launch-1.0 rtspsrc location=rtsp://camera/stream ! decodebin ! resnet18classify max-rate=2/1 !
 * resnet18publish location=mqtt://broker/cameras/door device-name=Door ! fakesink
 * ]| The same to an MQTT broker, where Home Assistant finds a device named Door by itself.
 */
#include "gstresnet18publish.h"
#include "courier.h"
#include "discovery.h"
#include "fresh.h"
#include "publisher.h"
#include "result_json.h"
#include "spool.h"

#include <string.h>

GST_DEBUG_CATEGORY_EXTERN(gst_resnet18_publish_debug);
#define GST_CAT_DEFAULT gst_resnet18_publish_debug

#define DEFAULT_LOCATION "-"
#define DEFAULT_APPEND TRUE
#define DEFAULT_QUEUE_SIZE 1000
#define DEFAULT_DRAIN_TIMEOUT GST_SECOND
#define DEFAULT_EVERY_FRAME FALSE
/* Lines that only have to get to the disk are given at least so much time for it. */
#define SPOOL_TIMEOUT GST_SECOND
#define DEFAULT_SPOOL_SIZE (256u << 20)

enum {
  PROP_LOCATION = 1,
  PROP_APPEND,
  PROP_QUEUE_SIZE,
  PROP_DRAIN_TIMEOUT,
  PROP_EVERY_FRAME,
  PROP_STREAM_NAME,
  PROP_CLIENT_ID,
  PROP_CREDENTIALS,
  PROP_TLS_CA,
  PROP_DEVICE_NAME,
  PROP_SPOOL,
  PROP_SPOOL_SIZE,
  PROP_STATS
};

struct _GstResnet18Publish {
  GstBaseTransform parent;

  /* Guarded by the object lock. */
  gchar *location, *stream_name;
  gboolean append, every_frame;
  guint queue_size;
  GstClockTime drain_timeout;
  gchar *client_id, *credentials, *tls_ca, *device_name, *spool;
  guint64 spool_size;
  GstResnet18Publisher *publisher; /* between start and stop; the streaming thread reads it without the lock */
  GstResnet18Courier *courier;     /* the publisher's target, if that is a broker */
  /* Of the last run, while there is no publisher. */
  GstResnet18PublisherCounts counts;
  GstResnet18CourierCounts carried;

  /* The streaming thread's. */
  GstResnet18Fresh fresh;
};

G_DEFINE_TYPE(GstResnet18Publish, gst_resnet18_publish, GST_TYPE_BASE_TRANSFORM)

/* ---- Properties ---------------------------------------------------------------------------------------- */

/* Under the object lock. What is in the spool was counted first: a line that moves on meanwhile still waits. */
static void count(GstResnet18Publish *self, GstResnet18PublisherCounts *counts, GstResnet18CourierCounts *carried) {
  *counts = self->counts;
  *carried = self->carried;
  if (self->courier)
    gst_resnet18_courier_count(self->courier, carried);
  if (self->publisher)
    gst_resnet18_publisher_count(self->publisher, counts);
  if (!self->courier)
    return;
  counts->written = 0;
  counts->waiting = (guint)(counts->offered + carried->recovered - carried->sent - carried->spooled - carried->dropped -
                            counts->dropped);
  counts->dropped += carried->dropped;
  counts->reopened = carried->reopened;
  counts->is_open = carried->is_open;
}

static GstStructure *describe(GstResnet18Publish *self) {
  GstResnet18PublisherCounts counts;
  GstResnet18CourierCounts carried;
  GST_OBJECT_LOCK(self);
  count(self, &counts, &carried);
  GST_OBJECT_UNLOCK(self);
  return gst_structure_new("resnet18-publish-stats", "results", G_TYPE_UINT64, counts.offered, "recovered",
                           G_TYPE_UINT64, carried.recovered, "written", G_TYPE_UINT64, counts.written, "sent",
                           G_TYPE_UINT64, carried.sent, "spooled", G_TYPE_UINT64, carried.spooled, "dropped",
                           G_TYPE_UINT64, counts.dropped, "waiting", G_TYPE_UINT, counts.waiting, "repeated",
                           G_TYPE_UINT64, carried.repeated, "reopened", G_TYPE_UINT, counts.reopened, "open",
                           G_TYPE_BOOLEAN, counts.is_open, NULL);
}

static void set_string(gchar **string, const GValue *value) {
  g_free(*string);
  *string = g_value_dup_string(value);
}

static void gst_resnet18_publish_set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec) {
  GstResnet18Publish *self = GST_RESNET18_PUBLISH(object);
  GST_OBJECT_LOCK(self);
  switch (id) {
  case PROP_LOCATION:
    set_string(&self->location, value);
    break;
  case PROP_APPEND:
    self->append = g_value_get_boolean(value);
    break;
  case PROP_QUEUE_SIZE:
    self->queue_size = g_value_get_uint(value);
    break;
  case PROP_DRAIN_TIMEOUT:
    self->drain_timeout = g_value_get_uint64(value);
    break;
  case PROP_EVERY_FRAME:
    self->every_frame = g_value_get_boolean(value);
    break;
  case PROP_STREAM_NAME:
    set_string(&self->stream_name, value);
    break;
  case PROP_CLIENT_ID:
    set_string(&self->client_id, value);
    break;
  case PROP_CREDENTIALS:
    set_string(&self->credentials, value);
    break;
  case PROP_TLS_CA:
    set_string(&self->tls_ca, value);
    break;
  case PROP_DEVICE_NAME:
    set_string(&self->device_name, value);
    break;
  case PROP_SPOOL:
    set_string(&self->spool, value);
    break;
  case PROP_SPOOL_SIZE:
    self->spool_size = g_value_get_uint64(value);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
  GST_OBJECT_UNLOCK(self);
}

static void gst_resnet18_publish_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec) {
  GstResnet18Publish *self = GST_RESNET18_PUBLISH(object);
  if (id == PROP_STATS) {
    g_value_take_boxed(value, describe(self));
    return;
  }
  GST_OBJECT_LOCK(self);
  switch (id) {
  case PROP_LOCATION:
    g_value_set_string(value, self->location);
    break;
  case PROP_APPEND:
    g_value_set_boolean(value, self->append);
    break;
  case PROP_QUEUE_SIZE:
    g_value_set_uint(value, self->queue_size);
    break;
  case PROP_DRAIN_TIMEOUT:
    g_value_set_uint64(value, self->drain_timeout);
    break;
  case PROP_EVERY_FRAME:
    g_value_set_boolean(value, self->every_frame);
    break;
  case PROP_STREAM_NAME:
    g_value_set_string(value, self->stream_name);
    break;
  case PROP_CLIENT_ID:
    g_value_set_string(value, self->client_id);
    break;
  case PROP_CREDENTIALS:
    g_value_set_string(value, self->credentials);
    break;
  case PROP_TLS_CA:
    g_value_set_string(value, self->tls_ca);
    break;
  case PROP_DEVICE_NAME:
    g_value_set_string(value, self->device_name);
    break;
  case PROP_SPOOL:
    g_value_set_string(value, self->spool);
    break;
  case PROP_SPOOL_SIZE:
    g_value_set_uint64(value, self->spool_size);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
  GST_OBJECT_UNLOCK(self);
}

/* ---- Start and stop ------------------------------------------------------------------------------------ */

static GstResourceError code_of(const GError *error, GstResourceError otherwise) {
  if (g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOSPC))
    return GST_RESOURCE_ERROR_NO_SPACE_LEFT;
  if (g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_ACCES))
    return GST_RESOURCE_ERROR_NOT_AUTHORIZED;
  return otherwise;
}

/* `text` may name another property itself. */
static void post(GstResnet18Publish *self, GstMessageType type, GstResourceError code, const gchar *text) {
  const gboolean names_one = g_str_has_prefix(text, "property ");
  gchar *name = gst_object_get_name(GST_OBJECT(self));
  gst_element_message_full(GST_ELEMENT(self), type, GST_RESOURCE_ERROR, code,
                           g_strdup_printf("%s: %s%s", name, names_one ? "" : "property \"location\": ", text), NULL,
                           __FILE__, GST_FUNCTION, __LINE__);
  g_free(name);
}

/* From start or the writing thread. */
static void on_trouble(gpointer user, const GError *error) {
  gchar *text = g_strdup_printf("%s; it is tried again until it works", error->message);
  post(user, GST_MESSAGE_WARNING, code_of(error, GST_RESOURCE_ERROR_WRITE), text);
  g_free(text);
}

/* All that the properties say of a broker. Under the object lock. */
static GstResnet18Address *make_address(GstResnet18Publish *self, GError **error) {
  GstResnet18Address *address = gst_resnet18_address_new(self->location, self->client_id, self->stream_name, error);
  if (!address)
    return NULL;
  if (!gst_resnet18_address_read_credentials(address, self->credentials, error)) {
    g_prefix_error(error, "property \"credentials\": ");
    gst_resnet18_address_free(address);
    return NULL;
  }
  address->ca = g_strdup(self->tls_ca);
  if (self->device_name && strcmp(address->kind, "mqtt") == 0)
    gst_resnet18_discovery_announce(address, self->device_name);
  return address;
}

static GstResnet18Courier *make_courier(GstResnet18Publish *self, GError **error) {
  GstResnet18Address *address = make_address(self, error);
  GstResnet18Courier *courier;
  gchar *folder;
  if (!address)
    return NULL;
  folder = self->spool ? g_strdup(self->spool)
                       : g_build_filename(g_get_user_state_dir(), "resnet18classify", address->client_id, NULL);
  courier = gst_resnet18_courier_new(address, folder, self->spool_size, on_trouble, self, error);
  g_free(folder);
  return courier;
}

static GstResnet18Publisher *open_publisher(GstResnet18Publish *self, GstResnet18Courier **courier, GError **error) {
  GstResnet18Target *target;
  guint queue_size;
  GST_OBJECT_LOCK(self);
  if (gst_resnet18_address_is_uri(self->location)) {
    *courier = make_courier(self, error);
    target = *courier ? gst_resnet18_courier_get_target(*courier) : NULL;
  } else {
    target = gst_resnet18_target_new(self->location, self->append, error);
  }
  queue_size = self->queue_size;
  GST_OBJECT_UNLOCK(self);
  return target ? gst_resnet18_publisher_new(target, queue_size, on_trouble, self, error) : NULL;
}

static gboolean gst_resnet18_publish_start(GstBaseTransform *trans) {
  GstResnet18Publish *self = GST_RESNET18_PUBLISH(trans);
  GError *error = NULL;
  GstResnet18Courier *courier = NULL;
  GstResnet18Publisher *publisher = open_publisher(self, &courier, &error);
  GST_OBJECT_LOCK(self);
  self->publisher = publisher;
  self->courier = publisher ? courier : NULL;
  memset(&self->counts, 0, sizeof self->counts);
  memset(&self->carried, 0, sizeof self->carried);
  GST_OBJECT_UNLOCK(self);
  if (!publisher) {
    post(self, GST_MESSAGE_ERROR, code_of(error, GST_RESOURCE_ERROR_OPEN_WRITE), error->message);
    g_error_free(error);
    return FALSE;
  }
  memset(&self->fresh, 0, sizeof self->fresh);
  return TRUE;
}

static void drain(GstResnet18Publish *self) {
  const GstClockTime begin = gst_util_get_timestamp();
  GstClockTime timeout, spent;
  GST_OBJECT_LOCK(self);
  timeout = self->drain_timeout;
  GST_OBJECT_UNLOCK(self);
  gst_resnet18_publisher_drain(self->publisher, self->courier ? MAX(timeout, SPOOL_TIMEOUT) : timeout);
  spent = gst_util_get_timestamp() - begin;
  if (self->courier)
    gst_resnet18_courier_drain(self->courier, timeout - MIN(timeout, spent));
}

/* Ends or allows waiting for lines to be written. From any thread. */
static void interrupt(GstResnet18Publish *self, gboolean interrupted) {
  GST_OBJECT_LOCK(self);
  if (self->publisher)
    gst_resnet18_publisher_interrupt(self->publisher, interrupted);
  if (self->courier)
    gst_resnet18_courier_interrupt(self->courier, interrupted);
  GST_OBJECT_UNLOCK(self);
}

static gboolean gst_resnet18_publish_stop(GstBaseTransform *trans) {
  GstResnet18Publish *self = GST_RESNET18_PUBLISH(trans);
  GstResnet18Publisher *publisher = self->publisher;
  interrupt(self, FALSE);
  drain(self);
  if (self->courier)
    gst_resnet18_courier_stop(self->courier);
  /* The publisher's thread may be posting a warning, which takes the object lock: not freed under it. */
  GST_OBJECT_LOCK(self);
  count(self, &self->counts, &self->carried);
  self->counts.is_open = FALSE;
  self->publisher = NULL;
  self->courier = NULL;
  GST_OBJECT_UNLOCK(self);
  gst_resnet18_publisher_free(publisher);
  return TRUE;
}

static GstStateChangeReturn gst_resnet18_publish_change_state(GstElement *element, GstStateChange transition) {
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    interrupt(GST_RESNET18_PUBLISH(element), TRUE);
  return GST_ELEMENT_CLASS(gst_resnet18_publish_parent_class)->change_state(element, transition);
}

/* ---- Data flow ----------------------------------------------------------------------------------------- */

/* NULL where the result has been written already. */
static GString *line_of(GstResnet18Publish *self, const GstStructure *result) {
  const gboolean is_new = gst_resnet18_fresh_check(&self->fresh, result);
  GString *line = NULL;
  GST_OBJECT_LOCK(self);
  if (is_new || self->every_frame) {
    line = g_string_sized_new(1024);
    g_string_append_c(line, '{');
    if (self->stream_name) {
      g_string_append(line, "\"stream\":");
      gst_resnet18_json_append_string(line, self->stream_name);
      g_string_append_c(line, ',');
    }
  }
  GST_OBJECT_UNLOCK(self);
  if (!line)
    return NULL;
  gst_resnet18_json_append_members(line, result);
  g_string_append(line, "}\n");
  return line;
}

static GstFlowReturn gst_resnet18_publish_transform_ip(GstBaseTransform *trans, GstBuffer *buffer) {
  GstResnet18Publish *self = GST_RESNET18_PUBLISH(trans);
  const GstStructure *result;
  gst_resnet18_fresh_next_frame(&self->fresh);
  for (guint i = 0; (result = gst_resnet18_buffer_get_result(buffer, i)); i++) {
    GString *line = line_of(self, result);
    if (line)
      gst_resnet18_publisher_offer(self->publisher, line);
  }
  return GST_FLOW_OK;
}

static void finish(GstResnet18Publish *self) {
  if (!self->publisher)
    return;
  drain(self);
  gst_element_post_message(GST_ELEMENT(self), gst_message_new_element(GST_OBJECT(self), describe(self)));
}

static gboolean gst_resnet18_publish_sink_event(GstBaseTransform *trans, GstEvent *event) {
  GstResnet18Publish *self = GST_RESNET18_PUBLISH(trans);
  switch (GST_EVENT_TYPE(event)) {
  case GST_EVENT_FLUSH_START:
    interrupt(self, TRUE);
    break;
  case GST_EVENT_FLUSH_STOP:
    interrupt(self, FALSE);
    memset(&self->fresh, 0, sizeof self->fresh);
    break;
  case GST_EVENT_EOS:
    finish(self);
    break;
  default:
    break;
  }
  return GST_BASE_TRANSFORM_CLASS(gst_resnet18_publish_parent_class)->sink_event(trans, event);
}

/* ---- Class --------------------------------------------------------------------------------------------- */

static void gst_resnet18_publish_finalize(GObject *object) {
  GstResnet18Publish *self = GST_RESNET18_PUBLISH(object);
  g_free(self->location);
  g_free(self->stream_name);
  g_free(self->client_id);
  g_free(self->credentials);
  g_free(self->tls_ca);
  g_free(self->device_name);
  g_free(self->spool);
  G_OBJECT_CLASS(gst_resnet18_publish_parent_class)->finalize(object);
}

static void gst_resnet18_publish_init(GstResnet18Publish *self) {
  self->location = g_strdup(DEFAULT_LOCATION);
  self->append = DEFAULT_APPEND;
  self->queue_size = DEFAULT_QUEUE_SIZE;
  self->drain_timeout = DEFAULT_DRAIN_TIMEOUT;
  self->every_frame = DEFAULT_EVERY_FRAME;
  self->spool_size = DEFAULT_SPOOL_SIZE;
  gst_base_transform_set_in_place(GST_BASE_TRANSFORM(self), TRUE);
  gst_base_transform_set_passthrough(GST_BASE_TRANSFORM(self), TRUE);
  gst_base_transform_set_gap_aware(GST_BASE_TRANSFORM(self), TRUE);
}

#define IN_READY (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)
#define IN_PLAYING (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)

static void install_target(GObjectClass *c) {
  g_object_class_install_property(
      c, PROP_LOCATION,
      g_param_spec_string("location", "Location",
                          "Where the lines go: the path of a file or FIFO, \"-\" = standard output, \"unix:PATH\" = "
                          "a stream socket that a program listens on, or a message broker: mqtt://HOST/TOPIC, "
                          "nats://HOST/SUBJECT (JetStream), kafka://HOST,HOST/TOPIC; mqtts, natss, kafkas = by TLS. "
                          "Whoever reads, and the broker, may come later, go and come back",
                          DEFAULT_LOCATION, IN_READY));
  g_object_class_install_property(
      c, PROP_APPEND,
      g_param_spec_boolean("append", "Append", "Keep what is in the file already; else it is emptied at the start",
                           DEFAULT_APPEND, IN_READY));
  g_object_class_install_property(
      c, PROP_QUEUE_SIZE,
      g_param_spec_uint("queue-size", "Queue size",
                        "Lines that may wait to be written; when there are as many, the oldest of them is dropped", 1,
                        G_MAXINT, DEFAULT_QUEUE_SIZE, IN_READY));
  g_object_class_install_property(
      c, PROP_DRAIN_TIMEOUT,
      g_param_spec_uint64("drain-timeout", "Drain timeout",
                          "How long (ns) the end of the stream and stopping wait for lines to be written; what is left "
                          "then is dropped, or, with a broker, stays in the spool for the next start",
                          0, G_MAXUINT64, DEFAULT_DRAIN_TIMEOUT, IN_PLAYING));
}

static void install_line(GObjectClass *c) {
  g_object_class_install_property(
      c, PROP_EVERY_FRAME,
      g_param_spec_boolean("every-frame", "Every frame",
                           "Write a result again for each further frame that carries it; else each is written once",
                           DEFAULT_EVERY_FRAME, IN_PLAYING));
  g_object_class_install_property(
      c, PROP_STREAM_NAME,
      g_param_spec_string("stream-name", "Stream name",
                          "What the member \"stream\" of each line says, to tell cameras apart (NULL = no such member)",
                          NULL, IN_PLAYING));
  g_object_class_install_property(
      c, PROP_STATS,
      g_param_spec_boxed("stats", "Statistics",
                         "Counts since the element started: results and recovered (from the spool) = written + sent "
                         "(and acknowledged by the broker) + spooled + dropped + waiting; repeated, reopened; open "
                         "says whether the target is",
                         GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

#define STRING(id, name, nick, blurb)                                                                                  \
  g_object_class_install_property(c, id, g_param_spec_string(name, nick, blurb, NULL, IN_READY))

static void install_broker(GObjectClass *c) {
  STRING(PROP_CLIENT_ID, "client-id", "Client id",
         "Under which name to be with the broker, and in Kafka the key of each message; letters, digits, \".\", \"_\" "
         "and \"-\" (NULL = one that follows from the machine, the location and the stream's name)");
  STRING(PROP_CREDENTIALS, "credentials", "Credentials",
         "Path of a file with the lines username=NAME and password=WORD for the broker (NULL = the environment's "
         "RESNET18_USERNAME and RESNET18_PASSWORD, if they are set)");
  STRING(PROP_TLS_CA, "tls-ca", "TLS CA",
         "Path of the certificates (PEM) that the broker's is checked with (NULL = the system's)");
  STRING(PROP_DEVICE_NAME, "device-name", "Device name",
         "MQTT: the name under which Home Assistant shows the stream as a device (NULL = it is not told of it)");
  STRING(PROP_SPOOL, "spool", "Spool",
         "Folder, for this element alone, in which lines wait for the broker (NULL = one for the client id in "
         "$XDG_STATE_HOME or ~/.local/state)");
  g_object_class_install_property(
      c, PROP_SPOOL_SIZE,
      g_param_spec_uint64("spool-size", "Spool size",
                          "Bytes that the spool may take; when they are reached, its oldest lines are dropped",
                          GST_RESNET18_SPOOL_SMALLEST, G_MAXUINT64, DEFAULT_SPOOL_SIZE, IN_READY));
}

static void gst_resnet18_publish_class_init(GstResnet18PublishClass *klass) {
  GObjectClass *object_class = G_OBJECT_CLASS(klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
  GstBaseTransformClass *transform_class = GST_BASE_TRANSFORM_CLASS(klass);
  GstCaps *any = gst_caps_new_any();

  object_class->set_property = gst_resnet18_publish_set_property;
  object_class->get_property = gst_resnet18_publish_get_property;
  object_class->finalize = gst_resnet18_publish_finalize;
  install_target(object_class);
  install_line(object_class);
  install_broker(object_class);

  gst_element_class_set_static_metadata(element_class, "ResNet-18 result writer", "Filter/Metadata/Video",
                                        "Writes what resnet18classify found as lines of JSON",
                                        "The resnet18classify developers");
  gst_element_class_add_pad_template(element_class, gst_pad_template_new("sink", GST_PAD_SINK, GST_PAD_ALWAYS, any));
  gst_element_class_add_pad_template(element_class, gst_pad_template_new("src", GST_PAD_SRC, GST_PAD_ALWAYS, any));
  gst_caps_unref(any);

  element_class->change_state = gst_resnet18_publish_change_state;
  transform_class->start = gst_resnet18_publish_start;
  transform_class->stop = gst_resnet18_publish_stop;
  transform_class->sink_event = gst_resnet18_publish_sink_event;
  transform_class->transform_ip = gst_resnet18_publish_transform_ip;
}

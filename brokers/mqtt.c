/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* MQTT 3.1.1 by libmosquitto: quality of service 1, a session that persists under the client's id, and a last will. The
 * library runs in the caller's thread, and for one connection only: after a loss, what was on its way is sent again by
 * the caller, from a new client with the same id. */
#include "broker.h"

#include <errno.h>
#include <gmodule.h>
#include <mosquitto.h>
#include <poll.h>
#include <string.h>

#define KEEPALIVE 15                       /* s */
#define CONNECT_TIME (10 * G_USEC_PER_SEC) /* until the broker has accepted */
#define HANDSHAKE_STEP (G_USEC_PER_SEC / 200)
#define GOODBYE_TIME (G_USEC_PER_SEC / 2)
#define QOS 1

typedef struct {
  gint mid;
  guint64 number;
} Sent;

struct _GstResnet18Broker {
  const GstResnet18Address *address;
  const GstResnet18BrokerReports *reports;
  struct mosquitto *client;
  gchar *status_topic;
  gint64 connect_end;
  gboolean accepted;
  GError *lost;    /* NULL = not */
  GArray *on_way;  /* Sent, oldest first */
  gint goodbye_id; /* of the message that says "offline" */
  gboolean goodbye_done;
};

/* ---- Errors -------------------------------------------------------------------------------------------- */

static const gchar *reason_of(gint result) {
  return result == MOSQ_ERR_ERRNO ? g_strerror(errno) : mosquitto_strerror(result);
}

static void lose(GstResnet18Broker *b, gint code, const gchar *doing, const gchar *reason) {
  if (!b->lost)
    g_set_error(&b->lost, G_FILE_ERROR, code, "%s %s: %s", b->address->name, doing, reason);
}

static GstResnet18BrokerStatus report_loss(GstResnet18Broker *b, GError **error) {
  g_propagate_error(error, g_error_copy(b->lost));
  return GST_RESNET18_BROKER_LOST;
}

/* ---- What the library calls ---------------------------------------------------------------------------- */

static void publish(GstResnet18Broker *b, gint *mid, const gchar *topic, const gchar *payload) {
  const gint result = mosquitto_publish(b->client, mid, topic, (gint)strlen(payload), payload, QOS, true);
  if (result != MOSQ_ERR_SUCCESS)
    lose(b, G_FILE_ERROR_FAILED, "cannot be written to", reason_of(result));
}

static void on_connect(struct mosquitto *client, void *user, int code) {
  GstResnet18Broker *b = user;
  if (code != 0) {
    const gboolean refused = code == 4 || code == 5; /* bad user name or password; not authorized */
    lose(b, refused ? G_FILE_ERROR_ACCES : G_FILE_ERROR_FAILED, "refuses the connection",
         mosquitto_connack_string(code));
    return;
  }
  b->accepted = TRUE;
  publish(b, NULL, b->status_topic, "online");
  for (guint i = 0; i < b->address->notices->len; i++) {
    const GstResnet18Notice *notice = &g_array_index(b->address->notices, GstResnet18Notice, i);
    publish(b, NULL, notice->topic, notice->payload);
  }
}

static void on_disconnect(struct mosquitto *client, void *user, int code) {
  GstResnet18Broker *b = user;
  lose(b, G_FILE_ERROR_FAILED, b->accepted ? "is gone" : "cannot be reached",
       code ? reason_of(code) : "the connection was closed");
}

static void on_publish(struct mosquitto *client, void *user, int mid) {
  GstResnet18Broker *b = user;
  b->goodbye_done |= mid == b->goodbye_id;
  for (guint i = 0; i < b->on_way->len; i++) {
    const Sent sent = g_array_index(b->on_way, Sent, i);
    if (sent.mid != mid)
      continue;
    g_array_remove_index(b->on_way, i);
    b->reports->acknowledged(b->reports->user, sent.number);
    return;
  }
}

/* ---- Connecting ---------------------------------------------------------------------------------------- */

static gint set_up(GstResnet18Broker *b) {
  const GstResnet18Address *a = b->address;
  gint result = MOSQ_ERR_SUCCESS;
  mosquitto_connect_callback_set(b->client, on_connect);
  mosquitto_disconnect_callback_set(b->client, on_disconnect);
  mosquitto_publish_callback_set(b->client, on_publish);
  /* The caller limits how many are on their way. */
  mosquitto_max_inflight_messages_set(b->client, 0);
  if (a->username)
    result = mosquitto_username_pw_set(b->client, a->username, a->password);
  if (result == MOSQ_ERR_SUCCESS)
    result = mosquitto_will_set(b->client, b->status_topic, (gint)strlen("offline"), "offline", QOS, true);
  if (result == MOSQ_ERR_SUCCESS && a->tls)
    result = a->ca ? mosquitto_tls_set(b->client, a->ca, NULL, NULL, NULL, NULL)
                   : mosquitto_int_option(b->client, MOSQ_OPT_TLS_USE_OS_CERTS, 1);
  if (result == MOSQ_ERR_SUCCESS && a->tls)
    result = mosquitto_tls_opts_set(b->client, 1, NULL, NULL);
  return result;
}

static void close_mqtt(GstResnet18Broker *b);

static GstResnet18Broker *connect_mqtt(const GstResnet18Address *address, guint attempt,
                                       const GstResnet18BrokerReports *reports, GError **error) {
  static gsize initialised;
  const GstResnet18Host *host = &g_array_index(address->hosts, GstResnet18Host, attempt % address->hosts->len);
  GstResnet18Broker *b = g_new0(GstResnet18Broker, 1);
  gint result;
  if (g_once_init_enter(&initialised)) {
    mosquitto_lib_init();
    g_once_init_leave(&initialised, 1);
  }
  b->address = address;
  b->reports = reports;
  b->status_topic = g_strconcat(address->topic, "/status", NULL);
  b->on_way = g_array_new(FALSE, FALSE, sizeof(Sent));
  b->connect_end = g_get_monotonic_time() + CONNECT_TIME;
  b->client = mosquitto_new(address->client_id, false, b);
  result = b->client ? set_up(b) : MOSQ_ERR_ERRNO;
  if (result == MOSQ_ERR_SUCCESS)
    result = mosquitto_connect_async(b->client, host->name, (gint)host->port, KEEPALIVE);
  if (result == MOSQ_ERR_SUCCESS)
    return b;
  g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s cannot be reached: %s", address->name, reason_of(result));
  close_mqtt(b);
  return NULL;
}

/* ---- Working ------------------------------------------------------------------------------------------- */

static void serve(GstResnet18Broker *b, gint wake_fd, gint milliseconds) {
  const gint fd = mosquitto_socket(b->client);
  struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = wake_fd, .events = POLLIN}};
  gint result = MOSQ_ERR_SUCCESS;
  if (fd < 0) {
    lose(b, G_FILE_ERROR_FAILED, b->accepted ? "is gone" : "cannot be reached", "the connection was closed");
    return;
  }
  if (mosquitto_want_write(b->client))
    fds[0].events |= POLLOUT;
  if (poll(fds, G_N_ELEMENTS(fds), milliseconds) < 0 && errno != EINTR)
    result = MOSQ_ERR_ERRNO;
  if (result == MOSQ_ERR_SUCCESS && fds[0].revents & (POLLIN | POLLERR | POLLHUP))
    result = mosquitto_loop_read(b->client, 1);
  if (result == MOSQ_ERR_SUCCESS && fds[0].revents & POLLOUT)
    result = mosquitto_loop_write(b->client, 1);
  if (result == MOSQ_ERR_SUCCESS)
    result = mosquitto_loop_misc(b->client);
  if (result != MOSQ_ERR_SUCCESS)
    lose(b, G_FILE_ERROR_FAILED, b->accepted ? "is gone" : "cannot be reached", reason_of(result));
}

static GstResnet18BrokerStatus work_mqtt(GstResnet18Broker *b, gint wake_fd, gint milliseconds, GError **error) {
  serve(b, wake_fd, milliseconds);
  /* While a handshake waits for the other side, the library wants to write, and the socket would let it. */
  if (!b->accepted && !b->lost)
    g_usleep(HANDSHAKE_STEP);
  if (!b->accepted && g_get_monotonic_time() > b->connect_end)
    lose(b, G_FILE_ERROR_FAILED, "cannot be reached", "it does not answer");
  if (b->lost)
    return report_loss(b, error);
  return b->accepted ? GST_RESNET18_BROKER_OK : GST_RESNET18_BROKER_WAITING;
}

static GstResnet18BrokerStatus send_mqtt(GstResnet18Broker *b, guint64 number, const gchar *id, const gchar *data,
                                         gsize length, GError **error) {
  Sent sent = {.number = number};
  gint result;
  if (!b->accepted)
    return GST_RESNET18_BROKER_FULL;
  result = mosquitto_publish(b->client, &sent.mid, b->address->topic, (gint)length, data, QOS, false);
  if (result == MOSQ_ERR_PAYLOAD_SIZE || result == MOSQ_ERR_OVERSIZE_PACKET) {
    GError *reason = g_error_new(G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s takes no message of %" G_GSIZE_FORMAT " bytes",
                                 b->address->name, length);
    b->reports->refused(b->reports->user, number, reason);
    g_error_free(reason);
    return GST_RESNET18_BROKER_OK;
  }
  if (result != MOSQ_ERR_SUCCESS)
    lose(b, G_FILE_ERROR_FAILED, "cannot be written to", reason_of(result));
  if (b->lost)
    return report_loss(b, error);
  g_array_append_val(b->on_way, sent);
  return GST_RESNET18_BROKER_OK;
}

/* Without the goodbye the broker publishes the last will, which says the same, later. */
static void say_goodbye(GstResnet18Broker *b) {
  const gint64 end = g_get_monotonic_time() + GOODBYE_TIME;
  publish(b, &b->goodbye_id, b->status_topic, "offline");
  while (!b->lost && !b->goodbye_done && g_get_monotonic_time() < end)
    serve(b, -1, 50);
  if (!b->lost)
    mosquitto_disconnect(b->client);
  while (!b->lost && mosquitto_want_write(b->client) && g_get_monotonic_time() < end)
    serve(b, -1, 50);
}

static void close_mqtt(GstResnet18Broker *b) {
  if (b->accepted && !b->lost)
    say_goodbye(b);
  if (b->client)
    mosquitto_destroy(b->client);
  g_clear_error(&b->lost);
  g_array_free(b->on_way, TRUE);
  g_free(b->status_topic);
  g_free(b);
}

G_MODULE_EXPORT extern const GstResnet18BrokerClass gst_resnet18_broker;
const GstResnet18BrokerClass gst_resnet18_broker = {.abi = GST_RESNET18_BROKER_ABI,
                                                    .version = RESNET18_VERSION,
                                                    .connect = connect_mqtt,
                                                    .send = send_mqtt,
                                                    .work = work_mqtt,
                                                    .close = close_mqtt};

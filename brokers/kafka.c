/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kafka by librdkafka, as an idempotent producer: the library itself connects, reconnects and sends again, so that
 * nothing is stored twice, and gives up nothing for as long as it lives. All messages have the client's id as their
 * key, so that they go to one partition, where their order is kept. */
#include "broker.h"

#include <errno.h>
#include <gmodule.h>
#include <librdkafka/rdkafka.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define GOODBYE_TIME 1000 /* ms */

struct _GstResnet18Broker {
  const GstResnet18Address *address;
  const GstResnet18BrokerReports *reports;
  rd_kafka_t *producer;
  gint event_fd;
  gboolean away;
  GError *news; /* all brokers have gone */
  GError *lost;
};

/* ---- What the library calls, from rd_kafka_poll -------------------------------------------------------- */

static gint code_of(rd_kafka_resp_err_t code) {
  switch (code) {
  case RD_KAFKA_RESP_ERR__AUTHENTICATION:
  case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
  case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
  case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    return G_FILE_ERROR_ACCES;
  default:
    return G_FILE_ERROR_FAILED;
  }
}

static GError *make_error(GstResnet18Broker *b, const gchar *doing, rd_kafka_resp_err_t code) {
  return g_error_new(G_FILE_ERROR, code_of(code), "%s %s: %s", b->address->name, doing, rd_kafka_err2str(code));
}

static void lose(GstResnet18Broker *b, const gchar *doing, rd_kafka_resp_err_t code) {
  if (!b->lost)
    b->lost = make_error(b, doing, code);
}

static gboolean is_too_large(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || code == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE;
}

static void refuse(GstResnet18Broker *b, guint64 number, rd_kafka_resp_err_t code) {
  GError *reason = make_error(b, "takes no message of this size", code);
  b->reports->refused(b->reports->user, number, reason);
  g_error_free(reason);
}

static void on_delivery(rd_kafka_t *producer, const rd_kafka_message_t *message, void *user) {
  GstResnet18Broker *b = user;
  const guint64 number = *(guint64 *)message->_private;
  g_free(message->_private);
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    b->away = FALSE;
    b->reports->acknowledged(b->reports->user, number);
  } else if (is_too_large(message->err)) {
    refuse(b, number, message->err);
  } else if (message->err != RD_KAFKA_RESP_ERR__PURGE_QUEUE && message->err != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT) {
    lose(b, "does not take results", message->err);
  }
}

static void on_error(rd_kafka_t *producer, int code, const char *reason, void *user) {
  GstResnet18Broker *b = user;
  if (code == RD_KAFKA_RESP_ERR__FATAL)
    lose(b, "does not go on", rd_kafka_fatal_error(producer, NULL, 0));
  if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && code_of(code) != G_FILE_ERROR_ACCES)
    return;
  b->away = TRUE;
  if (!b->news)
    b->news = g_error_new(G_FILE_ERROR, code_of(code), "%s cannot be reached: %s", b->address->name, reason);
}

static void on_log(const rd_kafka_t *producer, int level, const char *facility, const char *text) {
}

/* ---- Connecting ---------------------------------------------------------------------------------------- */

static gchar *list_hosts(const GstResnet18Address *a) {
  GString *list = g_string_new(NULL);
  for (guint i = 0; i < a->hosts->len; i++) {
    const GstResnet18Host *host = &g_array_index(a->hosts, GstResnet18Host, i);
    g_string_append_printf(list, strchr(host->name, ':') ? "%s[%s]:%u" : "%s%s:%u", i ? "," : "", host->name,
                           host->port);
  }
  return g_string_free(list, FALSE);
}

static gboolean set(GstResnet18Broker *b, rd_kafka_conf_t *conf, const gchar *key, const gchar *value, GError **error) {
  gchar text[256];
  if (!value || rd_kafka_conf_set(conf, key, value, text, sizeof text) == RD_KAFKA_CONF_OK)
    return TRUE;
  g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s: %s", b->address->name, text);
  return FALSE;
}

static gboolean set_up(GstResnet18Broker *b, rd_kafka_conf_t *conf, GError **error) {
  const GstResnet18Address *a = b->address;
  const gboolean named = a->username != NULL;
  gchar *hosts = list_hosts(a);
  gboolean good =
      set(b, conf, "bootstrap.servers", hosts, error) && set(b, conf, "client.id", a->client_id, error) &&
      set(b, conf, "enable.idempotence", "true", error) &&
      /* Never given up. */
      set(b, conf, "message.timeout.ms", "0", error) && set(b, conf, "reconnect.backoff.max.ms", "5000", error) &&
      set(b, conf, "log.connection.close", "false", error) &&
      set(b, conf, "security.protocol",
          a->tls ? (named ? "sasl_ssl" : "ssl") : (named ? "sasl_plaintext" : "plaintext"), error) &&
      set(b, conf, "ssl.ca.location", a->ca, error) && set(b, conf, "sasl.mechanisms", named ? "PLAIN" : NULL, error) &&
      set(b, conf, "sasl.username", a->username, error) && set(b, conf, "sasl.password", a->password, error);
  g_free(hosts);
  rd_kafka_conf_set_opaque(conf, b);
  rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
  rd_kafka_conf_set_error_cb(conf, on_error);
  rd_kafka_conf_set_log_cb(conf, on_log);
  return good;
}

static void close_kafka(GstResnet18Broker *b);

static GstResnet18Broker *connect_kafka(const GstResnet18Address *address, guint attempt,
                                        const GstResnet18BrokerReports *reports, GError **error) {
  static const guint64 one = 1;
  GstResnet18Broker *b = g_new0(GstResnet18Broker, 1);
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  rd_kafka_queue_t *queue;
  gchar text[256] = "no file descriptor is left";
  b->address = address;
  b->reports = reports;
  b->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (!set_up(b, conf, error)) {
    rd_kafka_conf_destroy(conf);
    close_kafka(b);
    return NULL;
  }
  b->producer = b->event_fd >= 0 ? rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text) : NULL;
  if (!b->producer) {
    rd_kafka_conf_destroy(conf);
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s: %s", address->name, text);
    close_kafka(b);
    return NULL;
  }
  queue = rd_kafka_queue_get_main(b->producer);
  rd_kafka_queue_io_event_enable(queue, b->event_fd, &one, sizeof one);
  rd_kafka_queue_destroy(queue);
  return b;
}

/* ---- Working ------------------------------------------------------------------------------------------- */

static GstResnet18BrokerStatus report_loss(GstResnet18Broker *b, GError **error) {
  g_propagate_error(error, g_error_copy(b->lost));
  return GST_RESNET18_BROKER_LOST;
}

static GstResnet18BrokerStatus work_kafka(GstResnet18Broker *b, gint wake_fd, gint milliseconds, GError **error) {
  struct pollfd fds[] = {{.fd = b->event_fd, .events = POLLIN}, {.fd = wake_fd, .events = POLLIN}};
  guint64 count;
  poll(fds, G_N_ELEMENTS(fds), milliseconds);
  while (read(b->event_fd, &count, sizeof count) > 0)
    ;
  while (rd_kafka_poll(b->producer, 0) > 0)
    ;
  if (b->lost)
    return report_loss(b, error);
  if (b->news)
    g_propagate_error(error, g_steal_pointer(&b->news));
  return b->away ? GST_RESNET18_BROKER_WAITING : GST_RESNET18_BROKER_OK;
}

static GstResnet18BrokerStatus send_kafka(GstResnet18Broker *b, guint64 number, const gchar *id, const gchar *data,
                                          gsize length, GError **error) {
  const gchar *key = b->address->client_id;
  guint64 *opaque = g_memdup2(&number, sizeof number);
  rd_kafka_resp_err_t code =
      rd_kafka_producev(b->producer, RD_KAFKA_V_TOPIC(b->address->topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                        RD_KAFKA_V_KEY(key, strlen(key)), RD_KAFKA_V_VALUE((void *)data, length),
                        RD_KAFKA_V_HEADER("id", id, strlen(id)), RD_KAFKA_V_OPAQUE(opaque), RD_KAFKA_V_END);
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
    return GST_RESNET18_BROKER_OK;
  g_free(opaque);
  if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
    return GST_RESNET18_BROKER_FULL;
  if (is_too_large(code)) {
    refuse(b, number, code);
    return GST_RESNET18_BROKER_OK;
  }
  lose(b, "cannot be written to", code);
  return report_loss(b, error);
}

/* What is on its way is in the caller's spool. */
static void close_kafka(GstResnet18Broker *b) {
  if (b->producer) {
    rd_kafka_purge(b->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(b->producer, GOODBYE_TIME);
    rd_kafka_destroy(b->producer);
  }
  g_clear_error(&b->news);
  g_clear_error(&b->lost);
  if (b->event_fd >= 0)
    close(b->event_fd);
  g_free(b);
}

G_MODULE_EXPORT extern const GstResnet18BrokerClass gst_resnet18_broker;
const GstResnet18BrokerClass gst_resnet18_broker = {.abi = GST_RESNET18_BROKER_ABI,
                                                    .version = RESNET18_VERSION,
                                                    .connect = connect_kafka,
                                                    .send = send_kafka,
                                                    .work = work_kafka,
                                                    .close = close_kafka};

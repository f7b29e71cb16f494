/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The cluster that librdkafka has for tests, of one broker. It lives in this process. */
#include "servers.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <string.h>

#define TOPIC "cameras"

struct _World {
  rd_kafka_t *host;
  rd_kafka_mock_cluster_t *cluster;
};

static gchar *missing(void) {
  return NULL;
}

static rd_kafka_t *make(rd_kafka_type_t type, const gchar *servers) {
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  char text[256];
  rd_kafka_t *handle;
  rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
  if (servers)
    rd_kafka_conf_set(conf, "bootstrap.servers", servers, NULL, 0);
  if (type == RD_KAFKA_CONSUMER)
    rd_kafka_conf_set(conf, "group.id", "reader", NULL, 0);
  handle = rd_kafka_new(type, conf, text, sizeof text);
  g_assert_nonnull(handle);
  return handle;
}

static World *begin(const gchar *folder) {
  World *w = g_new0(World, 1);
  w->host = make(RD_KAFKA_PRODUCER, NULL);
  w->cluster = rd_kafka_mock_cluster_new(w->host, 1);
  g_assert_nonnull(w->cluster);
  g_assert_cmpint(rd_kafka_mock_topic_create(w->cluster, TOPIC, 1, 1), ==, RD_KAFKA_RESP_ERR_NO_ERROR);
  return w;
}

static gchar *location(World *w) {
  return g_strdup_printf("kafka://%s/" TOPIC, rd_kafka_mock_cluster_bootstraps(w->cluster));
}

static void away(World *w) {
  rd_kafka_mock_broker_set_down(w->cluster, 1);
}

static void back(World *w) {
  rd_kafka_mock_broker_set_up(w->cluster, 1);
}

static GPtrArray *read_all(World *w) {
  GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
  rd_kafka_t *reader = make(RD_KAFKA_CONSUMER, rd_kafka_mock_cluster_bootstraps(w->cluster));
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
  int64_t low = 0, high = 0;
  while (rd_kafka_query_watermark_offsets(reader, TOPIC, 0, &low, &high, 1000) != RD_KAFKA_RESP_ERR_NO_ERROR)
    ;
  rd_kafka_topic_partition_list_add(list, TOPIC, 0)->offset = low;
  rd_kafka_assign(reader, list);
  while ((gint64)lines->len < high - low) {
    rd_kafka_message_t *message = rd_kafka_consumer_poll(reader, 100);
    if (message && message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
      g_ptr_array_add(lines, g_strndup(message->payload, message->len));
    if (message)
      rd_kafka_message_destroy(message);
  }
  rd_kafka_topic_partition_list_destroy(list);
  rd_kafka_consumer_close(reader);
  rd_kafka_destroy(reader);
  return lines;
}

static void end(World *w) {
  rd_kafka_mock_cluster_destroy(w->cluster);
  rd_kafka_destroy(w->host);
  g_free(w);
}

const BrokerKind kafka_kind = {"kafka", TRUE, missing, begin, location, away, back, read_all, end};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The work queue in NATS JetStream. */
#include "queue.h"

#include "command.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const int64_t second = 1000000000; /* JetStream's times are in nanoseconds */
enum {
  REPLICAS = 3,
  DUPLICATES_MINUTES = 60,
  RESULT_DAYS = 30,
  RETRY_MS = 250,
  LAST_TRIES_SECONDS = 10,
  OPEN_SECONDS = 60,
  COMPLAIN_SECONDS = 30
};

/* ---- Stopping ------------------------------------------------------------------------------------------ */

static gint stopping;

static void on_signal(int number) {
  g_atomic_int_set(&stopping, 1);
}

void queue_catch_signals(void) {
  const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
}

bool queue_stopping(void) {
  return g_atomic_int_get(&stopping);
}

/* ---- Words --------------------------------------------------------------------------------------------- */

const char *queue_reason(natsStatus status, jsErrCode code) {
  static _Thread_local char text[256];
  const char *last = nats_GetLastError(NULL);
  snprintf(text, sizeof text, "%s%s%s%s", natsStatus_GetText(status), last && *last ? " (" : "", last ? last : "",
           last && *last ? ")" : "");
  if (code)
    snprintf(text + strlen(text), sizeof text - strlen(text), ", JetStream error %d", (int)code);
  return text;
}

const char *queue_header(natsMsg *message, const char *name) {
  const char *value = NULL;
  return natsMsgHeader_Get(message, name, &value) == NATS_OK ? value : NULL;
}

char *queue_subject(const queue *q, const char *kind, const char *run) {
  return g_strdup_printf("%s.%s.%s", q->name, kind, run);
}

/* ---- Connection ---------------------------------------------------------------------------------------- */

static natsStatus set_options(natsOptions *options, const char *servers) {
  char **server = g_strsplit(servers, ",", -1);
  natsStatus s = natsOptions_SetServers(options, (const char **)server, (int)g_strv_length(server));
  if (s == NATS_OK)
    s = natsOptions_SetMaxReconnect(options, -1); /* a queue that is away for a night is found in the morning */
  if (s == NATS_OK)
    s = natsOptions_SetReconnectWait(options, RETRY_MS);
  if (s == NATS_OK)
    s = natsOptions_SetPingInterval(options, 5000); /* finds a cut cable in 10 s */
  if (s == NATS_OK)
    s = natsOptions_SetMaxPingsOut(options, 2);
  if (s == NATS_OK)
    s = natsOptions_SetTimeout(options, 5000);
  if (s == NATS_OK)
    s = natsOptions_SetName(options, "resnet18");
  g_strfreev(server);
  return s;
}

static bool connect_to(queue *q, const char *servers) {
  natsOptions *options = NULL;
  natsStatus s = natsOptions_Create(&options);
  if (s == NATS_OK)
    s = set_options(options, servers);
  if (s == NATS_OK)
    s = natsConnection_Connect(&q->connection, options);
  if (s == NATS_OK)
    s = natsConnection_JetStream(&q->js, q->connection, NULL);
  natsOptions_Destroy(options);
  if (s != NATS_OK)
    command_fail("%s: %s", servers, queue_reason(s, 0));
  return s == NATS_OK;
}

/* ---- Streams ------------------------------------------------------------------------------------------- */

static bool is_there(const queue *q, const char *stream) {
  jsStreamInfo *info = NULL;
  const bool there = js_GetStreamInfo(&info, q->js, stream, NULL, NULL) == NATS_OK;
  jsStreamInfo_Destroy(info);
  return there;
}

static natsStatus add_stream(queue *q, const char *stream, const char *kind, jsRetentionPolicy retention,
                             int64_t replicas, jsErrCode *code) {
  jsStreamConfig config;
  char *subject = queue_subject(q, kind, "*");
  jsStreamConfig_Init(&config);
  config.Name = stream;
  config.Subjects = (const char *[]){subject};
  config.SubjectsLen = 1;
  config.Retention = retention;
  config.Storage = js_FileStorage;
  config.Replicas = replicas;
  config.Duplicates = DUPLICATES_MINUTES * 60 * second;
  if (retention == js_LimitsPolicy)
    config.MaxAge = RESULT_DAYS * 24 * 3600 * second;
  const natsStatus s = js_AddStream(NULL, q->js, &config, NULL, code);
  g_free(subject);
  return s;
}

static gint64 seconds_from_now(int seconds) {
  return g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
}

/* In a cluster three copies, so that one server may fail; else one. Two that make it at the same time agree. */
static bool make_stream(queue *q, const char *stream, const char *kind, jsRetentionPolicy retention) {
  jsErrCode code = 0;
  natsStatus s = NATS_OK;
  const gint64 limit = seconds_from_now(OPEN_SECONDS); /* a cluster that has just started elects its leader first */
  while (!queue_stopping() && g_get_monotonic_time() < limit) {
    if (is_there(q, stream))
      return true;
    s = add_stream(q, stream, kind, retention, REPLICAS, &code);
    if (s != NATS_OK && (code == JSStreamReplicasNotSupportedErr || code == JSClusterNoPeersErr))
      s = add_stream(q, stream, kind, retention, 1, &code);
    if (s == NATS_OK)
      return true;
    if (s != NATS_TIMEOUT && code != JSClusterNotAvailErr && code != JSNotEnabledErr && code != JSStreamNameExistErr)
      break;
    nats_Sleep(RETRY_MS);
  }
  if (!queue_stopping())
    command_fail("the stream %s cannot be made: %s", stream, queue_reason(s, code));
  return false;
}

static natsStatus find_or_add(queue *q, const char *stream, jsConsumerConfig *config, jsErrCode *code) {
  jsConsumerInfo *info = NULL;
  natsStatus s = js_GetConsumerInfo(&info, q->js, stream, config->Durable, NULL, code);
  if (s != NATS_OK)
    s = js_AddConsumer(&info, q->js, stream, config, NULL, code);
  jsConsumerInfo_Destroy(info);
  return s;
}

bool queue_make_consumer(queue *q, const char *stream, const char *name, const char *filter) {
  jsConsumerConfig config;
  jsErrCode code = 0;
  natsStatus s = NATS_OK;
  jsConsumerConfig_Init(&config);
  config.Durable = name;
  config.FilterSubject = filter;
  config.AckPolicy = js_AckExplicit;
  config.AckWait = QUEUE_ACK_SECONDS * second;
  config.MaxDeliver = -1; /* the worker counts, so that a job ends in the dead-letter stream and not in nothing */
  config.MaxAckPending = 10000;
  config.MaxWaiting = 10000;
  const gint64 limit = seconds_from_now(OPEN_SECONDS);
  while (!queue_stopping() && g_get_monotonic_time() < limit) {
    s = find_or_add(q, stream, &config, &code);
    if (s == NATS_OK)
      return true;
    nats_Sleep(RETRY_MS);
  }
  if (!queue_stopping())
    command_fail("the consumer %s of %s cannot be made: %s", name, stream, queue_reason(s, code));
  return false;
}

natsStatus queue_pull(queue *q, const char *stream, const char *consumer, natsSubscription **subscription) {
  jsSubOptions options;
  jsSubOptions_Init(&options);
  options.Stream = stream;
  options.Consumer = consumer;
  options.ManualAck = true;
  return js_PullSubscribe(subscription, q->js, NULL, consumer, NULL, &options, NULL);
}

/* JetStream's rule for names, without the characters that file systems and shells dislike. */
static bool check_name(const char *name) {
  static const char allowed[] = G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "-_";
  const size_t length = strlen(name);
  if (length > 0 && length <= QUEUE_MAX_NAME && strspn(name, allowed) == length)
    return true;
  command_fail("--stream '%s': a name has 1 to %d letters, digits, - and _", name, QUEUE_MAX_NAME);
  return false;
}

bool queue_open(queue *q, const char *servers, const char *stream) {
  memset(q, 0, sizeof *q);
  if (!check_name(stream) || !connect_to(q, servers))
    return false;
  q->name = g_strdup(stream);
  q->results = g_strconcat(stream, "_results", NULL);
  q->dead = g_strconcat(stream, "_dead", NULL);
  if (make_stream(q, q->name, "jobs", js_WorkQueuePolicy) && make_stream(q, q->results, "results", js_LimitsPolicy) &&
      make_stream(q, q->dead, "dead", js_LimitsPolicy) && queue_make_consumer(q, q->name, QUEUE_CONSUMER, NULL))
    return true;
  queue_close(q);
  return false;
}

void queue_close(queue *q) {
  jsCtx_Destroy(q->js);
  natsConnection_Destroy(q->connection);
  g_free(q->name);
  g_free(q->results);
  g_free(q->dead);
  memset(q, 0, sizeof *q);
}

/* ---- Messages ------------------------------------------------------------------------------------------ */

bool queue_store(queue *q, natsMsg *message) {
  gint64 last = 0, complain = seconds_from_now(COMPLAIN_SECONDS);
  for (;;) {
    jsErrCode code = 0;
    const natsStatus s = js_PublishMsg(NULL, q->js, message, NULL, &code);
    if (s == NATS_OK)
      return true;
    if (s == NATS_MAX_PAYLOAD || s == NATS_CONNECTION_CLOSED)
      return false;
    const gint64 now = g_get_monotonic_time();
    if (queue_stopping() && last == 0)
      last = seconds_from_now(LAST_TRIES_SECONDS);
    if (now >= complain) {
      command_fail("%s is not taken, tried again: %s", natsMsg_GetSubject(message), queue_reason(s, code));
      complain = seconds_from_now(COMPLAIN_SECONDS);
    }
    if (last && now >= last)
      return false;
    nats_Sleep(RETRY_MS);
  }
}

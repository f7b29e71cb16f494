/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NATS JetStream by libnats. Each message is published with an inbox of its own as the reply subject, where the stream
 * answers, and with the header Nats-Msg-Id, by which the stream recognises what it has already.
 *
 * Answers come in a thread of the library's; they wait in a queue until the caller's thread fetches them. The library
 * is not asked to reconnect: what was on its way is sent again by the caller. */
#include "broker.h"

#include <errno.h>
#include <gmodule.h>
#include <nats/nats.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CONNECT_TIME 3000                 /* ms */
#define PING_INTERVAL 5000                /* ms */
#define ANSWER_TIME (10 * G_USEC_PER_SEC) /* after which a message or its answer must be lost */

typedef struct {
  guint64 number;
  gchar *trouble; /* NULL = taken */
} Answer;

struct _GstResnet18Broker {
  const GstResnet18Address *address;
  const GstResnet18BrokerReports *reports;
  natsConnection *connection;
  natsSubscription *subscription;
  gchar *inbox; /* "_INBOX.xyz", to which ".NUMBER" is appended */
  guint on_way;
  gint64 progress; /* when a message was sent after a silence, or answered */

  gint event_fd; /* readable when there is something below */
  GMutex lock;
  GQueue answers; /* Answer * */
  gboolean closed;
  guint callers; /* things of the library that may yet call back: the connection, the subscription */
};

/* ---- Errors -------------------------------------------------------------------------------------------- */

static void set_error(GError **error, const GstResnet18Address *address, const gchar *doing, const gchar *reason,
                      gint code) {
  g_set_error(error, G_FILE_ERROR, code, "%s %s: %s", address->name, doing, reason);
}

static gint code_of(natsStatus status) {
  return status == NATS_CONNECTION_AUTH_FAILED || status == NATS_NOT_PERMITTED ? G_FILE_ERROR_ACCES
                                                                               : G_FILE_ERROR_FAILED;
}

static GstResnet18BrokerStatus fail(GstResnet18Broker *b, natsStatus status, const gchar *doing, GError **error) {
  set_error(error, b->address, doing, natsStatus_GetText(status), code_of(status));
  return GST_RESNET18_BROKER_LOST;
}

/* ---- The library's threads ----------------------------------------------------------------------------- */

static void wake(GstResnet18Broker *b) {
  const guint64 one = 1;
  while (write(b->event_fd, &one, sizeof one) < 0 && errno == EINTR)
    ;
}

/* Under the lock, so that nothing here is used once nobody is left. */
static void leave(GstResnet18Broker *b, gboolean closed) {
  g_mutex_lock(&b->lock);
  b->closed |= closed;
  b->callers--;
  wake(b);
  g_mutex_unlock(&b->lock);
}

static void on_closed(natsConnection *connection, void *user) {
  leave(user, TRUE);
}

static void on_complete(void *user) {
  leave(user, FALSE);
}

/* {"stream":"S","seq":7} or {"error":{"code":400,"description":"..."}}; NULL where the stream has taken the message. */
static gchar *trouble_of(const GstResnet18Broker *b, natsMsg *message) {
  const gint length = natsMsg_GetDataLength(message);
  gchar *text, *trouble = NULL;
  if (natsMsg_IsNoResponders(message))
    return g_strdup_printf("no JetStream stream takes this subject; 'nats stream add NAME --subjects %s --defaults' "
                           "makes one",
                           b->address->topic);
  text = g_strndup(natsMsg_GetData(message), (gsize)MAX(length, 0));
  if (strstr(text, "\"error\"") || !strstr(text, "\"stream\"")) {
    const gchar *description = strstr(text, "\"description\"");
    trouble = g_strdup_printf("the stream answers %.300s", description ? description : text);
  }
  g_free(text);
  return trouble;
}

static void on_answer(natsConnection *connection, natsSubscription *subscription, natsMsg *message, void *user) {
  GstResnet18Broker *b = user;
  Answer *answer = g_new0(Answer, 1);
  const gchar *subject = natsMsg_GetSubject(message);
  answer->number = g_ascii_strtoull(strrchr(subject, '.') + 1, NULL, 10);
  answer->trouble = trouble_of(b, message);
  natsMsg_Destroy(message);
  g_mutex_lock(&b->lock);
  g_queue_push_tail(&b->answers, answer);
  wake(b);
  g_mutex_unlock(&b->lock);
}

/* ---- Connecting ---------------------------------------------------------------------------------------- */

static natsStatus set_host(natsOptions *options, const GstResnet18Address *a, const GstResnet18Host *host) {
  const gboolean is_v6 = strchr(host->name, ':') != NULL;
  gchar *url = g_strdup_printf(is_v6 ? "nats://[%s]:%u" : "nats://%s:%u", host->name, host->port);
  natsStatus status = natsOptions_SetURL(options, url);
  g_free(url);
  if (status == NATS_OK && a->tls)
    status = natsOptions_SetSecure(options, true);
  if (status == NATS_OK && a->tls)
    status = natsOptions_SetExpectedHostname(options, host->name);
  if (status == NATS_OK && a->tls && a->ca)
    status = natsOptions_LoadCATrustedCertificates(options, a->ca);
  return status;
}

static natsStatus set_options(natsOptions *options, GstResnet18Broker *b, guint attempt) {
  const GstResnet18Address *a = b->address;
  natsStatus status = set_host(options, a, &g_array_index(a->hosts, GstResnet18Host, attempt % a->hosts->len));
  if (status == NATS_OK)
    status = natsOptions_SetName(options, a->client_id);
  if (status == NATS_OK)
    status = natsOptions_SetTimeout(options, CONNECT_TIME);
  if (status == NATS_OK)
    status = natsOptions_SetAllowReconnect(options, false);
  if (status == NATS_OK)
    status = natsOptions_SetPingInterval(options, PING_INTERVAL);
  if (status == NATS_OK)
    status = natsOptions_SetClosedCB(options, on_closed, b);
  if (status == NATS_OK && a->username)
    status = natsOptions_SetUserInfo(options, a->username, a->password);
  return status;
}

/* That no answer is being handled any more is told too. */
static natsStatus ask_for_completion(GstResnet18Broker *b) {
  natsStatus status;
  g_mutex_lock(&b->lock);
  b->callers++;
  g_mutex_unlock(&b->lock);
  status = natsSubscription_SetOnCompleteCB(b->subscription, on_complete, b);
  if (status != NATS_OK)
    on_complete(b);
  return status;
}

static natsStatus connect_with(GstResnet18Broker *b, guint attempt) {
  natsOptions *options = NULL;
  gchar *wildcard = g_strconcat(b->inbox, ".*", NULL);
  natsStatus status = natsOptions_Create(&options);
  if (status == NATS_OK)
    status = set_options(options, b, attempt);
  b->callers = 1;
  if (status == NATS_OK)
    status = natsConnection_Connect(&b->connection, options);
  if (status == NATS_OK)
    status = natsConnection_Subscribe(&b->subscription, b->connection, wildcard, on_answer, b);
  if (status == NATS_OK)
    status = ask_for_completion(b);
  natsOptions_Destroy(options);
  g_free(wildcard);
  return status;
}

static gchar *make_inbox(void) {
  natsInbox *inbox = NULL;
  gchar *copy = NULL;
  if (natsInbox_Create(&inbox) == NATS_OK)
    copy = g_strdup(inbox);
  natsInbox_Destroy(inbox);
  return copy;
}

static void close_nats(GstResnet18Broker *b);

static GstResnet18Broker *connect_nats(const GstResnet18Address *address, guint attempt,
                                       const GstResnet18BrokerReports *reports, GError **error) {
  GstResnet18Broker *b = g_new0(GstResnet18Broker, 1);
  natsStatus status = NATS_OK;
  b->address = address;
  b->reports = reports;
  g_mutex_init(&b->lock);
  g_queue_init(&b->answers);
  b->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  b->inbox = make_inbox();
  status = b->event_fd >= 0 && b->inbox ? connect_with(b, attempt) : NATS_NO_MEMORY;
  if (status == NATS_OK)
    return b;
  fail(b, status, "cannot be reached", error);
  close_nats(b);
  return NULL;
}

/* ---- Working ------------------------------------------------------------------------------------------- */

static void free_answer(gpointer data) {
  Answer *answer = data;
  g_free(answer->trouble);
  g_free(answer);
}

static Answer *next_answer(GstResnet18Broker *b, gboolean *closed) {
  Answer *answer;
  g_mutex_lock(&b->lock);
  answer = g_queue_pop_head(&b->answers);
  *closed = b->closed;
  g_mutex_unlock(&b->lock);
  return answer;
}

/* All answers that are there; LOST if one of them says no. */
static GstResnet18BrokerStatus read_answers(GstResnet18Broker *b, GError **error) {
  GstResnet18BrokerStatus status = GST_RESNET18_BROKER_OK;
  gboolean closed = FALSE;
  Answer *answer;
  while (status == GST_RESNET18_BROKER_OK && (answer = next_answer(b, &closed))) {
    if (answer->trouble) {
      set_error(error, b->address, "does not take results", answer->trouble, G_FILE_ERROR_FAILED);
      status = GST_RESNET18_BROKER_LOST;
    } else {
      b->on_way -= b->on_way > 0;
      b->progress = g_get_monotonic_time();
      b->reports->acknowledged(b->reports->user, answer->number);
    }
    free_answer(answer);
  }
  if (status == GST_RESNET18_BROKER_OK && closed)
    return fail(b, NATS_CONNECTION_CLOSED, "is gone", error);
  return status;
}

static GstResnet18BrokerStatus work_nats(GstResnet18Broker *b, gint wake_fd, gint milliseconds, GError **error) {
  struct pollfd fds[] = {{.fd = b->event_fd, .events = POLLIN}, {.fd = wake_fd, .events = POLLIN}};
  GstResnet18BrokerStatus status;
  guint64 count;
  poll(fds, G_N_ELEMENTS(fds), milliseconds);
  while (read(b->event_fd, &count, sizeof count) > 0)
    ;
  status = read_answers(b, error);
  if (status == GST_RESNET18_BROKER_OK && b->on_way && g_get_monotonic_time() - b->progress > ANSWER_TIME) {
    set_error(error, b->address, "does not answer", "the time for it is over", G_FILE_ERROR_FAILED);
    return GST_RESNET18_BROKER_LOST;
  }
  return status;
}

static natsStatus publish(GstResnet18Broker *b, guint64 number, const gchar *id, const gchar *data, gsize length) {
  gchar *reply = g_strdup_printf("%s.%" G_GUINT64_FORMAT, b->inbox, number);
  natsMsg *message = NULL;
  natsStatus status = natsMsg_Create(&message, b->address->topic, reply, data, (gint)length);
  if (status == NATS_OK)
    status = natsMsgHeader_Set(message, "Nats-Msg-Id", id);
  if (status == NATS_OK)
    status = natsConnection_PublishMsg(b->connection, message);
  natsMsg_Destroy(message);
  g_free(reply);
  return status;
}

static GstResnet18BrokerStatus send_nats(GstResnet18Broker *b, guint64 number, const gchar *id, const gchar *data,
                                         gsize length, GError **error) {
  const natsStatus status = publish(b, number, id, data, length);
  if (status == NATS_MAX_PAYLOAD) {
    GError *reason = NULL;
    set_error(&reason, b->address, "takes no message of this size", natsStatus_GetText(status), G_FILE_ERROR_FAILED);
    b->reports->refused(b->reports->user, number, reason);
    g_error_free(reason);
    return GST_RESNET18_BROKER_OK;
  }
  if (status != NATS_OK)
    return fail(b, status, "cannot be written to", error);
  if (b->on_way++ == 0)
    b->progress = g_get_monotonic_time();
  return GST_RESNET18_BROKER_OK;
}

static void await_last_call(GstResnet18Broker *b) {
  struct pollfd fd = {.fd = b->event_fd, .events = POLLIN};
  guint callers;
  guint64 count;
  do {
    g_mutex_lock(&b->lock);
    callers = b->callers;
    g_mutex_unlock(&b->lock);
    if (callers)
      poll(&fd, 1, -1);
    while (read(b->event_fd, &count, sizeof count) > 0)
      ;
  } while (callers);
}

static void close_nats(GstResnet18Broker *b) {
  if (b->connection) {
    natsConnection_Close(b->connection);
    await_last_call(b);
    natsSubscription_Destroy(b->subscription);
    natsConnection_Destroy(b->connection);
  }
  g_queue_clear_full(&b->answers, free_answer);
  g_mutex_clear(&b->lock);
  if (b->event_fd >= 0)
    close(b->event_fd);
  g_free(b->inbox);
  g_free(b);
}

G_MODULE_EXPORT extern const GstResnet18BrokerClass gst_resnet18_broker;
const GstResnet18BrokerClass gst_resnet18_broker = {.abi = GST_RESNET18_BROKER_ABI,
                                                    .version = RESNET18_VERSION,
                                                    .connect = connect_nats,
                                                    .send = send_nats,
                                                    .work = work_nats,
                                                    .close = close_nats};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* HTTP through libmicrohttpd: one thread with epoll has all connections; a request that waits for its answer is
 * suspended and holds no thread. A second thread cuts connections that take too long, because the daemon's own time-out
 * begins anew with each byte. */
#include "http.h"

#include "body.h"
#include "json_memory.h"
#include "listen.h"
#include "metrics.h"
#include "priority.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SEGMENTS = 4, POOL = 64 << 10, TICK = 250, LINGER = 4, RETRY_AFTER = 1 };
/* Connections beyond the limits that are told so, in all and from one address, and the time for their header. Whoever
 * asks for the server's health is among them. GRACE: nobody has to make room sooner. */
enum { BEYOND = 32, BEYOND_ADDRESS = 16, BEYOND_TIME = 2000, GRACE = 250 };

/* One connection. */
typedef struct peer {
  struct peer *next, *before;
  int socket;
  struct in6_addr address;
  gint64 deadline; /* monotonic, in microseconds; 0 = none */
  gint64 begun;    /* likewise */
  bool busy;       /* a request's header has come */
  unsigned beyond; /* status that says which limit it is beyond, or 0 */
} peer;

struct http {
  const settings *settings;
  const route *const *tables;
  struct server *server;
  struct MHD_Daemon *daemon;
  char *cert, *key;
  unsigned port;
  body_budget budget;
  GThread *watchman;
  GMutex lock; /* of what follows */
  GCond changed;
  peer *links;
  unsigned connections, requests, streams;
  uint64_t cut, evicted;
  GPtrArray *replies; /* stream_reply */
  bool draining, ending;
};

typedef enum { RECEIVING, HANDLING, SUSPENDED, ANSWERED, SENT } stage;

struct request {
  http *http;
  struct MHD_Connection *connection;
  peer *link;
  const route *route;
  char *segments[SEGMENTS];
  char *method, *url; /* for the log */
  bool wants_host;    /* HTTP/1.1 */
  body body;
  gint64 begun;
  bool received;    /* all of it */
  bool endless;     /* nothing says where the body ends */
  unsigned refused; /* status of an answer that was found before the body had come, or 0 */
  char *reason, *allow;
  GMutex lock; /* of what follows */
  stage stage;
  struct MHD_Response *response;
  struct {
    char *name, *value;
  } headers[8];
  unsigned n_headers;
  unsigned status;
};

struct stream_reply {
  http *http;
  struct MHD_Connection *connection;
  peer *link;
  stream_source source;
  void *user;
  GMutex lock;
  bool asleep, woken;
};

static gint64 after(int milliseconds) {
  return g_get_monotonic_time() + (gint64)milliseconds * 1000;
}

/* ---- Connections and their deadlines ------------------------------------------------------------------- */

static void set_deadline(http *h, peer *l, gint64 deadline) {
  g_mutex_lock(&h->lock);
  l->deadline = deadline;
  g_mutex_unlock(&h->lock);
}

/* IPv4 as its part of IPv6. */
static struct in6_addr address_of(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  struct in6_addr address = IN6ADDR_ANY_INIT;
  if (info && info->client_addr && info->client_addr->sa_family == AF_INET6) {
    address = ((const struct sockaddr_in6 *)info->client_addr)->sin6_addr;
  } else if (info && info->client_addr && info->client_addr->sa_family == AF_INET) {
    address.s6_addr[10] = address.s6_addr[11] = 0xff;
    memcpy(address.s6_addr + 12, &((const struct sockaddr_in *)info->client_addr)->sin_addr, 4);
  }
  return address;
}

static void cut(peer *l) {
  shutdown(l->socket, SHUT_RDWR);
  l->deadline = 0;
  l->busy = true; /* not to be found again */
}

/* The list begins with the newest. Those beyond the limit are spared, so that they can be told, until they are many. */
static peer *oldest_idle(http *h) {
  const gint64 before = after(-GRACE);
  peer *found = NULL;
  unsigned beyond = 0;
  for (peer *l = h->links; l; l = l->next) {
    beyond += l->beyond != 0;
    if (!l->busy && l->begun < before && l->socket >= 0 && (l->beyond == 0 || beyond > BEYOND / 2))
      found = l;
  }
  return found;
}

/* Which limit a new connection is beyond. One that does nothing makes room for it. */
static unsigned limit_of(http *h, const peer *new) {
  int same = 1;
  for (const peer *l = h->links; l; l = l->next)
    same += memcmp(&l->address, &new->address, sizeof l->address) == 0;
  if (same > h->settings->per_address)
    return MHD_HTTP_TOO_MANY_REQUESTS;
  if (h->connections < (unsigned)h->settings->connections)
    return 0;
  peer *idle = oldest_idle(h);
  if (idle == NULL)
    return MHD_HTTP_SERVICE_UNAVAILABLE;
  cut(idle);
  h->evicted++;
  return idle->beyond;
}

static void connection_started(http *h, struct MHD_Connection *connection, void **context) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  peer *l = g_new0(peer, 1);
  l->socket = info ? info->connect_fd : -1;
  l->address = address_of(connection);
  l->begun = after(0);
  g_mutex_lock(&h->lock);
  l->beyond = limit_of(h, l);
  l->deadline = after(l->beyond ? MIN(BEYOND_TIME, h->settings->header_time) : h->settings->header_time);
  l->next = h->links;
  if (l->next)
    l->next->before = l;
  h->links = l;
  h->connections++;
  g_mutex_unlock(&h->lock);
  *context = l;
}

/* The socket is closed after this, so nobody may find it in the list any more. */
static void connection_closed(http *h, void **context) {
  peer *l = *context;
  if (l == NULL)
    return;
  g_mutex_lock(&h->lock);
  if (l->before)
    l->before->next = l->next;
  else
    h->links = l->next;
  if (l->next)
    l->next->before = l->before;
  h->connections--;
  g_mutex_unlock(&h->lock);
  g_free(l);
  *context = NULL;
}

static void notify_connection(void *user, struct MHD_Connection *connection, void **context,
                              enum MHD_ConnectionNotificationCode code) {
  static _Thread_local bool brisk;
  if (!brisk) /* the daemon's thread has no other beginning that can be got at */
    priority_brisk();
  brisk = true;
  if (code == MHD_CONNECTION_NOTIFY_STARTED)
    connection_started(user, connection, context);
  else
    connection_closed(user, context);
}

static void cut_late(http *h) {
  const gint64 now = g_get_monotonic_time();
  for (peer *l = h->links; l; l = l->next)
    if (l->deadline && l->deadline < now && l->socket >= 0) {
      cut(l);
      h->cut++;
    }
}

static gpointer watch(gpointer user) {
  http *h = user;
  g_mutex_lock(&h->lock);
  while (!h->ending) {
    g_cond_wait_until(&h->changed, &h->lock, after(TICK));
    cut_late(h);
  }
  g_mutex_unlock(&h->lock);
  return NULL;
}

/* ---- Finding the route --------------------------------------------------------------------------------- */

/* Whether `url` is `path`; what the stars stand for is copied to `segments`. */
static bool match(const char *path, const char *url, char **segments) {
  unsigned n = 0;
  char *found[SEGMENTS] = {NULL};
  while (*path && *url) {
    if (*path == '*') {
      const size_t length = strcspn(url, "/");
      if (length == 0 || n == SEGMENTS)
        break;
      found[n++] = g_strndup(url, length);
      url += length;
      path++;
    } else if (*path++ != *url++) {
      path = "-";
      break;
    }
  }
  const bool same = *path == '\0' && *url == '\0';
  for (unsigned i = 0; i < n; i++)
    if (same)
      segments[i] = found[i];
    else
      g_free(found[i]);
  return same;
}

static bool method_fits(const route *r, const char *method) {
  return strcmp(r->method, method) == 0 || (strcmp(r->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

/* Sets r->route, or what to refuse with. */
static void find_route(request *r) {
  GString *allow = g_string_new(NULL);
  for (const route *const *table = r->http->tables; *table && r->route == NULL; table++)
    for (const route *entry = *table; entry->method && r->route == NULL; entry++) {
      if (!match(entry->path, r->url, r->segments))
        continue;
      if (method_fits(entry, r->method)) {
        r->route = entry;
        break;
      }
      g_string_append_printf(allow, "%s%s", allow->len ? ", " : "", entry->method);
      if (strcmp(entry->method, "GET") == 0)
        g_string_append(allow, ", HEAD");
      for (unsigned i = 0; i < SEGMENTS; i++)
        g_clear_pointer(&r->segments[i], g_free);
    }
  if (r->route == NULL) {
    r->refused = allow->len ? MHD_HTTP_METHOD_NOT_ALLOWED : MHD_HTTP_NOT_FOUND;
    r->reason = allow->len ? g_strdup_printf("%s does not take %s", r->url, r->method)
                           : g_strdup_printf("there is nothing at %s", r->url);
    if (allow->len)
      r->allow = g_strdup(allow->str);
  }
  g_string_free(allow, TRUE);
}

/* ---- What is refused before the body ------------------------------------------------------------------- */

static void refuse(request *r, unsigned status, char *reason) {
  g_free(r->reason);
  r->refused = status;
  r->reason = reason;
}

/* Takes the same time wherever the two differ. */
static bool same_secret(const char *a, const char *b) {
  const size_t length = strlen(a), other = strlen(b);
  volatile unsigned char differ = length != other;
  for (size_t i = 0; i < other; i++)
    differ |= (unsigned char)(a[length ? i % length : 0] ^ b[i]);
  return differ == 0;
}

static bool has_token(request *r) {
  const char *token = r->http->settings->token, *field;
  if (token == NULL || (r->route->flags & ROUTE_OPEN))
    return true;
  field = request_header(r, MHD_HTTP_HEADER_AUTHORIZATION);
  return field && strncasecmp(field, "Bearer ", 7) == 0 && same_secret(token, field + 7 + strspn(field + 7, " "));
}

/* Whether `name` is among the words of `list`. */
static bool is_word(const char *list, const char *name) {
  const size_t length = strlen(name);
  for (const char *at = list; at && *at; at += strcspn(at, " "), at += strspn(at, " "))
    if (strcspn(at, " ") == length && memcmp(at, name, length) == 0)
      return true;
  return false;
}

static enum MHD_Result check_parameter(void *user, enum MHD_ValueKind kind, const char *name, const char *value) {
  request *r = user;
  const bool known = is_word(r->route->parameters, name);
  /* The value that is looked up by name is one and the same; a second one is elsewhere. */
  if (known && value == request_query(r, name))
    return MHD_YES;
  char *valid = g_utf8_make_valid(name, -1);
  refuse(r, MHD_HTTP_BAD_REQUEST,
         g_strdup_printf(known ? "the parameter '%.64s' is given twice" : "there is no parameter '%.64s'", valid));
  g_free(valid);
  return MHD_NO;
}

/* The announced length; -1 if there is none. */
static gint64 announced(request *r) {
  const char *text = request_header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);
  return text ? (gint64)g_ascii_strtoull(text, NULL, 10) : -1;
}

typedef struct {
  unsigned lengths, hosts, spaces;
} field_counts;

/* What libmicrohttpd lets pass, and others may understand in another way. */
static enum MHD_Result check_field(void *user, enum MHD_ValueKind kind, const char *name, const char *value) {
  field_counts *n = user;
  n->lengths += strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0;
  n->hosts += strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0;
  n->spaces += *name == '\0' || strpbrk(name, " \t") != NULL;
  return MHD_YES;
}

static const char *malformed(request *r) {
  field_counts n = {0};
  MHD_get_connection_values(r->connection, MHD_HEADER_KIND, check_field, &n);
  if (n.spaces)
    return "a header field's name has a space in it";
  if (n.hosts > 1 || (n.hosts == 0 && r->wants_host))
    return "HTTP/1.1 needs the header Host, once";
  if (n.lengths > 1)
    return "Content-Length is given more than once";
  const char *coding = request_header(r, MHD_HTTP_HEADER_TRANSFER_ENCODING);
  if (coding && n.lengths)
    return "both Content-Length and Transfer-Encoding are given";
  if (coding && strcasecmp(coding, "chunked") != 0) {
    r->endless = true;
    return "the only Transfer-Encoding that is read is chunked";
  }
  return NULL;
}

static void check(request *r) {
  const settings *s = r->http->settings;
  const char *wrong;
  const union MHD_ConnectionInfo *header =
      MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
  find_route(r);
  if (r->link->beyond && !(r->route && (r->route->flags & ROUTE_ALWAYS)))
    refuse(r, r->link->beyond,
           g_strdup(r->link->beyond == MHD_HTTP_TOO_MANY_REQUESTS ? "there are too many connections from this address"
                                                                  : "there are too many connections"));
  else if (header && header->header_size > (size_t)s->max_header)
    refuse(r, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE,
           g_strdup_printf("the header is larger than %d bytes", s->max_header));
  else if ((wrong = malformed(r)))
    refuse(r, MHD_HTTP_BAD_REQUEST, g_strdup(wrong));
  else if (r->route && !has_token(r))
    refuse(r, MHD_HTTP_UNAUTHORIZED, g_strdup("this needs the header 'Authorization: Bearer' with the right token"));
  else if (r->route && announced(r) > s->max_body)
    refuse(r, MHD_HTTP_CONTENT_TOO_LARGE, g_strdup_printf("the body is larger than %d bytes", s->max_body));
  else if (r->route && !(r->route->flags & ROUTE_ANY_QUERY))
    MHD_get_connection_values(r->connection, MHD_GET_ARGUMENT_KIND, check_parameter, r);
}

/* ---- Answers ------------------------------------------------------------------------------------------- */

/* False when there is no memory for a field. */
static bool decorate(request *r, struct MHD_Response *response, const char *type) {
  bool good = !type || MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES;
  good &= MHD_add_response_header(response, "X-Content-Type-Options", "nosniff") == MHD_YES;
  for (unsigned i = 0; i < r->n_headers; i++)
    good &= MHD_add_response_header(response, r->headers[i].name, r->headers[i].value) == MHD_YES;
  if (MHD_get_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL) == NULL)
    good &= MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") == MHD_YES;
  return good;
}

/* Takes the response, on whatever thread; without one the connection is closed. */
static void answer(request *r, unsigned status, struct MHD_Response *response) {
  g_mutex_lock(&r->lock);
  r->status = status;
  r->response = response;
  const bool resume = r->stage == SUSPENDED;
  r->stage = ANSWERED;
  struct MHD_Connection *connection = r->connection;
  g_mutex_unlock(&r->lock);
  if (resume) /* `r` may be gone in a moment */
    MHD_resume_connection(connection);
}

static void reply(request *r, unsigned status, const char *type, const void *data, size_t size,
                  enum MHD_ResponseMemoryMode mode) {
  struct MHD_Response *response = MHD_create_response_from_buffer(size, (void *)data, mode);
  if (response == NULL && mode == MHD_RESPMEM_MUST_FREE)
    free((void *)data);
  if (response && !decorate(r, response, type)) {
    MHD_destroy_response(response);
    response = NULL;
  }
  answer(r, status, response);
}

/* Whether the JSON of the answer may lack something; then the client has been told. */
static bool is_incomplete(request *r) {
  static const char lacking[] = "{\"error\":\"the server has no memory for the answer now\"}";
  if (!json_memory_lacked())
    return false;
  request_add_header(r, MHD_HTTP_HEADER_RETRY_AFTER, G_STRINGIFY(1));
  reply(r, MHD_HTTP_SERVICE_UNAVAILABLE, "application/json", lacking, sizeof lacking - 1, MHD_RESPMEM_PERSISTENT);
  return true;
}

void request_add_header(request *r, const char *name, const char *value) {
  if (r->n_headers == G_N_ELEMENTS(r->headers))
    return;
  r->headers[r->n_headers].name = g_strdup(name);
  r->headers[r->n_headers++].value = g_strdup(value);
}

void request_reply(request *r, unsigned status, const char *type, const void *data, size_t size) {
  if (!is_incomplete(r))
    reply(r, status, type, data, size, MHD_RESPMEM_MUST_COPY);
}

void request_reply_static(request *r, unsigned status, const char *type, const void *data, size_t size) {
  reply(r, status, type, data, size, MHD_RESPMEM_PERSISTENT);
}

void request_reply_json(request *r, unsigned status, json_t *json) {
  enum { DIGITS = 6 }; /* all that a float's score has */
  char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(DIGITS));
  json_decref(json);
  if (is_incomplete(r))
    free(text);
  else if (text)
    reply(r, status, "application/json", text, strlen(text), MHD_RESPMEM_MUST_FREE);
  else
    answer(r, MHD_HTTP_INTERNAL_SERVER_ERROR, NULL);
}

static void fail(request *r, unsigned status, const char *sentence) {
  char *valid = g_utf8_make_valid(sentence, -1);
  request_reply_json(r, status, json_pack("{s:s}", "error", valid));
  g_free(valid);
}

void request_fail(request *r, unsigned status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  fail(r, status, text);
  g_free(text);
}

static void fail_for_now(request *r, unsigned status, const char *sentence) {
  request_add_header(r, MHD_HTTP_HEADER_RETRY_AFTER, G_STRINGIFY(1));
  fail(r, status, sentence);
}

void request_busy(request *r, const char *sentence) {
  fail_for_now(r, MHD_HTTP_SERVICE_UNAVAILABLE, sentence);
}

/* ---- Streams ------------------------------------------------------------------------------------------- */

static ssize_t stream_read(void *user, uint64_t position, char *to, size_t room) {
  stream_reply *s = user;
  g_mutex_lock(&s->http->lock);
  const bool draining = s->http->draining;
  g_mutex_unlock(&s->http->lock);
  const ssize_t put = draining ? -1 : s->source.read(s->user, to, room);
  if (put < 0)
    return MHD_CONTENT_READER_END_OF_STREAM;
  set_deadline(s->http, s->link, put ? after(s->http->settings->send_time) : 0);
  if (put > 0)
    return put;
  g_mutex_lock(&s->lock);
  if (!s->woken) {
    s->asleep = true;
    MHD_suspend_connection(s->connection);
  }
  s->woken = false;
  g_mutex_unlock(&s->lock);
  return 0;
}

void stream_wake(stream_reply *s) {
  g_mutex_lock(&s->lock);
  const bool asleep = s->asleep;
  s->asleep = false;
  s->woken = !asleep;
  if (asleep)
    MHD_resume_connection(s->connection);
  g_mutex_unlock(&s->lock);
}

static void stream_free(void *user) {
  stream_reply *s = user;
  g_mutex_lock(&s->http->lock);
  g_ptr_array_remove_fast(s->http->replies, s);
  s->http->streams--;
  g_cond_broadcast(&s->http->changed);
  g_mutex_unlock(&s->http->lock);
  if (s->source.closed)
    s->source.closed(s->user);
  g_mutex_clear(&s->lock);
  g_free(s);
}

bool request_stream(request *r, const char *type, const stream_source *source, void *user, stream_reply **out) {
  enum { BLOCK = 32 << 10 };
  http *h = r->http;
  g_mutex_lock(&h->lock);
  const bool room = h->streams < (unsigned)h->settings->streams && !h->draining;
  if (room)
    h->streams++;
  g_mutex_unlock(&h->lock);
  if (!room) {
    request_busy(r, "there are too many streams");
    return false;
  }
  stream_reply *s = g_new0(stream_reply, 1);
  *s = (stream_reply){.http = h, .connection = r->connection, .link = r->link, .source = *source, .user = user};
  g_mutex_init(&s->lock);
  g_mutex_lock(&h->lock);
  g_ptr_array_add(h->replies, s);
  g_mutex_unlock(&h->lock);
  *out = s;
  struct MHD_Response *response =
      MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, stream_read, s, stream_free);
  if (response && decorate(r, response, type)) {
    answer(r, MHD_HTTP_OK, response);
    return true;
  }
  s->source.closed = NULL; /* it is still the caller's */
  if (response)
    MHD_destroy_response(response);
  else
    stream_free(s);
  request_busy(r, "there is no memory for a stream now");
  return false;
}

/* ---- Life of a request --------------------------------------------------------------------------------- */

static request *request_new(http *h, struct MHD_Connection *connection, const char *url, const char *method,
                            const char *version) {
  const union MHD_ConnectionInfo *context = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  request *r = g_new0(request, 1);
  r->http = h;
  r->connection = connection;
  r->link = context->socket_context;
  r->method = g_strdup(method);
  r->url = g_strdup(url);
  r->wants_host = strcmp(version, MHD_HTTP_VERSION_1_1) == 0;
  r->begun = g_get_monotonic_time();
  g_mutex_init(&r->lock);
  body_init(&r->body, &h->budget, (size_t)h->settings->max_body);
  g_mutex_lock(&h->lock);
  h->requests++;
  r->link->busy = true;
  r->link->deadline = after(h->settings->body_time);
  g_mutex_unlock(&h->lock);
  return r;
}

static void request_free(request *r) {
  body_clear(&r->body);
  for (unsigned i = 0; i < SEGMENTS; i++)
    g_free(r->segments[i]);
  for (unsigned i = 0; i < r->n_headers; i++) {
    g_free(r->headers[i].name);
    g_free(r->headers[i].value);
  }
  g_free(r->method);
  g_free(r->url);
  g_free(r->reason);
  g_free(r->allow);
  if (r->response)
    MHD_destroy_response(r->response);
  g_mutex_clear(&r->lock);
  g_free(r);
}

static void refuse_now(request *r) {
  if (r->allow)
    request_add_header(r, MHD_HTTP_HEADER_ALLOW, r->allow);
  if (r->refused == MHD_HTTP_UNAUTHORIZED)
    request_add_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
  if (r->refused == MHD_HTTP_SERVICE_UNAVAILABLE || r->refused == MHD_HTTP_TOO_MANY_REQUESTS)
    fail_for_now(r, r->refused, r->reason);
  else
    fail(r, r->refused, r->reason);
}

static enum MHD_Result send_answer(request *r) {
  http *h = r->http;
  g_mutex_lock(&h->lock);
  const bool draining = h->draining;
  r->link->deadline = after(h->settings->send_time);
  g_mutex_unlock(&h->lock);
  if (r->response == NULL)
    return MHD_NO;
  if ((draining || !r->received || r->link->beyond) &&
      MHD_add_response_header(r->response, MHD_HTTP_HEADER_CONNECTION, "close") != MHD_YES)
    return MHD_NO;
  r->stage = SENT;
  return MHD_queue_response(r->connection, r->status, r->response);
}

/* All of it has come. */
static enum MHD_Result handle(request *r) {
  const settings *s = r->http->settings;
  r->received = true;
  r->stage = HANDLING;
  set_deadline(r->http, r->link, 0);
  if (!r->refused && r->body.state == BODY_TOO_LARGE)
    refuse(r, MHD_HTTP_CONTENT_TOO_LARGE, g_strdup_printf("the body is larger than %d bytes", s->max_body));
  if (!r->refused && r->body.state == BODY_NO_ROOM)
    refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE, g_strdup("too many bodies are being received"));
  if (r->refused)
    refuse_now(r);
  else
    r->route->handle(r);
  g_mutex_lock(&r->lock);
  const bool wait = r->stage == HANDLING;
  if (wait) {
    MHD_suspend_connection(r->connection);
    r->stage = SUSPENDED;
  }
  g_mutex_unlock(&r->lock);
  return wait ? MHD_YES : send_answer(r);
}

/* The header has come. A client that asks first is told at once; so is one who announces far too much. The others are
 * let talk, because most of them do not listen before. */
static enum MHD_Result begin(request *r) {
  const char *expect = request_header(r, MHD_HTTP_HEADER_EXPECT);
  check(r);
  if (!r->refused || !(expect || r->endless || announced(r) > (gint64)LINGER * r->http->settings->max_body))
    return MHD_YES;
  refuse_now(r);
  return send_answer(r);
}

static enum MHD_Result receive(request *r, const char *data, size_t size) {
  http *h = r->http;
  if (r->refused)
    r->body.received += size;
  else
    body_append(&r->body, data, size);
  if (r->body.received > (size_t)LINGER * (size_t)h->settings->max_body)
    return MHD_NO;
  set_deadline(h, r->link,
               r->begun + (gint64)h->settings->body_time * 1000 +
                   (gint64)r->body.received * G_USEC_PER_SEC / h->settings->body_rate);
  return MHD_YES;
}

static enum MHD_Result serve(void *user, struct MHD_Connection *connection, const char *url, const char *method,
                             const char *version, const char *data, size_t *size, void **state) {
  request *r = *state;
  if (r == NULL) {
    *state = r = request_new(user, connection, url, method, version);
    return begin(r);
  }
  if (*size) {
    const size_t come = *size;
    *size = 0;
    return receive(r, data, come);
  }
  g_mutex_lock(&r->lock);
  const stage now = r->stage;
  g_mutex_unlock(&r->lock);
  return now == RECEIVING ? handle(r) : now == ANSWERED ? send_answer(r) : MHD_YES;
}

static void completed(void *user, struct MHD_Connection *connection, void **state,
                      enum MHD_RequestTerminationCode code) {
  http *h = user;
  request *r = *state;
  if (r == NULL)
    return;
  const double seconds = (double)(g_get_monotonic_time() - r->begun) * 1e-6;
  metrics_request(r->route ? r->route->path : "", r->method, r->stage == SENT ? r->status : 0, seconds);
  if (h->settings->verbose)
    fprintf(stderr, "resnet18-server: %s %s %u %.1f ms\n", r->method, r->url, r->status, seconds * 1e3);
  g_mutex_lock(&h->lock);
  r->link->deadline = after(h->settings->idle_time);
  r->link->busy = false;
  h->requests--;
  g_cond_broadcast(&h->changed);
  g_mutex_unlock(&h->lock);
  request_free(r);
  *state = NULL;
}

/* ---- What a request says ------------------------------------------------------------------------------- */

struct server *request_server(request *r) {
  return r->http->server;
}

const char *request_segment(request *r, unsigned n) {
  return n < SEGMENTS ? r->segments[n] : NULL;
}

const char *request_header(request *r, const char *name) {
  return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

const char *request_query(request *r, const char *name) {
  return MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
}

const uint8_t *request_body(request *r, size_t *size) {
  *size = r->body.size;
  return r->body.data;
}

bool request_query_number(request *r, const char *name, double least, double most, double *value) {
  const char *text = request_query(r, name);
  char *end;
  if (text == NULL)
    return true;
  const double number = g_ascii_strtod(text, &end);
  if (*text && strspn(text, "0123456789.eE+-") == strlen(text) && *end == '\0' && number >= least && number <= most) {
    *value = number;
    return true;
  }
  request_fail(r, MHD_HTTP_BAD_REQUEST, "%s must be a number from %g to %g", name, least, most);
  return false;
}

bool request_query_flag(request *r, const char *name, bool *value) {
  const char *text = request_query(r, name);
  if (text == NULL)
    return true;
  if (strcmp(text, "0") == 0 || strcmp(text, "1") == 0) {
    *value = *text == '1';
    return true;
  }
  request_fail(r, MHD_HTTP_BAD_REQUEST, "%s must be 0 or 1", name);
  return false;
}

/* ---- The daemon ---------------------------------------------------------------------------------------- */

/* Mostly of clients that do not speak as they should, which is nobody's concern. */
static void say_if_verbose(void *user, const char *format, va_list arguments) {
  http *h = user;
  char text[512]; /* its lines are far shorter */
  if (!h->settings->verbose)
    return;
  vsnprintf(text, sizeof text, format, arguments);
  fprintf(stderr, "resnet18-server: connection: %s\n", g_strchomp(text));
}

/* A path or a name cannot go on behind %00, so that it stays what it is. */
static size_t unescape(void *user, struct MHD_Connection *connection, char *text) {
  char *to = text;
  for (const char *from = text; *from;) {
    const int high = *from == '%' ? g_ascii_xdigit_value(from[1]) : -1;
    const int low = high >= 0 ? g_ascii_xdigit_value(from[2]) : -1;
    const bool code = low >= 0 && (high || low);
    *to++ = code ? (char)(high << 4 | low) : *from;
    from += code ? 3 : 1;
  }
  *to = '\0';
  return (size_t)(to - text);
}

static bool read_tls(http *h) {
  GError *error = NULL;
  if (h->settings->tls_cert == NULL)
    return true;
  if (g_file_get_contents(h->settings->tls_cert, &h->cert, NULL, &error) &&
      g_file_get_contents(h->settings->tls_key, &h->key, NULL, &error))
    return true;
  fprintf(stderr, "resnet18-server: %s\n", error->message);
  g_error_free(error);
  return false;
}

static bool start(http *h, int listener) {
  const settings *s = h->settings;
  const struct MHD_OptionItem tls[] = {
      {MHD_OPTION_HTTPS_MEM_CERT, 0, h->cert},
      {MHD_OPTION_HTTPS_MEM_KEY, 0, h->key},
      {MHD_OPTION_HTTPS_PRIORITIES, 0, "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1"},
      {MHD_OPTION_END, 0, NULL},
  };
  const struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
  const unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
  h->daemon = MHD_start_daemon(
      flags | (h->cert ? MHD_USE_TLS : 0), 0, NULL, NULL, serve, h, MHD_OPTION_EXTERNAL_LOGGER, say_if_verbose, h,
      MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL, MHD_OPTION_CONNECTION_LIMIT,
      (unsigned)s->connections + BEYOND, MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)s->per_address + BEYOND_ADDRESS,
      MHD_OPTION_NOTIFY_COMPLETED, completed, h, MHD_OPTION_NOTIFY_CONNECTION, notify_connection, h,
      MHD_OPTION_STRICT_FOR_CLIENT, 0, MHD_OPTION_UNESCAPE_CALLBACK, unescape, h, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
      MHD_OPTION_ARRAY, h->cert ? tls : none, MHD_OPTION_END);
  return h->daemon != NULL;
}

http *http_new(const settings *s, const route *const *tables, struct server *server) {
  http *h = g_new0(http, 1);
  h->settings = s;
  h->tables = tables;
  h->server = server;
  h->budget.most = (size_t)s->max_body_total;
  g_mutex_init(&h->lock);
  g_cond_init(&h->changed);
  h->replies = g_ptr_array_new();
  int listener = read_tls(h) ? listen_on(s->bind, s->port, &h->port) : -1;
  if (listener >= 0 && !start(h, listener)) {
    fprintf(stderr, "resnet18-server: the HTTP daemon does not start%s\n",
            h->cert ? "; are the certificate and the key PEM files that belong together?" : "");
    close(listener);
    listener = -1;
  }
  if (listener < 0) {
    http_free(h);
    return NULL;
  }
  GError *error = NULL;
  h->watchman = g_thread_try_new("watchman", watch, h, &error);
  if (h->watchman == NULL) {
    fprintf(stderr, "resnet18-server: %s\n", error->message);
    g_error_free(error);
    http_free(h);
    return NULL;
  }
  return h;
}

unsigned http_port(const http *h) {
  return h->port;
}

bool http_drain(http *h, int milliseconds) {
  const gint64 end = after(milliseconds);
  const MHD_socket listener = MHD_quiesce_daemon(h->daemon);
  if (listener != MHD_INVALID_SOCKET)
    close(listener);
  g_mutex_lock(&h->lock);
  h->draining = true;
  for (guint i = 0; i < h->replies->len; i++)
    stream_wake(h->replies->pdata[i]);
  while (h->requests > 0 && g_cond_wait_until(&h->changed, &h->lock, end))
    ;
  const bool empty = h->requests == 0;
  g_mutex_unlock(&h->lock);
  return empty;
}

void http_free(http *h) {
  if (h->daemon)
    MHD_stop_daemon(h->daemon);
  g_mutex_lock(&h->lock);
  h->ending = true;
  g_cond_broadcast(&h->changed);
  g_mutex_unlock(&h->lock);
  if (h->watchman)
    g_thread_join(h->watchman);
  g_ptr_array_free(h->replies, TRUE);
  g_free(h->cert);
  g_free(h->key);
  g_mutex_clear(&h->lock);
  g_cond_clear(&h->changed);
  g_free(h);
}

http_numbers http_count(http *h) {
  g_mutex_lock(&h->lock);
  const http_numbers n = {.connections = h->connections,
                          .requests = h->requests,
                          .streams = h->streams,
                          .body_bytes = __atomic_load_n(&h->budget.used, __ATOMIC_RELAXED),
                          .cut = h->cut,
                          .evicted = h->evicted};
  g_mutex_unlock(&h->lock);
  return n;
}

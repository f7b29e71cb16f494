/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* HTTP: connections, limits and tokens. A request is handed to its route when all of it has come; whoever answers it
 * may do so at once or later, from any thread. */
#ifndef RESNET18_SERVER_HTTP_H
#define RESNET18_SERVER_HTTP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "settings.h"

typedef struct http http;
typedef struct request request;
struct server;

/* ---- Routes -------------------------------------------------------------------------------------------- */

enum {
  ROUTE_OPEN = 1,      /* needs no token */
  ROUTE_ANY_QUERY = 2, /* takes any parameters */
  ROUTE_ALWAYS = 4,    /* answered on connections beyond the limits, too */
};

typedef struct {
  const char *method; /* "GET" (HEAD is answered too) or "POST" */
  const char *path;   /* a segment "*" stands for any one; request_segment gives it */
  /* Called on the thread of the connections, so it must not block. It answers, or sees to it that somebody does. */
  void (*handle)(request *r);
  unsigned flags;
  const char *parameters; /* names of the query's parameters, separated by spaces; another one is an error */
} route;

/* ---- What a request says, while its handler runs ------------------------------------------------------- */

struct server *request_server(request *r);
/* The n-th "*" of the route's path. */
const char *request_segment(request *r, unsigned n);
/* NULL if there is none. */
const char *request_header(request *r, const char *name);
const char *request_query(request *r, const char *name);
/* A number of the query; `value` stays as it is where there is none. False after an answer 400. */
bool request_query_number(request *r, const char *name, double least, double most, double *value);
/* ... 0 or 1. */
bool request_query_flag(request *r, const char *name, bool *value);
/* Lives as long as the request. */
const uint8_t *request_body(request *r, size_t *size);

/* ---- Answers: each request gets one, after which it must not be touched -------------------------------- */

/* Before the answer. The strings are copied. */
void request_add_header(request *r, const char *name, const char *value);
/* `data` is copied, or used as it is for ever. */
void request_reply(request *r, unsigned status, const char *type, const void *data, size_t size);
void request_reply_static(request *r, unsigned status, const char *type, const void *data, size_t size);
/* Takes `json`. */
void request_reply_json(request *r, unsigned status, json_t *json);
/* {"error": sentence} */
void request_fail(request *r, unsigned status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* 503 with Retry-After. */
void request_busy(request *r, const char *sentence);

/* An answer of unknown length. `read` is called on the thread of the connections to put up to `room` bytes; 0 = nothing
 * now, the connection sleeps until stream_wake; -1 = the end. `closed` is called once, at the end of the connection. */
typedef struct stream_reply stream_reply;
typedef struct {
  ssize_t (*read)(void *user, char *to, size_t room);
  void (*closed)(void *user);
} stream_source;
/* False after an answer 503, when there are too many streams or no memory; `closed` is not called then. `reply` is set
 * before the first read and may be woken until `closed` returns. */
bool request_stream(request *r, const char *type, const stream_source *source, void *user, stream_reply **reply);
void stream_wake(stream_reply *reply);

/* ---- The daemon ---------------------------------------------------------------------------------------- */

/* Listens; NULL after a sentence on standard error. `routes` ends with a route without a method. */
http *http_new(const settings *s, const route *const *tables, struct server *server);
/* The port that it listens on. */
unsigned http_port(const http *h);
/* Takes no more connections, and waits up to `milliseconds` until all requests are answered. True if they were. */
bool http_drain(http *h, int milliseconds);
/* After this no handler runs. */
void http_free(http *h);

/* Numbers for the metrics. */
typedef struct {
  unsigned connections, requests, streams;
  size_t body_bytes;
  uint64_t cut;     /* connections that were cut for being too slow */
  uint64_t evicted; /* ... for doing nothing while another one wanted in */
} http_numbers;
http_numbers http_count(http *h);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whatever comes in on a connection, through the server's HTTP and POST /classify in this process; decoders and
 * classifier are stand-ins. First byte: how many bytes are sent at a time, 0 = all. */
#include "fuzz.h"

#include "answer.h"
#include "classify.h"
#include "listen.h"
#include "server.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { WAIT = 30000, CUT = 1000, ANSWERS = 1 << 20 };

/* ---- Stand-ins ----------------------------------------------------------------------------------------- */

bool classifier_admit(classifier *c, unsigned count) {
  return true;
}

void classifier_leave(classifier *c, unsigned count) {
}

size_t classifier_classes(const classifier *c) {
  return 1000;
}

/* By its size: a picture that is found to be damaged, one too many, or one that is read. */
void decoder_push(decoder *d, job *j) {
  const volatile uint8_t *bytes = j->encoded;
  for (size_t i = 0; i < j->size; i++)
    (void)bytes[i];
  if (j->size % 3 == 0) {
    job_fail(j, 400, "damaged");
  } else if (j->size % 3 == 1) {
    job_fail(j, 503, "busy");
  } else {
    j->status = 200;
    j->done(j);
  }
}

json_t *answer_json(const classifier *c, const job *j, const answer_options *o) {
  fuzz_expect(o->top_k >= 1 && o->top_k <= ANSWER_MAX_TOP_K, "top_k out of range");
  fuzz_expect(o->threshold >= 0 && o->threshold <= 1, "threshold out of range");
  fuzz_expect(j->cam_class >= -1 && j->cam_class < 1000, "cam_class out of range");
  return json_pack("{s:i}", "top_k", (int)o->top_k);
}

/* ---- The server ---------------------------------------------------------------------------------------- */

static void show(request *r) {
  const char *one = request_segment(r, 0), *two = request_segment(r, 1);
  request_add_header(r, "X-Segments", "2");
  request_reply_json(r, 200, json_pack("{s:i,s:i}", "one", (int)strlen(one), "two", (int)strlen(two)));
}

static const route routes[] = {
    {"POST", "/classify", classify_handle, 0, "top_k threshold cam cam_class groups"},
    {"GET", "/a/*/b/*", show, ROUTE_OPEN | ROUTE_ANY_QUERY, NULL},
    {NULL},
};
static const route *const tables[] = {routes, NULL};

static server *start(void) {
  static server s;
  s.settings = (settings){.bind = (char *)"127.0.0.1",
                          .max_body = 8192,
                          .max_body_total = 16384,
                          .max_header = 4096,
                          .max_megapixels = 25,
                          .connections = 64,
                          .per_address = 64,
                          .idle_time = CUT,
                          .header_time = CUT,
                          .body_time = CUT,
                          .send_time = CUT,
                          .body_rate = 1 << 20,
                          .token = (char *)"t"};
  s.http = http_new(&s.settings, tables, &s);
  fuzz_expect(s.http != NULL, "the server does not start");
  return &s;
}

/* ---- The client ---------------------------------------------------------------------------------------- */

/* Until all is sent or the server has closed. */
static void put(int socket, const uint8_t *data, size_t size, size_t piece) {
  while (size) {
    const ssize_t done = send(socket, data, piece && piece < size ? piece : size, MSG_NOSIGNAL);
    if (done < 0 && errno == EINTR)
      continue;
    if (done <= 0)
      return;
    data += done;
    size -= (size_t)done;
  }
}

/* An end that comes together with the last bytes is not noticed by libmicrohttpd before the connection is cut. */
static void finish(int socket) {
  struct pollfd answer = {.fd = socket, .events = POLLIN};
  poll(&answer, 1, 1);
  shutdown(socket, SHUT_WR);
}

/* The length of what was answered until the connection ended. */
static size_t take(int socket, char *text, size_t room) {
  size_t length = 0;
  for (;;) {
    const ssize_t got = recv(socket, text + length, room - 1 - length, 0);
    if (got < 0 && errno == EINTR) /* the fuzzer's own clock */
      continue;
    fuzz_expect(got >= 0 || errno == ECONNRESET, "the connection neither ends nor is answered");
    if (got <= 0)
      break;
    length += (size_t)got;
    fuzz_expect(length < room - 1, "no end of answers");
  }
  text[length] = '\0';
  return length;
}

static void check(const char *text, size_t length) {
  unsigned status = 0;
  if (length == 0)
    return;
  fuzz_expect(sscanf(text, "HTTP/1.%*1[01] %3u", &status) == 1, "an answer that is not HTTP");
  fuzz_expect(status >= 100 && status < 600 && status != 500, "a status that is none of the server's");
  const char *body = strstr(text, "\r\n\r\n");
  fuzz_expect(body != NULL || length < 4, "an answer that is cut short");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static server *s;
  static char text[ANSWERS];
  if (s == NULL)
    s = start();
  if (size == 0)
    return 0;
  const int socket = connect_to("127.0.0.1", (int)http_port(s->http), WAIT);
  fuzz_expect(socket >= 0, "the server takes no connection");
  put(socket, data + 1, size - 1, size < 4096 ? data[0] : 0);
  finish(socket);
  check(text, take(socket, text, sizeof text));
  close(socket);
  return 0;
}

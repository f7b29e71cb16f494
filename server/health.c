/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resnet18-server health: one request to /v2/health/ready, for health checks without a shell. */
#include "health.h"

#include "listen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAIT = 3000, ANSWER = 512 };

static int fail(const settings *s, const char *reason) {
  fprintf(stderr, "resnet18-server: the server at %s port %d is not ready: %s\n", s->bind, s->port, reason);
  return 1;
}

/* Up to the end of the answer or of `room`. */
static size_t receive(int socket, char *text, size_t room) {
  size_t got = 0;
  while (got + 1 < room) {
    const ssize_t n = recv(socket, text + got, room - got - 1, 0);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      break;
    got += (size_t)n;
  }
  text[got] = '\0';
  return got;
}

int health_main(const settings *s) {
  static const char ask[] = "GET /v2/health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  char text[ANSWER];
  const int made = connect_to(s->bind, s->port, WAIT);
  if (made < 0)
    return fail(s, strerror(errno));
  const bool sent = send(made, ask, sizeof ask - 1, MSG_NOSIGNAL) == sizeof ask - 1;
  const size_t got = sent ? receive(made, text, sizeof text) : 0;
  close(made);
  if (got == 0)
    return fail(s, "it does not answer");
  text[strcspn(text, "\r\n")] = '\0';
  return strncmp(text, "HTTP/1.1 200", 12) == 0 ? 0 : fail(s, text);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resnet18-server health: one request to /v2/health/ready, for health checks without a shell. */
#include "health.h"

#include "listen.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAIT = 3000, ANSWER = 512 };

static int fail(const settings *s, const char *reason) {
  fprintf(stderr, "resnet18-server: the server at %s port %d is not ready: %s\n", s->bind, s->port, reason);
  return 1;
}

static const char ask[] = "GET /v2/health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/* The beginning of the answer; "" if there is none. */
static void talk(int socket, char *text, size_t room) {
  size_t got = 0;
  ssize_t n = send(socket, ask, sizeof ask - 1, MSG_NOSIGNAL) == sizeof ask - 1;
  while (n > 0 && got + 1 < room) {
    n = recv(socket, text + got, room - got - 1, 0);
    if (n < 0 && errno == EINTR)
      n = 1;
    else if (n > 0)
      got += (size_t)n;
  }
  text[got] = '\0';
}

/* Whose certificate it is does not matter: nothing but the question is told, and the answer is believed anyway. */
static void talk_tls(int socket, char *text, size_t room) {
  gnutls_certificate_credentials_t trust = NULL;
  gnutls_session_t session = NULL;
  ssize_t got = 0;
  int status;
  if (gnutls_certificate_allocate_credentials(&trust) != 0 || gnutls_init(&session, GNUTLS_CLIENT) != 0)
    goto out;
  gnutls_set_default_priority(session);
  gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, trust);
  gnutls_transport_set_int(session, socket);
  do
    status = gnutls_handshake(session);
  while (status < 0 && !gnutls_error_is_fatal(status) && status != GNUTLS_E_AGAIN);
  if (status != 0 || gnutls_record_send(session, ask, sizeof ask - 1) != sizeof ask - 1)
    goto out;
  got = gnutls_record_recv(session, text, room - 1);
out:
  text[got > 0 ? got : 0] = '\0';
  if (session)
    gnutls_deinit(session);
  if (trust)
    gnutls_certificate_free_credentials(trust);
}

int health_main(const settings *s) {
  char text[ANSWER];
  const int made = connect_to(s->bind, s->port, WAIT);
  if (made < 0)
    return fail(s, strerror(errno));
  (s->tls_cert ? talk_tls : talk)(made, text, sizeof text);
  close(made);
  if (*text == '\0')
    return fail(s, "it does not answer");
  text[strcspn(text, "\r\n")] = '\0';
  return strncmp(text, "HTTP/1.1 200", 12) == 0 ? 0 : fail(s, text);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sockets by address and port. */
#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static struct addrinfo *look_up(const char *address, int port, int flags, int *failure) {
  const struct addrinfo hints = {
      .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
  struct addrinfo *found = NULL;
  char text[16];
  snprintf(text, sizeof text, "%d", port);
  *failure = getaddrinfo(address, text, &hints, &found);
  return *failure ? NULL : found;
}

static unsigned port_of(int socket) {
  struct sockaddr_storage name = {0};
  socklen_t length = sizeof name;
  if (getsockname(socket, (struct sockaddr *)&name, &length) != 0)
    return 0;
  /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): all of it is set above */
  return ntohs(name.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&name)->sin6_port
                                          : ((struct sockaddr_in *)&name)->sin_port);
}

static int listen_at(const struct addrinfo *info) {
  enum { BACKLOG = 512 };
  const int on = 1;
  const int made = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, info->ai_protocol);
  if (made < 0)
    return -1;
  setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (bind(made, info->ai_addr, info->ai_addrlen) == 0 && listen(made, BACKLOG) == 0)
    return made;
  const int reason = errno;
  close(made);
  errno = reason;
  return -1;
}

int listen_on(const char *address, int port, unsigned *actual) {
  int failure, made = -1;
  struct addrinfo *found = look_up(address, port, AI_PASSIVE, &failure);
  if (found)
    made = listen_at(found);
  if (made < 0)
    fprintf(stderr, "resnet18-server: cannot listen on %s port %d: %s\n", address, port,
            failure ? gai_strerror(failure) : strerror(errno));
  else
    *actual = port_of(made);
  if (found)
    freeaddrinfo(found);
  return made;
}

int connect_to(const char *address, int port, int milliseconds) {
  const struct timeval wait = {.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000};
  int failure, made = -1;
  /* 0.0.0.0 and :: mean this machine to connect(2) on Linux. */
  struct addrinfo *found = look_up(address, port, 0, &failure);
  if (found == NULL) {
    errno = EADDRNOTAVAIL;
    return -1;
  }
  made = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (made >= 0) {
    setsockopt(made, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    setsockopt(made, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    if (connect(made, found->ai_addr, found->ai_addrlen) != 0) {
      const int reason = errno;
      close(made);
      errno = reason;
      made = -1;
    }
  }
  freeaddrinfo(found);
  return made;
}

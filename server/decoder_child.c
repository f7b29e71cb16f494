/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The process that decodes. It loads all that it may need, then gives up its rights, and only then reads what a client
 * sent. */
#include "decoder_child.h"

#include "picture.h"
#include "priority.h"
#include "sandbox.h"
#include "still.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

typedef struct {
  picture_maker maker;
  uint8_t *memory;
  size_t size;
  int seconds;
} child;

/* SIGPROF ends the process when a picture takes more processor time than it may. */
static void limit_time(int seconds) {
  const struct itimerval timer = {.it_value = {.tv_sec = seconds}};
  setitimer(ITIMER_PROF, &timer, NULL);
}

static bool send_reply(const decoder_reply *reply) {
  ssize_t put;
  do
    put = send(DECODER_SOCKET, reply, sizeof *reply, MSG_NOSIGNAL);
  while (put < 0 && errno == EINTR);
  return put == sizeof *reply;
}

/* Until the server is gone. */
static int serve(child *c) {
  enum { LARGE = 8 << 20 };
  for (;;) {
    decoder_order order;
    decoder_reply reply;
    const ssize_t got = recv(DECODER_SOCKET, &order, sizeof order, 0);
    if (got < 0 && errno == EINTR)
      continue;
    if (got != sizeof order || order.size > c->size - DECODER_PICTURE)
      return 0;
    memset(&reply, 0, sizeof reply);
    limit_time(c->seconds);
    picture_make(&c->maker, &order, c->memory + DECODER_PICTURE, c->memory, &reply);
    limit_time(0);
    if (!send_reply(&reply))
      return 0;
    if ((guint64)reply.width * reply.height * 3 > LARGE || reply.status)
      malloc_trim(0);
  }
}

static bool load(child *c) {
  GError *error = NULL;
  if (!still_warm_up(&error)) {
    fprintf(stderr, "resnet18-server: the decoder: %s\n", error->message);
    g_error_free(error);
    return false;
  }
  c->memory = mmap(NULL, c->size, PROT_READ | PROT_WRITE, MAP_SHARED, DECODER_MEMORY, 0);
  if (c->memory != MAP_FAILED)
    return true;
  fprintf(stderr, "resnet18-server: the decoder: shared memory: %s\n", g_strerror(errno));
  return false;
}

int decoder_child_main(int argc, char **argv) {
  child c = {.seconds = 1};
  const decoder_reply ready = {.status = 0};
  if (argc != 5)
    return 2;
  c.size = (size_t)strtoull(argv[2], NULL, 10);
  c.seconds = (int)strtol(argv[3], NULL, 10);
  prctl(PR_SET_NAME, "decoder");
  if (c.size <= DECODER_PICTURE || !load(&c))
    return 1;
  priority_patient();
  if (!sandbox_enter((size_t)strtoull(argv[4], NULL, 10)))
    return 1;
  return send_reply(&ready) ? serve(&c) : 0;
}

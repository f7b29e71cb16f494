/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The process that decodes. It loads all that it may need, then gives up its rights, and only then reads what a client
 * sent. */
#include "decoder_child.h"

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
  resnet18_image_info info; /* of `tables` */
  resnet18_preprocessor *tables;
  uint8_t *memory;
  size_t size;
  int seconds;
} child;

/* SIGPROF ends the process when a picture takes more processor time than it may. */
static void limit_time(int seconds) {
  const struct itimerval timer = {.it_value = {.tv_sec = seconds}};
  setitimer(ITIMER_PROF, &timer, NULL);
}

/* 224x224 RGB into the shared memory. */
static bool prepare(child *c, const still *picture, resnet18_error *error) {
  static const resnet18_preprocess_options exact = {.exact = true};
  const ptrdiff_t stride = (ptrdiff_t)picture->stride;
  resnet18_image_info info;
  memset(&info, 0, sizeof info); /* compared as bytes */
  info.format = picture->channels == 4 ? RESNET18_FORMAT_RGBX : RESNET18_FORMAT_RGB;
  info.width = picture->width;
  info.height = picture->height;
  if (c->tables == NULL || memcmp(&info, &c->info, sizeof info) != 0) {
    resnet18_preprocessor_free(c->tables);
    c->tables = NULL;
    c->info = info;
    if (resnet18_preprocessor_new(&info, &exact, &c->tables, error) != RESNET18_OK)
      return false;
  }
  resnet18_preprocessor_run(c->tables, &picture->pixels, &stride, c->memory);
  return true;
}

static void decode(child *c, const decoder_order *order, decoder_reply *reply) {
  GError *error = NULL;
  resnet18_error reason;
  still picture = {0};
  if (!still_decode((encoded_kind)order->kind, c->memory + DECODER_PICTURE, order->size, &picture, &error)) {
    reply->status = g_error_matches(error, STILL_ERROR, STILL_UNSUPPORTED) ? 415 : 400;
    g_strlcpy(reply->reason, error->message, sizeof reply->reason);
    g_error_free(error);
  } else if (prepare(c, &picture, &reason)) {
    reply->width = picture.width;
    reply->height = picture.height;
  } else {
    reply->status = 400;
    g_strlcpy(reply->reason, reason.message, sizeof reply->reason);
  }
  still_clear(&picture);
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
    decode(c, &order, &reply);
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
  c.seconds = atoi(argv[3]);
  prctl(PR_SET_NAME, "decoder");
  if (c.size <= DECODER_PICTURE || !load(&c))
    return 1;
  priority_patient();
  if (!sandbox_enter((size_t)strtoull(argv[4], NULL, 10)))
    return 1;
  return send_reply(&ready) ? serve(&c) : 0;
}

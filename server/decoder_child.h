/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The process that decodes: what goes between it and the server. The encoded bytes and the finished picture are in
 * memory that both have mapped; the socket says where one ends and the other begins. */
#ifndef RESNET18_SERVER_DECODER_CHILD_H
#define RESNET18_SERVER_DECODER_CHILD_H

#include "job.h"

#include <stdint.h>

/* The first argument of the process; its descriptors are 3 (socket) and 4 (memory). */
#define DECODER_ARGUMENT "--decoder-child"
enum { DECODER_SOCKET = 3, DECODER_MEMORY = 4 };

/* The shared memory: the finished picture, then the encoded bytes. */
#define DECODER_PICTURE ((size_t)RESNET18_RGB_BYTES + 4096 - RESNET18_RGB_BYTES % 4096)

typedef struct {
  uint32_t kind; /* encoded_kind */
  uint32_t size; /* of the encoded bytes */
} decoder_order;

typedef struct {
  uint32_t status; /* 0 = decoded, else an HTTP status */
  uint32_t width, height;
  char reason[JOB_REASON];
} decoder_reply;

/* argv: DECODER_ARGUMENT, bytes of shared memory, seconds of processor time a picture, bytes of memory. Never returns
 * before the server closes the socket; the exit status. */
int decoder_child_main(int argc, char **argv);

#endif

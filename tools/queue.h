/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The work queue in NATS JetStream that `resnet18 worker` and `resnet18 submit` share.
 *
 * Three streams with file storage, made by whoever comes first:
 *   NAME           subjects NAME.jobs.RUN     a work queue: a message goes when its job is done
 *   NAME_results   subjects NAME.results.RUN  one message a job, with the job's message id, so that a result that is
 *                                             stored twice is kept once
 *   NAME_dead      subjects NAME.dead.RUN     jobs that failed too often, as they were
 * RUN is the submission. Every worker pulls from the one durable consumer "workers". */
#ifndef RESNET18_TOOLS_QUEUE_H
#define RESNET18_TOOLS_QUEUE_H

#include <glib.h>
#include <nats/nats.h>
#include <stdbool.h>
#include <stdint.h>

/* Headers of a job and of its result. */
#define QUEUE_KIND "Resnet18-Kind"   /* picture: the body is one; path, uri or object (bucket/key): the body names it */
#define QUEUE_INPUT "Resnet18-Input" /* what the result calls it; base64, because names may hold any byte */
#define QUEUE_INDEX "Resnet18-Index" /* of the input in its submission, from 0 */
#define QUEUE_ID "Nats-Msg-Id"       /* JetStream's own: RUN-INDEX */
/* ... and of a job that a worker gave back: it has another message id, so that the stream takes it. */
#define QUEUE_RESULT_ID "Resnet18-Result-Id" /* the result's message id, which is the first job's */
#define QUEUE_TRIES "Resnet18-Tries"         /* those that it had before */
#define QUEUE_CONSUMER "workers"

enum {
  QUEUE_ACK_SECONDS = 30, /* a job that nobody has said a word about for so long is given to another worker */
  QUEUE_MAX_NAME = 64
};

typedef struct {
  natsConnection *connection;
  jsCtx *js;
  char *name, *results, *dead; /* of the streams */
} queue;

/* Connects to one of the servers ("nats://host:4222", several separated by commas), and makes the streams and the
 * consumer unless they are there. `stream`: letters, digits, - and _. False after a sentence. */
bool queue_open(queue *q, const char *servers, const char *stream);
void queue_close(queue *q);

/* From here on SIGTERM and SIGINT only make queue_stopping true. */
void queue_catch_signals(void);
bool queue_stopping(void);

/* The pull consumer `name` of a stream, made unless it is there, for the subjects that `filter` names (NULL = all);
 * explicit acknowledgement. Tries again for a minute. False after a sentence. */
bool queue_make_consumer(queue *q, const char *stream, const char *name, const char *filter);
natsStatus queue_pull(queue *q, const char *stream, const char *consumer, natsSubscription **subscription);

/* "NAME.KIND.RUN", to be freed. */
char *queue_subject(const queue *q, const char *kind, const char *run);

/* Stores a message and waits until a majority of the servers has it; tries again while they are away, and once
 * queue_stopping is true for ten seconds more. A message id that the stream knows is a success. */
bool queue_store(queue *q, natsMsg *message);

/* A header's value, or NULL. */
const char *queue_header(natsMsg *message, const char *name);

/* "sentence (server's sentence)" for a status, in a buffer of the thread. */
const char *queue_reason(natsStatus status, jsErrCode code);

#endif

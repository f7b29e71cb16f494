/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The processes that decode. Each works on one picture at a time, so that a bad one costs nobody else anything; one
 * that dies or takes too long is replaced. */
#ifndef RESNET18_SERVER_DECODER_H
#define RESNET18_SERVER_DECODER_H

#include "job.h"
#include "settings.h"

#include <stdbool.h>

typedef struct decoder decoder;

/* Starts the processes, as many as `count` unless the settings say another number. What they have decoded goes to
 * `next`, on a thread of theirs. */
decoder *decoder_new(const settings *s, unsigned count, void (*next)(job *j, void *user), void *user);
/* Waits until all are ready. False after a sentence on standard error. */
bool decoder_wait(decoder *d);
/* What waits, and all that comes after this, is answered 503. */
void decoder_stop(decoder *d);
void decoder_free(decoder *d);

/* Takes a job with `kind` and `encoded`. */
void decoder_push(decoder *d, job *j);

unsigned decoder_waiting(decoder *d);
unsigned decoder_alive(decoder *d);

#endif

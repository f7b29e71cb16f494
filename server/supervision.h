/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When a camera counts as lost, and how long it is left alone before it is begun again. */
#ifndef RESNET18_SERVER_SUPERVISION_H
#define RESNET18_SERVER_SUPERVISION_H

#include <stdbool.h>

typedef enum {
  RETRY_PATIENT, /* what a camera that is broken for days costs least with */
  RETRY_QUICK    /* frames are there again soon after it is */
} retry_manner;
/* Names of both in this order, then NULL. */
extern const char *const retry_manners[];

/* The defaults, of a configuration file and of the command line. */
enum { NO_FRAME_TIMEOUT = 20, LEAST_NO_FRAME_TIMEOUT = 3, MOST_NO_FRAME_TIMEOUT = 3600 };

typedef struct {
  retry_manner manner;
  double no_frame_timeout; /* seconds */
} supervision;

/* Seconds before the camera is begun again that has failed `attempts` times before without having played for a while.
 */
double supervision_pause(const supervision *s, unsigned attempts);
/* Seconds in which a network camera must have answered, or the next connection is tried. */
double supervision_answer(const supervision *s, unsigned attempts);
/* Seconds without a frame after which it is lost. `rate`: the frames a second that it plays with; 0 = it does not play,
 * or not long enough to tell. */
double supervision_silence(const supervision *s, double rate);
/* Whether it has played for long enough that its next failure is a first one. */
bool supervision_is_healthy(double seconds);

#endif

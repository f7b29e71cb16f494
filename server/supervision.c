/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When a camera counts as lost, and how long it is left alone before it is begun again. */
#include "supervision.h"

#include <glib.h>

const char *const retry_manners[] = {"patient", "quick", NULL};

/* Seconds; the last one again and again. */
static const double patient[] = {1, 1, 1, 1, 1, 5, 5, 5, 5, 5, 10}, quick[] = {1, 1, 1, 1, 1, 2};

/* Frames whose time a quick one is waited for, and seconds of frames that make a camera healthy. */
enum { MISSING_FRAMES = 10, HEALTHY = 20 };

double supervision_pause(const supervision *s, unsigned attempts) {
  if (s->manner == RETRY_QUICK)
    return quick[MIN(attempts, G_N_ELEMENTS(quick) - 1)];
  return patient[MIN(attempts, G_N_ELEMENTS(patient) - 1)];
}

/* Packets to a camera that is away are lost, and TCP repeats them after 1, 3, 7, 15 seconds: with attempts of 4 and 9 s
 * and the pauses between them, one that comes back hears from us within 4 s, and one that takes 9 s to answer can be
 * had. */
double supervision_answer(const supervision *s, unsigned attempts) {
  if (s->manner == RETRY_PATIENT)
    return 15;
  return attempts % 2 ? 9 : 4;
}

double supervision_silence(const supervision *s, double rate) {
  if (s->manner == RETRY_PATIENT || rate <= 0)
    return s->no_frame_timeout;
  return CLAMP(MISSING_FRAMES / rate, LEAST_NO_FRAME_TIMEOUT, s->no_frame_timeout);
}

bool supervision_is_healthy(double seconds) {
  return seconds > HEALTHY;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Threads that let others go first, with what Linux has for it: SCHED_BATCH is an ordinary thread that does not push
 * another off its CPU when it wakes up. */
#include "background.h"

#include <sched.h>

gboolean gst_resnet18_background_enter(void) {
  const struct sched_param none = {0};
  return sched_getscheduler(0) == SCHED_OTHER && sched_setscheduler(0, SCHED_BATCH, &none) == 0;
}

void gst_resnet18_background_leave(void) {
  const struct sched_param none = {0};
  sched_setscheduler(0, SCHED_OTHER, &none);
}

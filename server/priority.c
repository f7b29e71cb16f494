/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Scheduling of the calling thread. What the system does not know or allow stays as it was. */
#include "priority.h"

#include <sched.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's struct sched_attr, first version, which the headers of C libraries do not all have. */
typedef struct {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
} attributes;

void priority_brisk(void) {
  /* Linux 6.12 and newer take it as the time that an ordinary thread asks for at once: who asks for less is let in
   * earlier. It is the least that they take. Older ones pass over it. */
  enum { SLICE = 100 * 1000 };
  attributes a = {.size = sizeof a, .policy = SCHED_OTHER, .runtime = SLICE};
  a.nice = getpriority(PRIO_PROCESS, 0);
  syscall(SYS_sched_setattr, 0, &a, 0U);
}

void priority_patient(void) {
  const struct sched_param none = {0};
  sched_setscheduler(0, SCHED_BATCH, &none);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The worker team: a fixed number of threads that run the parts of one job together.
 *
 * Waiting is spinning for some tens of microseconds, then sleeping on a futex. A forward pass has a barrier every few
 * hundred microseconds, so it never sleeps unless the machine is oversubscribed; between frames the workers do. */
#include "threads.h"

#include "error.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SPINS = 2000, CACHE_LINE = 64, MAX_THREADS = 64 };

struct worker {
  r18_team *team;
  pthread_t thread;
  unsigned part;
};

/* Words that different threads write lie on lines of their own. */
struct r18_team {
  _Alignas(CACHE_LINE) atomic_uint job_number; /* counts up with each job; workers wait for it to change */
  _Alignas(CACHE_LINE) atomic_uint working;    /* workers that have not finished the job */
  _Alignas(CACHE_LINE) atomic_uint arrived;    /* members at the barrier */
  _Alignas(CACHE_LINE) atomic_uint phase;      /* counts up with each barrier passed */
  _Alignas(CACHE_LINE) atomic_uint sleepers;   /* threads inside futex_wait, so that waking is usually free */
  unsigned threads;
  r18_team_job job;
  void *data;
  bool stop;
  struct worker worker[MAX_THREADS];
};

static void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* Returns when *word is no longer `old`. */
static void wait_for_change(r18_team *team, atomic_uint *word, unsigned old) {
  for (unsigned i = 0; i < SPINS; i++) {
    if (atomic_load_explicit(word, memory_order_acquire) != old)
      return;
    relax();
  }
  atomic_fetch_add(&team->sleepers, 1);
  while (atomic_load(word) == old)
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
  atomic_fetch_sub(&team->sleepers, 1);
}

/* After a change of *word. The change and the read of `sleepers` are sequentially consistent, as are a sleeper's
 * announcement and its last look at the word: one of the two sees the other. */
static void wake(r18_team *team, atomic_uint *word) {
  if (atomic_load(&team->sleepers))
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, MAX_THREADS, NULL, NULL, 0);
}

static void *work(void *data) {
  struct worker *self = data;
  r18_team *team = self->team;
  unsigned seen = 0;
  for (;;) {
    wait_for_change(team, &team->job_number, seen);
    seen++;
    if (team->stop)
      return NULL;
    team->job(team->data, self->part, team->threads);
    if (atomic_fetch_sub(&team->working, 1) == 1)
      wake(team, &team->working);
  }
}

static void start_job(r18_team *team, r18_team_job job, void *data) {
  team->job = job;
  team->data = data;
  atomic_store(&team->working, team->threads - 1);
  atomic_fetch_add(&team->job_number, 1);
  wake(team, &team->job_number);
}

/* Workers belong to the library: no signal of the application is delivered to them. */
static int start_worker(struct worker *worker) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failed = pthread_create(&worker->thread, NULL, work, worker);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (!failed)
    pthread_setname_np(worker->thread, "resnet18");
  return failed;
}

resnet18_status r18_team_new(unsigned threads, r18_team **out, resnet18_error *error) {
  *out = NULL;
  if (threads < 1 || threads > MAX_THREADS)
    return r18_fail(error, RESNET18_ERROR_ARGUMENT, "threads is %u, must be 1 to %d", threads, MAX_THREADS);
  r18_team *team = aligned_alloc(CACHE_LINE, sizeof *team);
  if (!team)
    return r18_fail_memory(error, sizeof *team);
  memset(team, 0, sizeof *team);
  team->threads = 1;
  for (unsigned i = 1; i < threads; i++) {
    struct worker *worker = &team->worker[i];
    *worker = (struct worker){.team = team, .part = i};
    int failed = start_worker(worker);
    if (failed) {
      r18_team_free(team);
      return r18_fail(error, RESNET18_ERROR_SYSTEM, "thread %u of %u could not be created: %s", i + 1, threads,
                      strerror(failed));
    }
    team->threads = i + 1;
  }
  *out = team;
  return r18_ok(error);
}

void r18_team_free(r18_team *team) {
  if (!team)
    return;
  team->stop = true;
  start_job(team, NULL, NULL);
  for (unsigned i = 1; i < team->threads; i++)
    pthread_join(team->worker[i].thread, NULL);
  free(team);
}

unsigned r18_team_threads(const r18_team *team) {
  return team->threads;
}

void r18_team_run(r18_team *team, r18_team_job job, void *data) {
  if (team->threads == 1) {
    job(data, 0, 1);
    return;
  }
  start_job(team, job, data);
  job(data, 0, team->threads);
  unsigned left;
  while ((left = atomic_load_explicit(&team->working, memory_order_acquire)) != 0)
    wait_for_change(team, &team->working, left);
}

void r18_team_barrier(r18_team *team) {
  if (team->threads == 1)
    return;
  unsigned phase = atomic_load(&team->phase);
  if (atomic_fetch_add(&team->arrived, 1) + 1 == team->threads) {
    atomic_store(&team->arrived, 0);
    atomic_fetch_add(&team->phase, 1);
    wake(team, &team->phase);
  } else {
    wait_for_change(team, &team->phase, phase);
  }
}

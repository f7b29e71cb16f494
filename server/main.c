/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resnet18-server: start, signals, the end. */
#include "decoder_child.h"
#include "health.h"
#include "json_memory.h"
#include "kserve.h"
#include "reload.h"
#include "routes.h"
#include "server.h"
#include "settings.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A standard stream that the caller closed: no file that is opened later may get its number. */
static void occupy_standard_streams(void) {
  for (int file = 0; file < 3; file++)
    if (fcntl(file, F_GETFD) < 0 && open("/dev/null", file == 0 ? O_WRONLY : O_RDONLY) != file)
      abort();
}

/* One heap for all threads. A camera that begins anew has new threads; where each takes a heap of its own, what is left
 * in those of the old ones adds up, half a megabyte a time. */
static void share_heap(void) {
#ifdef M_ARENA_MAX
  if (getenv("MALLOC_ARENA_MAX") == NULL)
    mallopt(M_ARENA_MAX, 1);
#endif
}

/* All threads inherit the mask; the main one waits for what it blocks. */
static void block_signals(sigset_t *set) {
  sigemptyset(set);
  sigaddset(set, SIGTERM);
  sigaddset(set, SIGINT);
  sigaddset(set, SIGHUP);
  pthread_sigmask(SIG_BLOCK, set, NULL);
  signal(SIGPIPE, SIG_IGN);
}

static void decoded(job *j, void *user) {
  classifier_push(((server *)user)->classifier, j);
}

static bool start(server *s, GPtrArray *cameras) {
  s->started = g_get_real_time();
  const unsigned threads = s->settings.threads ? (unsigned)s->settings.threads : resnet18_cpu_count();
  s->decoder = decoder_new(&s->settings, threads, decoded, s); /* they load while the model does */
  s->classifier = classifier_new(&s->settings);
  if (s->classifier == NULL || !decoder_wait(s->decoder)) {
    g_clear_pointer(&cameras, g_ptr_array_unref);
    return false;
  }
  s->live = live_new(&s->settings, cameras);
  s->http = s->live && kserve_start() ? http_new(&s->settings, route_tables, s) : NULL;
  if (s->http == NULL)
    return false;
  __atomic_store_n(&s->ready, 1, __ATOMIC_RELEASE);
  const bool colon = strchr(s->settings.bind, ':') != NULL;
  fprintf(stderr, "resnet18-server: ready at %s://%s%s%s:%u/ (%s, %s, %u thread%s)\n",
          s->settings.tls_cert ? "https" : "http", colon ? "[" : "", s->settings.bind, colon ? "]" : "",
          http_port(s->http), classifier_precision(s->classifier), classifier_kernels(s->classifier),
          classifier_threads(s->classifier), classifier_threads(s->classifier) == 1 ? "" : "s");
  return true;
}

/* What was accepted is answered first. False: a camera has not ended, and its threads are still at work. */
static bool stop(server *s) {
  __atomic_store_n(&s->ready, 0, __ATOMIC_RELEASE);
  if (s->http && !http_drain(s->http, s->settings.drain_time))
    fprintf(stderr, "resnet18-server: some requests were not finished in time\n");
  /* Whatever still waits is answered before the daemon ends, and handlers find all parts until then. */
  const bool ended = live_stop(s->live);
  decoder_stop(s->decoder);
  classifier_stop(s->classifier);
  if (s->http)
    http_free(s->http);
  kserve_stop();
  live_free(s->live);
  decoder_free(s->decoder);
  classifier_free(s->classifier);
  settings_clear(&s->settings);
  return ended;
}

/* The signal that ends the server. */
static int await_end(server *s, const sigset_t *set, int argc, char **argv) {
  for (;;) {
    int number = 0;
    if (sigwait(set, &number) != 0)
      continue;
    if (number != SIGHUP)
      return number;
    if (s->settings.config)
      reload(s, argc, argv);
    else
      fprintf(stderr, "resnet18-server: SIGHUP: there is no configuration file to read again (--config)\n");
  }
}

static int serve(server *s, GPtrArray *cameras, int argc, char **argv) {
  sigset_t set;
  int number = 0;
  block_signals(&set);
  const bool ok = start(s, cameras);
  if (ok)
    number = await_end(s, &set, argc, argv);
  if (ok)
    fprintf(stderr, "resnet18-server: %s, finishing what was accepted\n",
            number == SIGTERM ? "asked to stop" : "interrupted");
  if (!stop(s)) /* libraries that clean up at the exit would take away what those threads use */
    _exit(ok ? 0 : 1);
  return ok ? 0 : 1;
}

int main(int argc, char **argv) {
  static server s;
  GPtrArray *cameras;
  int status;
  occupy_standard_streams();
  setlocale(LC_CTYPE, "");
  if (argc > 1 && strcmp(argv[1], DECODER_ARGUMENT) == 0)
    return decoder_child_main(argc, argv);
  share_heap();
  json_memory_watch();
  const bool health = argc > 1 && strcmp(argv[1], "health") == 0;
  const bool good = settings_parse(&s.settings, &cameras, argc - health, argv + health, &status);
  if (good && !health && !s.settings.check_config)
    return serve(&s, cameras, argc, argv);
  if (good && health)
    status = health_main(&s.settings);
  else if (good)
    status = 0;
  g_clear_pointer(&cameras, g_ptr_array_unref);
  settings_clear(&s.settings);
  return status;
}

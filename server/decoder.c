/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The processes that decode, each with a thread that talks to it. */
#include "decoder.h"

#include "decoder_child.h"
#include "metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_TIME = 30000, STARVED = 8000, PUNCH = 256 << 10 };
/* Descriptors that go to the child lie above those that they become there. */
enum { ABOVE = 16 };

extern char **environ;

/* One process. */
typedef struct {
  decoder *owner;
  GThread *thread;
  pid_t pid;       /* 0 = none */
  int socket;      /* our end */
  int memory_file; /* sealed: it cannot shrink under us */
  uint8_t *memory;
} child;

struct decoder {
  const settings *settings;
  void (*next)(job *j, void *user);
  void *user;
  size_t memory_size;
  unsigned count;
  child *children;
  GMutex lock; /* of what follows */
  GCond more, started;
  job_queue queue;
  unsigned ready, failed, alive;
  bool ending;
};

/* ---- Starting and ending one --------------------------------------------------------------------------- */

static bool make_memory(child *c) {
  const size_t size = c->owner->memory_size;
  const int file = memfd_create("resnet18-picture", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (file >= 0) {
    c->memory_file = fcntl(file, F_DUPFD_CLOEXEC, ABOVE);
    close(file);
  }
  if (c->memory_file < 0 || ftruncate(c->memory_file, (off_t)size) != 0 ||
      fcntl(c->memory_file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return false;
  void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, c->memory_file, 0);
  c->memory = memory == MAP_FAILED ? NULL : memory;
  return c->memory != NULL;
}

/* Room for the decoded picture, its copy in a buffer, and one that is turned, of 4 bytes a pixel. */
static size_t child_memory(const settings *s) {
#if defined(__SANITIZE_ADDRESS__)
  return 0; /* its shadow is terabytes of address space */
#else
  return (size_t)(s->max_megapixels * 1e6) * 4 * 4 + (64 << 20);
#endif
}

static int spawn(child *c, int socket) {
  const settings *s = c->owner->settings;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none;
  char size[32], seconds[32], memory[32];
  char *const argv[] = {"resnet18-server", DECODER_ARGUMENT, size, seconds, memory, NULL};
  snprintf(size, sizeof size, "%zu", c->owner->memory_size);
  snprintf(seconds, sizeof seconds, "%d", (s->decode_time + 999) / 1000);
  snprintf(memory, sizeof memory, "%zu", child_memory(s));
  sigemptyset(&none);
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setpgroup(&attributes, 0); /* Ctrl-C is for the server, which lets them finish */
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  posix_spawn_file_actions_adddup2(&actions, socket, DECODER_SOCKET);
  posix_spawn_file_actions_adddup2(&actions, c->memory_file, DECODER_MEMORY);
  const int status = posix_spawn(&c->pid, "/proc/self/exe", &actions, &attributes, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (status)
    c->pid = 0;
  return status;
}

static bool start(child *c) {
  int ends[2] = {-1, -1}, theirs = -1, status = 0;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0 ||
      (theirs = fcntl(ends[1], F_DUPFD_CLOEXEC, ABOVE)) < 0)
    status = errno;
  else
    status = spawn(c, theirs);
  if (theirs >= 0)
    close(theirs);
  if (ends[1] >= 0)
    close(ends[1]);
  c->socket = ends[0];
  if (status)
    fprintf(stderr, "resnet18-server: a decoder cannot be started: %s\n", g_strerror(status));
  return status == 0;
}

/* The status of waitpid. */
static int end(child *c) {
  int status = 0;
  if (c->socket >= 0)
    close(c->socket);
  c->socket = -1;
  if (c->pid == 0)
    return 0;
  kill(c->pid, SIGKILL);
  while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
    ;
  c->pid = 0;
  return status;
}

typedef enum { GOT, LATE, GONE } outcome;

static outcome receive(child *c, decoder_reply *reply, int milliseconds) {
  const gint64 limit = g_get_monotonic_time() + (gint64)milliseconds * 1000;
  for (;;) {
    struct pollfd wait = {.fd = c->socket, .events = POLLIN};
    const gint64 left = (limit - g_get_monotonic_time() + 999) / 1000;
    const int ready = poll(&wait, 1, (int)MAX(left, 0));
    if (ready < 0 && errno == EINTR)
      continue;
    if (ready == 0)
      return LATE;
    const ssize_t got = recv(c->socket, reply, sizeof *reply, 0);
    if (got < 0 && errno == EINTR)
      continue;
    reply->reason[sizeof reply->reason - 1] = '\0';
    return got == sizeof *reply ? GOT : GONE;
  }
}

static void count(decoder *d, int alive) {
  g_mutex_lock(&d->lock);
  d->alive += (unsigned)alive;
  g_mutex_unlock(&d->lock);
}

/* A process that has loaded what it needs and given up its rights. */
static bool make(child *c) {
  decoder_reply reply;
  if (!start(c))
    return false;
  if (receive(c, &reply, START_TIME) == GOT) {
    count(c->owner, 1);
    return true;
  }
  const int status = end(c);
  fprintf(stderr, "resnet18-server: a decoder %s while it started\n",
          WIFSIGNALED(status) ? g_strsignal(WTERMSIG(status)) : "ended");
  return false;
}

/* ---- One picture --------------------------------------------------------------------------------------- */

static outcome ask(child *c, const job *j, decoder_reply *reply) {
  const decoder_order order = {.kind = j->kind, .size = (uint32_t)j->size};
  /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): no process is made where there is no memory */
  memcpy(c->memory + DECODER_PICTURE, j->encoded, j->size);
  ssize_t put;
  do
    put = send(c->socket, &order, sizeof order, MSG_NOSIGNAL);
  while (put < 0 && errno == EINTR);
  if (put != sizeof order)
    return GONE;
  /* Its own limit counts processor time; this is for a machine that has none for it. */
  return receive(c, reply, c->owner->settings->decode_time + STARVED);
}

/* Pages of a large picture are given back. */
static void tidy(child *c, size_t size) {
  if (size > PUNCH)
    fallocate(c->memory_file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(DECODER_PICTURE + PUNCH),
              (off_t)(size - PUNCH));
}

/* The decoder is gone. True if the picture is to be tried once more: something else may have killed it. */
static bool replace(child *c, job *j, outcome how, bool again) {
  const int status = end(c);
  const bool innocent = how == GONE && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  const bool late = how == GONE && WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF;
  count(c->owner, -1);
  metrics_decoder_ended(late || how == LATE ? "late" : innocent ? "killed" : "crashed");
  if (innocent && again)
    return true;
  if (late)
    job_fail(j, 400, "the picture takes too long to decode");
  else if (how == LATE)
    job_fail(j, 503, "the processor has no time for the picture");
  else if (innocent)
    job_fail(j, 503, "the decoder was killed twice");
  else
    job_fail(j, 400, "the picture cannot be decoded: the decoder gave up on it");
  return false;
}

static void deliver(child *c, job *j, const decoder_reply *reply, gint64 start) {
  j->decoded = g_get_monotonic_time();
  metrics_decode((double)(j->decoded - start) * 1e-6);
  if (reply->status) {
    job_fail(j, reply->status == 415 ? 415 : 400, "%s", reply->reason);
    return;
  }
  j->width = reply->width;
  j->height = reply->height;
  j->rgb = g_memdup2(c->memory, RESNET18_RGB_BYTES);
  c->owner->next(j, c->owner->user);
}

static void decode(child *c, job *j) {
  decoder_reply reply;
  const size_t size = j->size; /* the job is gone when it is delivered */
  for (bool again = true;; again = false) {
    if (c->pid == 0 && (c->memory == NULL || !make(c))) {
      job_fail(j, 503, "no decoder can be started");
      return;
    }
    const gint64 start = g_get_monotonic_time();
    const outcome how = ask(c, j, &reply);
    if (how == GOT) {
      deliver(c, j, &reply, start);
      break;
    }
    if (!replace(c, j, how, again))
      break;
  }
  tidy(c, size);
}

/* ---- The threads --------------------------------------------------------------------------------------- */

static gpointer work(gpointer user) {
  child *c = user;
  decoder *d = c->owner;
  const bool ok = make_memory(c) && make(c);
  g_mutex_lock(&d->lock);
  *(ok ? &d->ready : &d->failed) += 1;
  g_cond_broadcast(&d->started);
  while (!d->ending) {
    job *j = job_queue_pop(&d->queue);
    if (j == NULL) {
      g_cond_wait(&d->more, &d->lock);
      continue;
    }
    g_mutex_unlock(&d->lock);
    decode(c, j);
    g_mutex_lock(&d->lock);
  }
  g_mutex_unlock(&d->lock);
  end(c);
  return NULL;
}

static void start_thread(decoder *d, child *c) {
  GError *error = NULL;
  c->thread = g_thread_try_new("decoder", work, c, &error);
  if (c->thread)
    return;
  fprintf(stderr, "resnet18-server: %s\n", error->message);
  g_error_free(error);
  g_mutex_lock(&d->lock);
  d->failed++;
  g_mutex_unlock(&d->lock);
}

decoder *decoder_new(const settings *s, unsigned number, void (*next)(job *j, void *user), void *user) {
  decoder *d = g_new0(decoder, 1);
  d->settings = s;
  d->next = next;
  d->user = user;
  d->count = s->decoders ? (unsigned)s->decoders : number;
  d->memory_size = DECODER_PICTURE + (size_t)s->max_body;
  d->children = g_new0(child, d->count);
  g_mutex_init(&d->lock);
  g_cond_init(&d->more);
  g_cond_init(&d->started);
  job_queue_init(&d->queue);
  for (unsigned i = 0; i < d->count; i++) {
    d->children[i] = (child){.owner = d, .socket = -1, .memory_file = -1};
    start_thread(d, &d->children[i]);
  }
  return d;
}

bool decoder_wait(decoder *d) {
  g_mutex_lock(&d->lock);
  while (d->ready + d->failed < d->count)
    g_cond_wait(&d->started, &d->lock);
  const bool ok = d->failed == 0;
  g_mutex_unlock(&d->lock);
  return ok;
}

static void child_clear(child *c) {
  if (c->thread)
    g_thread_join(c->thread);
  if (c->memory)
    munmap(c->memory, c->owner->memory_size);
  if (c->memory_file >= 0)
    close(c->memory_file);
  c->thread = NULL;
  c->memory = NULL;
  c->memory_file = -1;
}

void decoder_stop(decoder *d) {
  job *j;
  if (d == NULL)
    return;
  g_mutex_lock(&d->lock);
  d->ending = true;
  g_cond_broadcast(&d->more);
  g_mutex_unlock(&d->lock);
  for (unsigned i = 0; i < d->count; i++)
    child_clear(&d->children[i]);
  while ((j = job_queue_pop(&d->queue)))
    job_fail(j, 503, "the server is being stopped");
}

void decoder_free(decoder *d) {
  if (d == NULL)
    return;
  decoder_stop(d);
  g_mutex_clear(&d->lock);
  g_cond_clear(&d->more);
  g_cond_clear(&d->started);
  g_free(d->children);
  g_free(d);
}

void decoder_push(decoder *d, job *j) {
  g_mutex_lock(&d->lock);
  const bool ending = d->ending;
  if (!ending) {
    job_queue_push(&d->queue, j);
    g_cond_signal(&d->more);
  }
  g_mutex_unlock(&d->lock);
  if (ending)
    job_fail(j, 503, "the server is being stopped");
}

unsigned decoder_waiting(decoder *d) {
  g_mutex_lock(&d->lock);
  const unsigned n = d->queue.length;
  g_mutex_unlock(&d->lock);
  return n;
}

unsigned decoder_alive(decoder *d) {
  g_mutex_lock(&d->lock);
  const unsigned n = d->alive;
  g_mutex_unlock(&d->lock);
  return n;
}

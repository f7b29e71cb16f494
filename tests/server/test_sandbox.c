/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a process in the sandbox can and cannot do, each tried in a process of its own. */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { FINE = 0, REFUSED = 42 };

static int open_file(void) {
  return open("/etc/hostname", O_RDONLY) < 0 && errno == ENOENT ? REFUSED : FINE;
}

static int create_file(void) {
  return open("/tmp/resnet18-sandbox", O_RDWR | O_CREAT, 0600) < 0 ? REFUSED : FINE;
}

static int make_socket(void) {
  return socket(AF_INET, SOCK_STREAM, 0) < 0 ? REFUSED : FINE;
}

static int make_pair(void) {
  int ends[2];
  return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 ? REFUSED : FINE;
}

static int execute(void) {
  char *const argv[] = {"true", NULL};
  execv("/bin/true", argv);
  return REFUSED;
}

static int fork_one(void) {
  return fork() < 0 ? REFUSED : FINE;
}

static int kill_parent(void) {
  return kill(getppid(), 0) != 0 ? REFUSED : FINE;
}

static int trace(void) {
  return ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0 ? REFUSED : FINE;
}

static int make_code(void) {
  void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return page == MAP_FAILED ? REFUSED : FINE;
}

static int turn_into_code(void) {
  void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return page == MAP_FAILED || mprotect(page, 4096, PROT_READ | PROT_EXEC) != 0 ? REFUSED : FINE;
}

static int take_memory(void) {
  uint8_t *memory = malloc(1 << 20);
  if (memory == NULL)
    return REFUSED;
  memset(memory, 1, 1 << 20);
  return memory[12345] == 1 ? FINE : REFUSED;
}

/* Through a volatile, so that it is not left out. */
static int take_too_much(void) {
  void *volatile memory = malloc((size_t)1 << 30);
  return memory == NULL ? REFUSED : FINE;
}

static int write_on(void) {
  return write(STDERR_FILENO, "", 0) == 0 ? FINE : REFUSED;
}

static const struct {
  const char *name;
  int (*run)(void);
  int expected; /* an exit status, or minus a signal */
} cases[] = {
    {"open", open_file, REFUSED},      {"create", create_file, REFUSED},
    {"socket", make_socket, -SIGSYS},  {"socketpair", make_pair, -SIGSYS},
    {"exec", execute, -SIGSYS},        {"fork", fork_one, -SIGSYS},
    {"kill", kill_parent, -SIGSYS},    {"ptrace", trace, -SIGSYS},
    {"mmap exec", make_code, -SIGSYS}, {"mprotect", turn_into_code, -SIGSYS},
    {"memory", take_memory, FINE},     {"too much", take_too_much, REFUSED},
    {"write", write_on, FINE},
};

static int try(int (*run)(void)) {
  int status = 0;
  const pid_t pid = fork();
  if (pid == 0)
    _exit(sandbox_enter(64 << 20) ? run() : 99);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void rights(void **state) {
#if defined(__SANITIZE_ADDRESS__)
  skip(); /* its shadow memory is larger than any limit */
#endif
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const int found = try(cases[i].run);
    if (found != cases[i].expected)
      fail_msg("%s: %d rather than %d", cases[i].name, found, cases[i].expected);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(rights)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Giving up all rights: resource limits, no new privileges, and a list of system calls. */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* What decoding needs: memory, time, locks, and the descriptors that are open. */
static const char *const allowed[] = {
    "read",         "write",      "recvmsg",         "sendmsg",       "recvfrom",
    "sendto",       "poll",       "ppoll",           "munmap",        "mremap",
    "madvise",      "brk",        "futex",           "clock_gettime", "clock_getres",
    "gettimeofday", "time",       "nanosleep",       "getpid",        "gettid",
    "exit",         "exit_group", "sched_yield",     "rt_sigreturn",  "rt_sigprocmask",
    "sigaltstack",  "getrandom",  "restart_syscall", "setitimer",     "clock_nanosleep",
    "membarrier",   "rseq",       "set_robust_list", "getrusage",     "sched_getaffinity",
    "fstat",
};

/* Libraries look for files on their own; they are told that there is none. */
static const char *const denied[] = {
    "open",       "openat",    "openat2",    "stat",    "lstat",  "newfstatat", "statx",  "access", "faccessat",
    "faccessat2", "readlink",  "readlinkat", "close",   "fcntl",  "lseek",      "ioctl",  "uname",  "getcwd",
    "sysinfo",    "prlimit64", "getuid",     "geteuid", "getgid", "getegid",    "getppid"};

static bool fail(const char *what) {
  fprintf(stderr, "resnet18-server: the decoder's sandbox: %s: %s\n", what, strerror(errno));
  return false;
}

static bool limit(int resource, rlim_t value) {
  const struct rlimit both = {value, value};
  return setrlimit(resource, &both) == 0 || fail("setrlimit");
}

/* Bytes of address space in use. */
static size_t address_space(void) {
  unsigned long pages = 0;
  FILE *file = fopen("/proc/self/statm", "re");
  if (file) {
    if (fscanf(file, "%lu", &pages) != 1)
      pages = 0;
    fclose(file);
  }
  return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static bool set_limits(size_t memory) {
  const size_t used = memory ? address_space() : 0;
  if (memory && used == 0) {
    errno = ENOENT;
    return fail("/proc/self/statm");
  }
  return (memory == 0 || limit(RLIMIT_AS, used + memory)) && limit(RLIMIT_FSIZE, 0) && limit(RLIMIT_CORE, 0) &&
         limit(RLIMIT_NOFILE, 0) && limit(RLIMIT_MEMLOCK, 0);
}

/* A name that this architecture does not have is none to allow. */
static int add(scmp_filter_ctx filter, unsigned action, const char *name) {
  const int number = seccomp_syscall_resolve_name(name);
  return number == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(filter, action, number, 0);
}

static int add_all(scmp_filter_ctx filter) {
  int status = 0;
  for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
    status = status ? status : add(filter, SCMP_ACT_ALLOW, allowed[i]);
  for (size_t i = 0; i < sizeof denied / sizeof *denied; i++)
    status = status ? status : add(filter, SCMP_ACT_ERRNO(ENOENT), denied[i]);
  /* Memory, but no code. */
  status = status
               ? status
               : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
  status = status ? status
                  : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                                     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
  return status;
}

static bool filter_calls(void) {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
  int status = filter ? add_all(filter) : -ENOMEM;
  if (status == 0)
    status = seccomp_load(filter);
  seccomp_release(filter);
  errno = -status;
  return status == 0 || fail("seccomp");
}

bool sandbox_enter(size_t memory) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return fail("no_new_privs");
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    return fail("dumpable");
  return set_limits(memory) && filter_calls();
}

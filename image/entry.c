/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The container image's first program: its first argument says what the container is, the others are for that. The
 * image has no shell that could do this. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAX_ARGUMENTS = 4096, MAX_BYTES = 128 * 1024 };

static const struct {
  const char *name;
  const char *words[4]; /* the program and its first arguments */
  const char *help;
} roles[] = {
    /* Inside a container, loopback is nobody's. */
    {"server", {"resnet18-server", "--bind", "0.0.0.0"}, "answer HTTP on port 8080 and watch the cameras that follow"},
    {"classify", {"resnet18", "classify"}, "classify the pictures, videos and streams that follow"},
    {"launch", {"gst-launch-1.0"}, "run the GStreamer pipeline that follows"},
    {"selftest", {"resnet18", "selftest"}, "check that this machine computes what it should"},
    {"health", {"resnet18-server", "health"}, "ask this container's server whether it is ready"},
};

enum { ROLES = sizeof roles / sizeof *roles, SERVER = 0, HEALTH = 4 };

static int usage(FILE *to) {
  fputs("The first argument is one of these; --help after it says more.\n", to);
  for (int i = 0; i < ROLES; i++)
    fprintf(to, "  %-9s %s\n", roles[i].name, roles[i].help);
  return to == stdout ? 0 : 2;
}

static int run(int role, int count, char *const *arguments) {
  static const char *all[MAX_ARGUMENTS + 8];
  char path[64];
  int n = 0;
  if (count > MAX_ARGUMENTS) {
    fprintf(stderr, "%s: more than %d arguments\n", roles[role].name, MAX_ARGUMENTS);
    return 2;
  }
  for (int i = 0; roles[role].words[i]; i++)
    all[n++] = roles[role].words[i];
  for (int i = 0; i < count; i++)
    all[n++] = arguments[i];
  snprintf(path, sizeof path, "/usr/bin/%s", all[0]);
  execv(path, (char *const *)all);
  fprintf(stderr, "%s: %s\n", path, strerror(errno));
  return 126;
}

/* With the options of the server itself, which say where it listens. It is the container's first process, unless the
 * engine put one of its own there. */
static int ask_health(void) {
  static char text[MAX_BYTES];
  static char *words[MAX_ARGUMENTS];
  int file = open("/proc/1/cmdline", O_RDONLY | O_CLOEXEC), count = 0;
  ssize_t got = 0, n = file >= 0;
  while (n > 0 && got < MAX_BYTES - 1) {
    n = read(file, text + got, (size_t)(MAX_BYTES - 1 - got));
    got += n > 0 ? n : 0;
  }
  if (file >= 0)
    close(file);
  for (char *word = text; word < text + got && count < MAX_ARGUMENTS; word += strlen(word) + 1)
    words[count++] = word;
  if (count > 0 && strcmp(words[0], roles[SERVER].words[0]) == 0)
    return run(HEALTH, count - 1, words + 1);
  return run(HEALTH, 0, NULL);
}

int main(int argc, char **argv) {
  if (argc < 2)
    return run(SERVER, 0, NULL);
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
    return usage(stdout);
  if (strcmp(argv[1], roles[HEALTH].name) == 0 && argc == 2)
    return ask_health();
  for (int i = 0; i < ROLES; i++)
    if (strcmp(argv[1], roles[i].name) == 0)
      return run(i, argc - 2, argv + 2);
  fprintf(stderr, "the image has no part named '%s'\n", argv[1]);
  return usage(stderr);
}

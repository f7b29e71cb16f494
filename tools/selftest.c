/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resnet18 selftest: does the engine compute the right numbers on this very processor? */
#include "command.h"

#include "resnet18.h"

#include <stdio.h>

static int run(int argc, char **argv);

const command selftest_command = {
    .name = "selftest",
    .arguments = "",
    .summary = "Check the engine's numbers on this processor",
    .help = "Runs the built-in pictures and compares the results with the ones PyTorch gave, and\n"
            "compares every kernel that this processor can run with the plain C one. A line a\n"
            "check, then PASS or FAIL; the exit status is 0 only for PASS.\n\n"
            "Examples:\n"
            "  resnet18 selftest\n"
            "  RESNET18_CPU=avx2 resnet18 selftest    (with the kernels for AVX2 at best)\n",
    .run = run,
};

static void report(const char *check, bool passed, const char *detail, void *user) {
  unsigned *checks = user;
  ++*checks;
  printf("%s  %s: %s\n", passed ? "PASS" : "FAIL", check, detail);
  fflush(stdout);
}

static int run(int argc, char **argv) {
  static const GOptionEntry entries[] = {{NULL}};
  unsigned checks = 0;
  int status;
  if (!command_parse(&selftest_command, entries, NULL, &argc, &argv, &status))
    return status;
  if (argc > 1)
    return command_misuse(&selftest_command, "it takes no arguments, but got '%s'", argv[1]);
  printf("instruction sets: %s\n", resnet18_cpu());
  const unsigned failed = resnet18_selftest(report, &checks);
  if (failed)
    printf("FAIL: %u of %u checks failed\n", failed, checks);
  else
    printf("PASS: %u checks\n", checks);
  return command_output_done() && failed == 0 ? STATUS_DONE : STATUS_FAILED;
}

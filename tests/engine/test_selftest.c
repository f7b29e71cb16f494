/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The built-in goldens pass with every instruction set (meson runs this once for each RESNET18_CPU), and with every
 * form of the weights in the library.
 *
 *     test_selftest [int8]     int8: the library has int8 weights only */
#include "resnet18.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static unsigned reported, not_applicable;
static bool int8_only;

static void report(const char *check, bool passed, const char *detail, void *user) {
  reported++;
  not_applicable += strcmp(check, "fp32") == 0 && strstr(detail, "not applicable") != NULL;
  if (!passed)
    print_error("%s: %s\n", check, detail);
}

static void goldens_pass(void **state) {
  print_message("instruction sets: %s\n", resnet18_cpu());
  assert_int_equal(resnet18_selftest(report, NULL), 0);
  assert_int_equal(not_applicable, int8_only);
  assert_true(reported >= (int8_only ? 4 : 20)); /* of int8 a picture each, and what is not applicable */
}

int main(int argc, char **argv) {
  int8_only = argc == 2 && strcmp(argv[1], "int8") == 0;
  const struct CMUnitTest tests[] = {cmocka_unit_test(goldens_pass)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

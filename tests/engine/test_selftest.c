/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The built-in goldens pass with every instruction set (meson runs this once for each RESNET18_CPU). */
#include "resnet18.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static unsigned reported;

static void report(const char *check, bool passed, const char *detail, void *user) {
  reported++;
  if (!passed)
    print_error("%s: %s\n", check, detail);
}

static void goldens_pass(void **state) {
  print_message("instruction sets: %s\n", resnet18_cpu());
  assert_int_equal(resnet18_selftest(report, NULL), 0);
  assert_true(reported >= 20);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(goldens_pass)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

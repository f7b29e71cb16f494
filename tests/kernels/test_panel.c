/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The multiplication inside the float convolutions against its definition: every number of rows that is multiplied at
 * once, and those that are cut into parts. The layers of the network ask for few of them. */
#include "panel_set.h"

#include "cpu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 2, MOST_LANES = 16, MOST_ROWS = 3 * 28, MOST = MOST_ROWS * 2 * MOST_LANES, AHEAD = 2048 };

static const panel_set *const sets[] = {
#ifdef __x86_64__
    &panel_avx2,
    &panel_avx512,
#endif
#ifdef __aarch64__
    &panel_neon,
#endif
    NULL,
};

static float panel[BLOCKS * MOST_ROWS * MOST_LANES], weights[BLOCKS * MOST_LANES * 2 * MOST_LANES + AHEAD];
static float product[MOST + 1], before[MOST];

static void fill(float *values, size_t count) {
  for (size_t i = 0; i < count; i++)
    values[i] = (float)rand() / (float)RAND_MAX * 2 - 1;
}

/* |error| of a sum of k products is at most k * epsilon * sum |a*b| (Higham, Accuracy and Stability, 3.1). */
static void check_rows(const panel_set *set, unsigned wide, unsigned rows, unsigned blocks, bool more) {
  const unsigned lanes = set->lanes, columns = wide * lanes, depth = blocks * lanes;
  fill(before, (size_t)rows * columns);
  memcpy(product, before, sizeof before);
  product[rows * columns] = 7;
  set->multiply(wide, rows, blocks, panel, weights, more, product);
  for (unsigned m = 0; m < rows; m++)
    for (unsigned n = 0; n < columns; n++) {
      double sum = more ? before[m * columns + n] : 0, magnitude = fabs(sum);
      for (unsigned k = 0; k < depth; k++) {
        const double term = (double)panel[(k / lanes * rows + m) * lanes + k % lanes] * weights[k * columns + n];
        sum += term;
        magnitude += fabs(term);
      }
      const double allowed = (depth + 1) * FLT_EPSILON * magnitude, found = product[m * columns + n];
      if (!(fabs(found - sum) <= allowed))
        fail_msg("%s, %u wide, row %u of %u, column %u, %u blocks: %g instead of %g", r18_cpu_set_name(set->set), wide,
                 m, rows, n, blocks, found, sum);
    }
  assert_true(product[rows * columns] == 7);
}

static void every_number_of_rows(void **state) {
  unsigned tried = 0;
  fill(panel, sizeof panel / sizeof *panel);
  fill(weights, sizeof weights / sizeof *weights);
  for (const panel_set *const *set = sets; *set; set++) {
    if (!(r18_cpu_sets() & (*set)->set))
      continue;
    tried++;
    for (unsigned wide = 1; wide <= 2; wide++)
      for (unsigned rows = 1; rows <= 3 * (*set)->most_rows[wide]; rows++)
        for (unsigned blocks = 1; blocks <= BLOCKS; blocks++)
          check_rows(*set, wide, rows, blocks, (rows + blocks) % 2);
  }
  print_message("%u instruction sets\n", tried);
  if (tried == 0)
    skip();
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_number_of_rows)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

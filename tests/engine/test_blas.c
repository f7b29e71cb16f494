/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The check that keeps an OpenBLAS which computes wrong numbers out of the engine. */
#include "blas.h"
#include "plain_gemm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Wrong in one element of wide products only, as a broken edge kernel is. */
static void wrong_edge(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float *c, int ldc) {
  plain_gemm(m, n, k, a, lda, b, ldb, c, ldc);
  if (n % 16 == 1)
    c[n - 1] += 0.01f;
}

static void reads_c(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float *c, int ldc) {
  const float before = c[0];
  plain_gemm(m, n, k, a, lda, b, ldb, c, ldc);
  c[0] += 0.0f * before; /* NaN where C was not cleared */
}

static void wrong_products_are_found(void **state) {
  assert_true(r18_gemm_is_right(plain_gemm));
  assert_false(r18_gemm_is_right(wrong_edge));
  assert_false(r18_gemm_is_right(reads_c));
}

static void installed_library_is_right_or_explained(void **state) {
  print_message("%s\n", r18_blas_state());
  assert_true(strlen(r18_blas_state()) > 0);
  if (r18_blas_gemm())
    assert_true(r18_gemm_is_right(r18_blas_gemm()));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(wrong_products_are_found),
      cmocka_unit_test(installed_library_is_right_or_explained),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

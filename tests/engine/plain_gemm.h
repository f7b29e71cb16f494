/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The matrix product as it is defined: what a BLAS must agree with. */
#ifndef TESTS_ENGINE_PLAIN_GEMM_H
#define TESTS_ENGINE_PLAIN_GEMM_H

/* c[m x n] = a[m x k] b[k x n], row by row; lda, ldb and ldc are the floats from one row to the next. */
static inline void plain_gemm(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float *c,
                              int ldc) {
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++) {
      float sum = 0;
      for (int l = 0; l < k; l++)
        sum += a[i * lda + l] * b[l * ldb + j];
      c[i * ldc + j] = sum;
    }
}

#endif

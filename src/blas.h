/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* OpenBLAS's GEMM, loaded when a plan wants it: the path of machines for which there are no kernels of our own. */
#ifndef RESNET18_BLAS_H
#define RESNET18_BLAS_H

#include <stdbool.h>

/* C = A * B, row-major: A [m][k], B [k][n], C [m][n] with row lengths lda, ldb, ldc; called by several threads. */
typedef void (*r18_gemm)(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float *c, int ldc);

/* NULL where OpenBLAS is missing, would start threads of its own, or computes wrong numbers on this CPU. Loaded and
 * checked once. */
r18_gemm r18_blas_gemm(void);

/* Why there is none, or which library it is. Never NULL. */
const char *r18_blas_state(void);

/* The check: whether `gemm` agrees with a plain loop on shapes that reach every kernel of a GEMM library. */
bool r18_gemm_is_right(r18_gemm gemm);

#endif

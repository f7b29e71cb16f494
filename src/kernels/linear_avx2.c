/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The last layer for AVX2. */
#ifndef __AVX2__
#error "compile this file with the flags of its instruction set"
#endif

#include "linear_simd.h"

const r18_plain_kernel r18_linear_avx2 = {"linear", R18_CPU_AVX2, linear_run};

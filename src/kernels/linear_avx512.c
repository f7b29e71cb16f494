/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The last layer for AVX-512. */
#ifndef __AVX512F__
#error "compile this file with the flags of its instruction set"
#endif

#include "linear_simd.h"

const r18_plain_kernel r18_linear_avx512 = {"linear", R18_CPU_AVX512, linear_run};

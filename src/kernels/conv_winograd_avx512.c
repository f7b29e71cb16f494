/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Float Winograd convolutions for AVX-512. */
#ifndef __AVX512F__
#error "compile this file with the flags of its instruction set"
#endif

#define WINOGRAD_TABLE r18_winograd_avx512
#include "conv_winograd_simd.h"

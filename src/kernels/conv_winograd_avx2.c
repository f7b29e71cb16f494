/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Float Winograd convolutions for AVX2. */
#ifndef __AVX2__
#error "compile this file with the flags of its instruction set"
#endif

#define WINOGRAD_TABLE r18_winograd_avx2
#include "conv_winograd_simd.h"

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Float convolutions by patches for AVX-512. */
#ifndef __AVX512F__
#error "compile this file with the flags of its instruction set"
#endif

#define PATCHES_TABLE r18_patches_avx512
#include "conv_patches_simd.h"

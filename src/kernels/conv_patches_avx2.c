/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Float convolutions by patches for AVX2. */
#ifndef __AVX2__
#error "compile this file with the flags of its instruction set"
#endif

#define PATCHES_TABLE r18_patches_avx2
#include "conv_patches_simd.h"

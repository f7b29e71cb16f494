/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Float convolutions by patches for NEON. */
#ifndef __aarch64__
#error "for 64-bit ARM only"
#endif

#define PATCHES_TABLE r18_patches_neon
#include "conv_patches_simd.h"

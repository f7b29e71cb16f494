/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Float Winograd convolutions for NEON. */
#ifndef __aarch64__
#error "for 64-bit ARM only"
#endif

#define WINOGRAD_TABLE r18_winograd_neon
#include "conv_winograd_simd.h"

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The last layer for NEON. */
#ifndef __aarch64__
#error "for 64-bit ARM only"
#endif

#include "linear_simd.h"

const r18_plain_kernel r18_linear_neon = {"linear", R18_CPU_NEON, linear_run};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The float kernels that are written once (conv_winograd_simd.h, conv_patches_simd.h) and compiled for each instruction
 * set: one table a set, whose entries have the same numbers everywhere. */
#ifndef RESNET18_SIMD_TABLES_H
#define RESNET18_SIMD_TABLES_H

#include "kernels.h"

enum {
  R18_WINOGRAD4_GROUPS,
  R18_WINOGRAD4_STRIDE2_GROUPS,
  R18_WINOGRAD4_APART,
  R18_WINOGRAD4_STRIDE2_APART,
  R18_WINOGRAD4,
  R18_WINOGRAD4_STRIDE2,
  R18_WINOGRAD_KERNELS
};

enum { R18_PATCHES_ROWS, R18_PATCHES, R18_PATCHES_KERNELS };

extern const r18_conv_kernel r18_winograd_avx512[R18_WINOGRAD_KERNELS], r18_winograd_avx2[R18_WINOGRAD_KERNELS],
    r18_winograd_neon[R18_WINOGRAD_KERNELS];
extern const r18_conv_kernel r18_patches_avx512[R18_PATCHES_KERNELS], r18_patches_avx2[R18_PATCHES_KERNELS],
    r18_patches_neon[R18_PATCHES_KERNELS];

#endif

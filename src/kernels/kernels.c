/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables of kernels, best first; those of int8 are in kernels_u8.c. */
#include "simd_tables.h"

#include <stddef.h>

extern const r18_conv_kernel r18_conv_direct_c, r18_conv_blas_c;
#if defined(__x86_64__)
extern const r18_conv_kernel r18_conv_stem_avx512, r18_conv_stem_avx2;
extern const r18_plain_kernel r18_linear_avx512, r18_linear_avx2;
#elif defined(__aarch64__)
extern const r18_conv_kernel r18_conv_stem_neon;
extern const r18_plain_kernel r18_linear_neon;
#endif
extern const r18_plain_kernel r18_normalize_c, r18_maxpool_f32_c, r18_avgpool_f32_c, r18_linear_c;

const r18_conv_kernel *const r18_conv_kernels_f32[] = {
#if defined(__x86_64__)
    &r18_conv_stem_avx512,
    &r18_winograd_avx512[R18_WINOGRAD4_GROUPS],
    &r18_winograd_avx512[R18_WINOGRAD4_STRIDE2_GROUPS],
    &r18_winograd_avx512[R18_WINOGRAD4_APART],
    &r18_winograd_avx512[R18_WINOGRAD4_STRIDE2_APART],
    &r18_winograd_avx512[R18_WINOGRAD4],
    &r18_winograd_avx512[R18_WINOGRAD4_STRIDE2],
    &r18_patches_avx512[R18_PATCHES_ROWS],
    &r18_patches_avx512[R18_PATCHES],
    &r18_conv_stem_avx2,
    &r18_winograd_avx2[R18_WINOGRAD4_GROUPS],
    &r18_winograd_avx2[R18_WINOGRAD4_STRIDE2_GROUPS],
    &r18_winograd_avx2[R18_WINOGRAD4_APART],
    &r18_winograd_avx2[R18_WINOGRAD4_STRIDE2_APART],
    &r18_winograd_avx2[R18_WINOGRAD4],
    &r18_winograd_avx2[R18_WINOGRAD4_STRIDE2],
    &r18_patches_avx2[R18_PATCHES_ROWS],
    &r18_patches_avx2[R18_PATCHES],
#elif defined(__aarch64__)
    &r18_conv_stem_neon,
    &r18_winograd_neon[R18_WINOGRAD4_GROUPS],
    &r18_winograd_neon[R18_WINOGRAD4_STRIDE2_GROUPS],
    &r18_winograd_neon[R18_WINOGRAD4_APART],
    &r18_winograd_neon[R18_WINOGRAD4_STRIDE2_APART],
    &r18_winograd_neon[R18_WINOGRAD4],
    &r18_winograd_neon[R18_WINOGRAD4_STRIDE2],
    &r18_patches_neon[R18_PATCHES_ROWS],
    &r18_patches_neon[R18_PATCHES],
#endif
    &r18_conv_blas_c, /* accepts only where OpenBLAS is there, computes right and is wanted */
    &r18_conv_direct_c,
    NULL,
};

const r18_plain_kernel *const r18_normalize_kernels[] = {
    &r18_normalize_c,
    NULL,
};

const r18_plain_kernel *const r18_maxpool_kernels_f32[] = {
    &r18_maxpool_f32_c,
    NULL,
};

const r18_plain_kernel *const r18_avgpool_kernels_f32[] = {
    &r18_avgpool_f32_c,
    NULL,
};

const r18_plain_kernel *const r18_linear_kernels[] = {
#if defined(__x86_64__)
    &r18_linear_avx512,
    &r18_linear_avx2,
#elif defined(__aarch64__)
    &r18_linear_neon,
#endif
    &r18_linear_c,
    NULL,
};

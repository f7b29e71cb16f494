/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables of int8 kernels, best first. */
#include "conv_u8.h"

#define ALL_KINDS(table) &table[0], &table[1], &table[2], &table[3]

const r18_conv_kernel *const r18_conv_kernels_u8[] = {
#ifdef __x86_64__
    &r18_conv_winograd2_u8_avx512vnni[0],
    &r18_conv_winograd2_u8_avx512vnni[1],
    ALL_KINDS(r18_conv_u8_avx512vnni),
    ALL_KINDS(r18_conv_u8_avx2vnni),
    ALL_KINDS(r18_conv_u8_avx512),
    ALL_KINDS(r18_conv_u8_avx2),
#endif
#ifdef __aarch64__
    ALL_KINDS(r18_conv_u8_dotprod),
    ALL_KINDS(r18_conv_u8_neon),
#endif
    &r18_conv_stem_u8_c,
    &r18_conv_direct_u8_c,
    NULL,
};

const r18_plain_kernel *const r18_avgpool_kernels_u8[] = {
    &r18_avgpool_u8_c,
    NULL,
};

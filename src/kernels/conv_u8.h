/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every int8 kernel, for the table that the planner reads and for the tests. */
#ifndef RESNET18_CONV_U8_H
#define RESNET18_CONV_U8_H

#include <stdlib.h>

#include "kernels.h"

extern const r18_conv_kernel r18_conv_direct_u8_c, r18_conv_winograd2_u8_c, r18_conv_stem_u8_c;
extern const r18_plain_kernel r18_avgpool_u8_c;

/* Five of each set: the first layer, Winograd in one phase, Winograd in two phases, direct by rows, direct by blocks.
 */
enum { R18_CONV_U8_KINDS = 5 };
extern const r18_conv_kernel r18_conv_u8_avx512vnni[R18_CONV_U8_KINDS], r18_conv_u8_avx512[R18_CONV_U8_KINDS],
    r18_conv_u8_avx2vnni[R18_CONV_U8_KINDS], r18_conv_u8_avx2[R18_CONV_U8_KINDS];
extern const r18_conv_kernel r18_conv_u8_dotprod[R18_CONV_U8_KINDS], r18_conv_u8_neon[R18_CONV_U8_KINDS];
/* Winograd in one phase, in two phases. */
extern const r18_conv_kernel r18_conv_winograd2_u8_avx512vnni[2];

#endif

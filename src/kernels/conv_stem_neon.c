/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first convolution in floats for NEON. */
#ifndef __aarch64__
#error "for 64-bit ARM only"
#endif

#include "conv_stem_simd.h"

const r18_conv_kernel r18_conv_stem_neon = {
    .name = "conv_stem",
    .set = R18_CPU_NEON,
    .element = sizeof(float),
    .fuses_maxpool = true,
    .accepts = stem_accepts,
    .packed_bytes = stem_packed_bytes,
    .pack = stem_pack,
    .scratch_bytes = stem_scratch_bytes,
    .units = stem_units,
    .run = stem_run,
};

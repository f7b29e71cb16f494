/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Float convolutions by patches for NEON. */
#ifndef __aarch64__
#error "for 64-bit ARM only"
#endif

#include "conv_patches_simd.h"

const r18_conv_kernel r18_conv_patches_rows_neon = {
    .name = "conv_patches_rows",
    .set = R18_CPU_NEON,
    .element = sizeof(float),
    .accepts = patches_rows_accepts,
    .packed_bytes = patches_packed_bytes,
    .pack = patches_rows_pack,
    .scratch_bytes = patches_rows_scratch_bytes,
    .units = patches_rows_units,
    .run = patches_rows_run,
};

const r18_conv_kernel r18_conv_patches_neon = {
    .name = "conv_patches",
    .set = R18_CPU_NEON,
    .element = sizeof(float),
    .spans_batch = true,
    .accepts = patches_blocks_accepts,
    .packed_bytes = patches_packed_bytes,
    .pack = patches_blocks_pack,
    .scratch_bytes = patches_blocks_scratch_bytes,
    .units = patches_blocks_units,
    .run = patches_blocks_run,
    .prepare = patches_blocks_prepare,
    .prepare_units = patches_blocks_prepare_units,
    .work_bytes = patches_blocks_work_bytes,
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Float Winograd convolutions for AVX-512. */
#include "conv_winograd_simd.h"

const r18_conv_kernel r18_conv_winograd4_rows_avx512 = {.name = "conv_winograd4_rows",
                                                        .set = R18_CPU_AVX512,
                                                        .element = sizeof(float),
                                                        .accepts = rows_accepts,
                                                        .packed_bytes = rows_packed_bytes,
                                                        .pack = rows_pack,
                                                        .scratch_bytes = rows_scratch_bytes,
                                                        .units = rows_units,
                                                        .run = rows_run};

const r18_conv_kernel r18_conv_winograd4_avx512 = {.name = "conv_winograd4",
                                                   .set = R18_CPU_AVX512,
                                                   .element = sizeof(float),
                                                   .spans_batch = true,
                                                   .accepts = blocks4_accepts,
                                                   .packed_bytes = blocks4_packed_bytes,
                                                   .pack = blocks4_pack,
                                                   .scratch_bytes = blocks4_scratch_bytes,
                                                   .units = blocks_units,
                                                   .run = blocks4_run,
                                                   .prepare = blocks4_prepare,
                                                   .prepare_units = blocks4_prepare_units,
                                                   .work_bytes = blocks4_work_bytes};

const r18_conv_kernel r18_conv_winograd2_avx512 = {.name = "conv_winograd2",
                                                   .set = R18_CPU_AVX512,
                                                   .element = sizeof(float),
                                                   .spans_batch = true,
                                                   .accepts = blocks2_accepts,
                                                   .packed_bytes = blocks2_packed_bytes,
                                                   .pack = blocks2_pack,
                                                   .scratch_bytes = blocks2_scratch_bytes,
                                                   .units = blocks_units,
                                                   .run = blocks2_run,
                                                   .prepare = blocks2_prepare,
                                                   .prepare_units = blocks2_prepare_units,
                                                   .work_bytes = blocks2_work_bytes};

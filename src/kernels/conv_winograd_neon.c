/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Float Winograd convolutions for NEON. */
#ifndef __aarch64__
#error "for 64-bit ARM only"
#endif

#include "conv_winograd_simd.h"

const r18_conv_kernel r18_conv_winograd4_groups_neon = {
    .name = "conv_winograd4_groups",
    .set = R18_CPU_NEON,
    .element = sizeof(float),
    .accepts = groups_accepts_stride1,
    .packed_bytes = winograd_packed_bytes,
    .pack = groups_pack,
    .scratch_bytes = groups_scratch_bytes,
    .units = groups_units,
    .run = groups_run,
};

const r18_conv_kernel r18_conv_winograd4_stride2_groups_neon = {
    .name = "conv_winograd4_stride2_groups",
    .set = R18_CPU_NEON,
    .element = sizeof(float),
    .accepts = groups_accepts_stride2,
    .packed_bytes = winograd_packed_bytes,
    .pack = groups_pack,
    .scratch_bytes = groups_scratch_bytes,
    .units = groups_units,
    .run = groups_run,
};

const r18_conv_kernel r18_conv_winograd4_neon = {
    .name = "conv_winograd4",
    .set = R18_CPU_NEON,
    .element = sizeof(float),
    .spans_batch = true,
    .accepts = blocks_accepts_stride1_tile4,
    .packed_bytes = winograd_packed_bytes,
    .pack = blocks_pack,
    .scratch_bytes = blocks_scratch_bytes,
    .units = blocks_units,
    .run = blocks_run,
    .prepare = blocks_prepare,
    .prepare_units = blocks_prepare_units,
    .work_bytes = blocks_work_bytes,
};

const r18_conv_kernel r18_conv_winograd2_neon = {
    .name = "conv_winograd2",
    .set = R18_CPU_NEON,
    .element = sizeof(float),
    .spans_batch = true,
    .accepts = blocks_accepts_stride1_tile2,
    .packed_bytes = winograd_packed_bytes,
    .pack = blocks_pack,
    .scratch_bytes = blocks_scratch_bytes,
    .units = blocks_units,
    .run = blocks_run,
    .prepare = blocks_prepare,
    .prepare_units = blocks_prepare_units,
    .work_bytes = blocks_work_bytes,
};

const r18_conv_kernel r18_conv_winograd4_stride2_neon = {
    .name = "conv_winograd4_stride2",
    .set = R18_CPU_NEON,
    .element = sizeof(float),
    .spans_batch = true,
    .accepts = blocks_accepts_stride2_tile4,
    .packed_bytes = winograd_packed_bytes,
    .pack = blocks_pack,
    .scratch_bytes = blocks_scratch_bytes,
    .units = blocks_units,
    .run = blocks_run,
    .prepare = blocks_prepare,
    .prepare_units = blocks_prepare_units,
    .work_bytes = blocks_work_bytes,
};

const r18_conv_kernel r18_conv_winograd2_stride2_neon = {
    .name = "conv_winograd2_stride2",
    .set = R18_CPU_NEON,
    .element = sizeof(float),
    .spans_batch = true,
    .accepts = blocks_accepts_stride2_tile2,
    .packed_bytes = winograd_packed_bytes,
    .pack = blocks_pack,
    .scratch_bytes = blocks_scratch_bytes,
    .units = blocks_units,
    .run = blocks_run,
    .prepare = blocks_prepare,
    .prepare_units = blocks_prepare_units,
    .work_bytes = blocks_work_bytes,
};

const r18_conv_kernel r18_conv_winograd4_apart_neon = {
    .name = "conv_winograd4_apart",
    .set = R18_CPU_NEON,
    .element = sizeof(float),
    .spans_batch = true,
    .accepts = apart_accepts_stride1_tile4,
    .packed_bytes = winograd_packed_bytes,
    .pack = blocks_pack,
    .scratch_bytes = apart_scratch_bytes,
    .units = blocks_units,
    .run = blocks_run,
};

const r18_conv_kernel r18_conv_winograd2_apart_neon = {
    .name = "conv_winograd2_apart",
    .set = R18_CPU_NEON,
    .element = sizeof(float),
    .spans_batch = true,
    .accepts = apart_accepts_stride1_tile2,
    .packed_bytes = winograd_packed_bytes,
    .pack = blocks_pack,
    .scratch_bytes = apart_scratch_bytes,
    .units = blocks_units,
    .run = blocks_run,
};

const r18_conv_kernel r18_conv_winograd4_stride2_apart_neon = {
    .name = "conv_winograd4_stride2_apart",
    .set = R18_CPU_NEON,
    .element = sizeof(float),
    .spans_batch = true,
    .accepts = apart_accepts_stride2_tile4,
    .packed_bytes = winograd_packed_bytes,
    .pack = blocks_pack,
    .scratch_bytes = apart_scratch_bytes,
    .units = blocks_units,
    .run = blocks_run,
};

const r18_conv_kernel r18_conv_winograd2_stride2_apart_neon = {
    .name = "conv_winograd2_stride2_apart",
    .set = R18_CPU_NEON,
    .element = sizeof(float),
    .spans_batch = true,
    .accepts = apart_accepts_stride2_tile2,
    .packed_bytes = winograd_packed_bytes,
    .pack = blocks_pack,
    .scratch_bytes = apart_scratch_bytes,
    .units = blocks_units,
    .run = blocks_run,
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which part of a picture is classified, and where it lands in the network's square. */
#ifndef RESNET18_CROP_H
#define RESNET18_CROP_H

#include "resample.h"
#include "resnet18.h"

/* Pixels; never empty. */
typedef struct {
  uint32_t x, y, width, height;
} r18_part;

/* Columns and rows of the square that the part fills: across.count from `left`, down.count from `top`. */
typedef struct {
  r18_axis across, down;
  uint32_t left, top;
} r18_placement;

/* Checks all options. */
resnet18_status r18_crop_part(const resnet18_image_info *info, const resnet18_preprocess_options *options,
                              r18_part *part, resnet18_error *error);

void r18_crop_place(const r18_part *part, const resnet18_preprocess_options *options, r18_placement *placement);

#endif

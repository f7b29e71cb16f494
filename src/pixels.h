/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the channels of each pixel format lie, and how they become RGB. */
#ifndef RESNET18_PIXELS_H
#define RESNET18_PIXELS_H

#include "kernels/resize.h"
#include "resnet18.h"

/* Sample s of a channel is byte offset + s * step of its row. */
typedef struct {
  uint8_t plane, offset, step;
  bool chroma; /* half the horizontal resolution of luma, rounded up */
} r18_channel_layout;

typedef struct {
  uint8_t planes, channels;
  bool half_height;              /* chroma planes have half the rows, rounded up; no channel shares a plane with luma */
  r18_channel_layout channel[3]; /* R, G, B or Y, U, V or grey */
} r18_pixel_layout;

/* NULL: not a format. */
const r18_pixel_layout *r18_pixel_layout_of(resnet18_format format);

/* False: the channels are RGB (or full range grey) already. */
bool r18_pixel_color(const resnet18_image_info *info, r18_color *color);

#endif

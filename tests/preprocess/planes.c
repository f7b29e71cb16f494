/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the samples of each format lie, written down once more, independently of the library. */
#include "planes.h"

#include <stdlib.h>
#include <string.h>

bool is_yuv(resnet18_format format) {
  return format >= RESNET18_FORMAT_I420;
}

unsigned planes_of(resnet18_format format) {
  return format == RESNET18_FORMAT_I420 ? 3 : format == RESNET18_FORMAT_NV12 || format == RESNET18_FORMAT_NV21 ? 2 : 1;
}

place place_of(resnet18_format format, unsigned channel, size_t x) {
  switch (format) {
  case RESNET18_FORMAT_RGB:
    return (place){0, 3 * x + channel};
  case RESNET18_FORMAT_BGR:
    return (place){0, 3 * x + 2 - channel};
  case RESNET18_FORMAT_RGBX:
    return (place){0, 4 * x + channel};
  case RESNET18_FORMAT_BGRX:
    return (place){0, 4 * x + 2 - channel};
  case RESNET18_FORMAT_XRGB:
    return (place){0, 4 * x + 1 + channel};
  case RESNET18_FORMAT_XBGR:
    return (place){0, 4 * x + 3 - channel};
  case RESNET18_FORMAT_GRAY8:
    return (place){0, x};
  case RESNET18_FORMAT_I420:
    return (place){channel, x};
  case RESNET18_FORMAT_NV12:
    return channel == 0 ? (place){0, x} : (place){1, 2 * x + channel - 1};
  case RESNET18_FORMAT_NV21:
    return channel == 0 ? (place){0, x} : (place){1, 2 * x + 2 - channel};
  case RESNET18_FORMAT_YUY2:
    return channel == 0 ? (place){0, 2 * x} : (place){0, 4 * x + 2 * channel - 1};
  case RESNET18_FORMAT_UYVY:
    return channel == 0 ? (place){0, 2 * x + 1} : (place){0, 4 * x + 2 * channel - 2};
  }
  abort();
}

uint32_t channel_width(const resnet18_image_info *info, unsigned channel) {
  return is_yuv(info->format) && channel ? (info->width + 1) / 2 : info->width;
}

uint32_t channel_height(const resnet18_image_info *info, unsigned channel) {
  bool half = info->format >= RESNET18_FORMAT_I420 && info->format <= RESNET18_FORMAT_NV21 && channel;
  return half ? (info->height + 1) / 2 : info->height;
}

static unsigned channels_of(resnet18_format format) {
  return format == RESNET18_FORMAT_GRAY8 ? 1 : 3;
}

size_t plane_width(const resnet18_image_info *info, unsigned plane) {
  size_t width = 0;
  for (unsigned c = 0; c < channels_of(info->format); c++) {
    place last = place_of(info->format, c, channel_width(info, c) - 1);
    if (last.plane == plane && last.byte + 1 > width)
      width = last.byte + 1;
  }
  return width;
}

size_t plane_height(const resnet18_image_info *info, unsigned plane) {
  return channel_height(info, plane);
}

bool planes_make(planes *to, const resnet18_image_info *info, size_t padding, sample_function sample,
                 const void *data) {
  size_t bytes = 0, start[3];
  for (unsigned p = 0; p < planes_of(info->format); p++) {
    start[p] = bytes;
    to->stride[p] = (ptrdiff_t)(plane_width(info, p) + padding);
    bytes += (size_t)to->stride[p] * plane_height(info, p);
  }
  to->memory = malloc(bytes);
  if (!to->memory)
    return false;
  memset(to->memory, 0xA5, bytes);
  for (unsigned p = 0; p < planes_of(info->format); p++)
    to->plane[p] = to->memory + start[p];
  for (unsigned c = 0; c < channels_of(info->format); c++)
    for (uint32_t y = 0; y < channel_height(info, c); y++)
      for (uint32_t x = 0; x < channel_width(info, c); x++) {
        place at = place_of(info->format, c, x);
        to->memory[start[at.plane] + (size_t)y * (size_t)to->stride[at.plane] + at.byte] = sample(x, y, c, data);
      }
  return true;
}

uint8_t planes_sample(const planes *from, const resnet18_image_info *info, unsigned channel, size_t x, size_t y) {
  place at = place_of(info->format, channel, x);
  return from->plane[at.plane][(ptrdiff_t)y * from->stride[at.plane] + (ptrdiff_t)at.byte];
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pictures of every format, sample by sample. */
#ifndef TESTS_PREPROCESS_PLANES_H
#define TESTS_PREPROCESS_PLANES_H

#include "resnet18.h"

enum { FORMATS = RESNET18_FORMAT_UYVY + 1 };

/* Where sample x of a row of a channel (R, G, B; Y, U, V; grey) lies. */
typedef struct {
  unsigned plane;
  size_t byte;
} place;

place place_of(resnet18_format format, unsigned channel, size_t x);

unsigned planes_of(resnet18_format format);
bool is_yuv(resnet18_format format);

/* Samples of the channel in a row, and rows of it. */
uint32_t channel_width(const resnet18_image_info *info, unsigned channel);
uint32_t channel_height(const resnet18_image_info *info, unsigned channel);

/* Bytes of a row and rows of a plane. */
size_t plane_width(const resnet18_image_info *info, unsigned plane);
size_t plane_height(const resnet18_image_info *info, unsigned plane);

typedef struct {
  uint8_t *memory; /* owns the planes; freed by the caller */
  const uint8_t *plane[3];
  ptrdiff_t stride[3];
} planes;

typedef uint8_t (*sample_function)(uint32_t x, uint32_t y, uint32_t channel, const void *data);

/* Planes with rows `padding` bytes longer than need be. Bytes that are no sample become 0xA5. False: out of memory. */
bool planes_make(planes *planes, const resnet18_image_info *info, size_t padding, sample_function sample,
                 const void *data);

uint8_t planes_sample(const planes *planes, const resnet18_image_info *info, unsigned channel, size_t x, size_t y);

#endif

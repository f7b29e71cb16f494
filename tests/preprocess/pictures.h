/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pictures by formula, the same as tests/preprocess/pictures.py makes, and what the tests of the preprocessing share.
 */
#ifndef TESTS_PREPROCESS_PICTURES_H
#define TESTS_PREPROCESS_PICTURES_H

#include "preprocess.h"

#include <stdlib.h>

/* Squares of noise and of gradients, with hard edges. */
static inline uint8_t picture_value(uint32_t x, uint32_t y, uint32_t c) {
  if (!(((x >> 3) ^ (y >> 3)) & 1))
    return (uint8_t)(3 * x + 5 * y + 85 * c);
  uint32_t noise = x * 0x9E3779B1u ^ y * 0x85EBCA77u ^ c * 0xC2B2AE3Du;
  noise ^= noise >> 15;
  noise *= 0x2C1B3C6Du;
  noise ^= noise >> 12;
  noise *= 0x297A2D39u;
  return (uint8_t)(noise >> 24);
}

/* Rows of `channels` interleaved bytes without padding; NULL: out of memory. */
static inline uint8_t *picture_new(uint32_t width, uint32_t height, uint32_t channels) {
  uint8_t *picture = malloc((size_t)width * height * channels), *to = picture;
  for (uint32_t y = 0; picture && y < height; y++)
    for (uint32_t x = 0; x < width; x++)
      for (uint32_t c = 0; c < channels; c++)
        *to++ = picture_value(x, y, c);
  return picture;
}

/* The kernels after `kernels` (NULL: the first) that this processor may use; NULL: no more. */
static inline const r18_resize_kernels *const *next_kernels(const r18_resize_kernels *const *kernels) {
  kernels = kernels ? kernels + 1 : r18_resize_kernels_all;
  while (*kernels && (*kernels)->set != R18_CPU_C && !((*kernels)->set & r18_cpu_sets()))
    kernels++;
  return *kernels ? kernels : NULL;
}

#endif

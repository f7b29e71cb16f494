/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* IEEE 754 binary16 to float: the definition. */
#include "half.h"

#include "../cpu.h"

#include <stdint.h>
#include <string.h>

enum { BLOCK = 4096 };

/* A subnormal is rebuilt as 2^-14 * (1 + m / 1024) - 2^-14, with normal numbers only, so that a thread that flushes
 * denormals reads the same weights. No branches: the compiler makes vector code of it. */
static inline float float_of_half(uint16_t half) {
  uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13, sign = (uint32_t)(half & 0x8000) << 16;
  uint32_t normal = magnitude + ((127 - 15) << 23);
  uint32_t infinite = magnitude + ((255 - 31) << 23); /* infinity, NaN */
  union {
    uint32_t bits;
    float value;
  } result, small = {.bits = magnitude + ((127 - 14) << 23)};
  small.value -= 0x1p-14f;
  result.bits = magnitude >= (31u << 23) ? infinite : normal;
  result.bits = magnitude < (1u << 23) ? small.bits : result.bits;
  result.bits |= sign;
  return result.value;
}

void r18_read_halves(const unsigned char *data, size_t count, float *out) {
  uint16_t half[BLOCK];
  for (size_t first = 0; first < count; first += BLOCK) {
    size_t n = count - first < BLOCK ? count - first : BLOCK;
    memcpy(half, data + 2 * first, 2 * n);
    for (size_t i = 0; i < n; i++)
      out[first + i] = float_of_half(half[i]);
  }
}

r18_half_reader r18_best_half_reader(void) {
#if defined(__x86_64__) && !defined(R18_PLAIN) /* a program of the build has no kernels */
  if (r18_cpu_sets() & R18_CPU_AVX2)
    return r18_read_halves_avx2;
#endif
  return r18_read_halves;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the x86 versions of the preprocessing share. */
#ifndef RESNET18_RESIZE_X86_H
#define RESNET18_RESIZE_X86_H

#include "resize.h"

/* Weights twice in 32 bits: broadcasting those costs no shuffle. */
typedef struct {
  uint32_t taps;
  uint32_t ahead; /* rows below these that the next output needs: worth asking the memory for */
  uint32_t weight[R18_NARROW_TAPS];
} r18_doubled_weights;

static inline void r18_double_weights(r18_doubled_weights *doubled, const r18_filter *filter, uint32_t index) {
  const uint16_t *weight = filter->weight + (size_t)index * filter->max_taps;
  uint32_t end = filter->first[index] + filter->taps[index], next = end;
  if (index + 1 < filter->count)
    next = filter->first[index + 1] + filter->taps[index + 1];
  doubled->taps = filter->taps[index];
  doubled->ahead = next > end ? next - end : 0;
  for (uint32_t k = 0; k < doubled->taps; k++)
    doubled->weight[k] = weight[k] * 0x10001u;
}

/* A colour conversion for numbers from which 32768 was taken, so that they are signed: pairs of 16-bit factors for
 * (channel 0, channel 1) and (channel 2, 0). The sums wrap around to the same 32 bits. */
typedef struct {
  int32_t yu[3], v[3], offset[3];
} r18_paired_color;

static inline r18_paired_color r18_pair_color(const r18_color *color) {
  r18_paired_color paired;
  for (int c = 0; c < 3; c++) {
    const int32_t *m = color->m[c];
    paired.yu[c] = (int32_t)((uint32_t)m[0] & 0xffff) | (int32_t)((uint32_t)m[1] << 16);
    paired.v[c] = (int32_t)((uint32_t)m[2] & 0xffff);
    paired.offset[c] = (int32_t)((uint32_t)color->offset[c] + ((uint32_t)(m[0] + m[1] + m[2]) << 15));
  }
  return paired;
}

/* turn_back of the AVX2 kernels; every processor with AVX-512 has AVX2. */
void r18_turn_back_avx2(uint8_t *rgb, size_t pitch, const uint8_t *in, size_t rows, size_t bytes);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables of int8 kernels, best first. */
#include "conv_u8.h"
#include "quantize.h"

#define ALL_KINDS(table) &(table)[0], &(table)[1], &(table)[2], &(table)[3], &(table)[4]

const r18_conv_kernel *const r18_conv_kernels_u8[] = {
#ifdef __x86_64__
    &r18_conv_winograd2_u8_avx512vnni[0],
    &r18_conv_winograd2_u8_avx512vnni[1],
    ALL_KINDS(r18_conv_u8_avx512vnni),
    ALL_KINDS(r18_conv_u8_avx2vnni),
    ALL_KINDS(r18_conv_u8_avx512),
    ALL_KINDS(r18_conv_u8_avx2),
#endif
#ifdef __aarch64__
    ALL_KINDS(r18_conv_u8_dotprod),
    ALL_KINDS(r18_conv_u8_neon),
#endif
    &r18_conv_stem_u8_c,
    &r18_conv_winograd2_u8_c,
    &r18_conv_direct_u8_c,
    NULL,
};

size_t r18_int8_weights(const r18_conv *conv, bool positions) {
  return (size_t)conv->in_channels * (positions ? R18_POSITIONS : conv->kernel * conv->kernel);
}

bool r18_pack_floats(const r18_conv_kernel *kernel, const r18_conv *conv, unsigned first, const float *weights,
                     const float *bias, void *packed) {
  float scale[R18_PACK_GROUP * R18_POSITIONS];
  if (kernel->pack)
    return kernel->pack(conv, first, weights, bias, packed);
  int8_t *quantized = malloc(R18_PACK_GROUP * r18_int8_weights(conv, kernel->positions));
  const r18_int8_group group = {.weights = quantized, .scale = scale, .bias = bias};
  const bool good = quantized && kernel->quantize(conv, weights, quantized, scale);
  if (good)
    kernel->pack_int8(conv, first, &group, packed);
  free(quantized);
  return good;
}

const r18_plain_kernel *const r18_avgpool_kernels_u8[] = {
    &r18_avgpool_u8_c,
    NULL,
};

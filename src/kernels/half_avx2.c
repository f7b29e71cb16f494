/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* IEEE 754 binary16 to float with F16C. */
#include "half.h"

#if !defined(__AVX2__) || !defined(__F16C__)
#error "this file needs -mavx2 -mf16c"
#endif

#include <immintrin.h>
#include <string.h>

void r18_read_halves_avx2(const unsigned char *data, size_t count, float *out) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8)
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(data + 2 * i))));
  for (; i < count; i++) {
    unsigned short half;
    memcpy(&half, data + 2 * i, sizeof half);
    out[i] = _cvtsh_ss(half);
  }
}

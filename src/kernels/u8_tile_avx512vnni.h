/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Register tile of the u8 convolutions with AVX512-VNNI: 14 or 8 or 7 pixels by 32 output channels.
 *
 * Written as assembly because gcc 12 spills the 28 accumulators of the intrinsic. */
#ifndef RESNET18_U8_TILE_AVX512VNNI_H
#define RESNET18_U8_TILE_AVX512VNNI_H

#include "u8_tile.h"

enum { BLOCK = 32, TAKEN_OFF = 0 };
typedef int8_t tile_weight;

/* Where channel `k` of quad `quad` of output channel `lane` lies. */
static inline size_t weight_index(size_t quad, size_t lane, size_t k) {
  return (quad * BLOCK + lane) * 4 + k;
}

#define PIXEL(address, a, b)                                                                                           \
  "vpbroadcastd " address ", %%zmm30\n\t"                                                                              \
  "vpdpbusd %%zmm28, %%zmm30, %%zmm" #a "\n\t"                                                                         \
  "vpdpbusd %%zmm29, %%zmm30, %%zmm" #b "\n\t"

#define WEIGHTS(at0, at1)                                                                                              \
  "vmovdqa64 " at0 "(%[w]), %%zmm28\n\t"                                                                               \
  "vmovdqa64 " at1 "(%[w]), %%zmm29\n\t"

#define SEVEN(at, p, a0, b0, a1, b1, a2, b2, a3, b3, a4, b4, a5, b5, a6, b6)                                           \
  PIXEL(at "(%[" p "])", a0, b0)                                                                                       \
  PIXEL(at "(%[" p "],%[s])", a1, b1)                                                                                  \
  PIXEL(at "(%[" p "],%[s],2)", a2, b2)                                                                                \
  PIXEL(at "(%[" p "],%[s3])", a3, b3)                                                                                 \
  PIXEL(at "(%[" p "],%[s],4)", a4, b4)                                                                                \
  PIXEL(at "(%[" p "],%[s5])", a5, b5)                                                                                 \
  PIXEL(at "(%[" p "],%[s3],2)", a6, b6)

#define GROUP0(at) SEVEN(at, "x0", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13)
#define GROUP1(at) SEVEN(at, "x1", 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27)

#define START(a, b)                                                                                                    \
  "vmovdqa64 %%zmm28, %%zmm" #a "\n\t"                                                                                 \
  "vmovdqa64 %%zmm29, %%zmm" #b "\n\t"
#define START7(a0, b0, a1, b1, a2, b2, a3, b3, a4, b4, a5, b5, a6, b6)                                                 \
  START(a0, b0) START(a1, b1) START(a2, b2) START(a3, b3) START(a4, b4) START(a5, b5) START(a6, b6)

#define STORE(at0, a, at1, b)                                                                                          \
  "vmovdqa64 %%zmm" #a ", " at0 "(%[out])\n\t"                                                                         \
  "vmovdqa64 %%zmm" #b ", " at1 "(%[out])\n\t"

#define STORE0                                                                                                         \
  STORE("0", 0, "64", 1)                                                                                               \
  STORE("128", 2, "192", 3)                                                                                            \
  STORE("256", 4, "320", 5)                                                                                            \
  STORE("384", 6, "448", 7) STORE("512", 8, "576", 9) STORE("640", 10, "704", 11) STORE("768", 12, "832", 13)
#define STORE1                                                                                                         \
  STORE("896", 14, "960", 15)                                                                                          \
  STORE("1024", 16, "1088", 17)                                                                                        \
  STORE("1152", 18, "1216", 19)                                                                                        \
  STORE("1280", 20, "1344", 21)                                                                                        \
  STORE("1408", 22, "1472", 23) STORE("1536", 24, "1600", 25) STORE("1664", 26, "1728", 27)

/* The loops: rows of pairs of quads (a quad is the four channels of one vpdpbusd). */
#define LOOPS(advance0, advance1)                                                                                      \
  "1:\n\t"                                                                                                             \
  "mov %[pairs], %[n]\n\t"                                                                                             \
  "2:\n\t" WEIGHTS("0", "64") advance0 WEIGHTS("128", "192") advance1 "add $256, %[w]\n\t"

#define LOOP_ENDS                                                                                                      \
  "dec %[n]\n\t"                                                                                                       \
  "jnz 2b\n\t"                                                                                                         \
  "add %[skip], %[x0]\n\t"                                                                                             \
  "add %[skip], %[x1]\n\t"                                                                                             \
  "dec %[rows]\n\t"                                                                                                    \
  "jnz 1b\n\t"

#define CLOBBERS                                                                                                       \
  "memory", "cc", "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10", "zmm11",    \
      "zmm12", "zmm13", "zmm14", "zmm15", "zmm16", "zmm17", "zmm18", "zmm19", "zmm20", "zmm21", "zmm22", "zmm23",      \
      "zmm24", "zmm25", "zmm26", "zmm27", "zmm28", "zmm29", "zmm30"

static inline void tile_14(const tile_source *t, const void *weights, const int32_t *start, int32_t *out) {
  const uint8_t *x0 = t->x[0], *x1 = t->x[1];
  size_t s = t->step, rows = t->rows, n;
  __asm__ volatile(
      "vmovdqu64 (%[start]), %%zmm28\n\t"
      "vmovdqu64 64(%[start]), %%zmm29\n\t" START7(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13)
          START7(14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27)
              LOOPS(GROUP0("0") GROUP1("0"), GROUP0("4") GROUP1("4")) "add %[pair], %[x0]\n\t"
                                                                      "add %[pair], %[x1]\n\t" LOOP_ENDS STORE0 STORE1
      : [x0] "+r"(x0), [x1] "+r"(x1), [w] "+r"(weights), [rows] "+r"(rows), [n] "=&r"(n)
      : [s] "r"(s), [s3] "r"(3 * s), [s5] "r"(5 * s), [pairs] "r"((size_t)t->pairs), [pair] "r"(t->pair),
        [skip] "r"(t->row - t->pairs * t->pair), [start] "r"(start), [out] "r"(out)
      : CLOBBERS);
}

static inline void tile_7(const tile_source *t, const void *weights, const int32_t *start, int32_t *out) {
  const uint8_t *x0 = t->x[0], *x1 = t->x[0];
  size_t s = t->step, rows = t->rows, n;
  __asm__ volatile("vmovdqu64 (%[start]), %%zmm28\n\t"
                   "vmovdqu64 64(%[start]), %%zmm29\n\t" START7(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13)
                       LOOPS(GROUP0("0"), GROUP0("4")) "add %[pair], %[x0]\n\t" LOOP_ENDS STORE0
                   : [x0] "+r"(x0), [x1] "+r"(x1), [w] "+r"(weights), [rows] "+r"(rows), [n] "=&r"(n)
                   : [s] "r"(s), [s3] "r"(3 * s), [s5] "r"(5 * s), [pairs] "r"((size_t)t->pairs), [pair] "r"(t->pair),
                     [skip] "r"(t->row - t->pairs * t->pair), [start] "r"(start), [out] "r"(out)
                   : CLOBBERS);
}

/* x[1] is the eighth pixel. */
static inline void tile_8(const tile_source *t, const void *weights, const int32_t *start, int32_t *out) {
  const uint8_t *x0 = t->x[0], *x1 = t->x[1];
  size_t s = t->step, rows = t->rows, n;
  __asm__ volatile(
      "vmovdqu64 (%[start]), %%zmm28\n\t"
      "vmovdqu64 64(%[start]), %%zmm29\n\t" START7(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13) START(14, 15) LOOPS(
          GROUP0("0") PIXEL("(%[x1])", 14, 15),
          GROUP0("4") PIXEL("4(%[x1])", 14, 15)) "add %[pair], %[x0]\n\t"
                                                 "add %[pair], %[x1]\n\t" LOOP_ENDS STORE0 STORE("896", 14, "960", 15)
      : [x0] "+r"(x0), [x1] "+r"(x1), [w] "+r"(weights), [rows] "+r"(rows), [n] "=&r"(n)
      : [s] "r"(s), [s3] "r"(3 * s), [s5] "r"(5 * s), [pairs] "r"((size_t)t->pairs), [pair] "r"(t->pair),
        [skip] "r"(t->row - t->pairs * t->pair), [start] "r"(start), [out] "r"(out)
      : CLOBBERS);
}

#endif

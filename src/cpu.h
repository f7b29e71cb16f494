/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which instruction sets may be used. */
#ifndef RESNET18_CPU_H
#define RESNET18_CPU_H

/* A kernel names the one set it needs. */
typedef enum {
  R18_CPU_C = 0,
  R18_CPU_AVX2 = 1u << 0,       /* AVX2, FMA, F16C */
  R18_CPU_AVX2VNNI = 1u << 1,   /* AVX2 + AVX-VNNI */
  R18_CPU_AVX512 = 1u << 2,     /* AVX-512 F, BW, CD, DQ, VL */
  R18_CPU_AVX512VNNI = 1u << 3, /* AVX512 + AVX512_VNNI */
  R18_CPU_NEON = 1u << 4,       /* aarch64 */
  R18_CPU_DOTPROD = 1u << 5,    /* aarch64 with UDOT/SDOT */
  R18_CPU_BLAS = 1u << 6        /* OpenBLAS, where no kernel of our own fits */
} r18_cpu_set;

/* The sets that the processor and the operating system offer (CPUID and XCR0; HWCAP), cut down by RESNET18_CPU.
 * Read once. */
unsigned r18_cpu_sets(void);

/* "avx512vnni" for R18_CPU_AVX512VNNI, "c" for R18_CPU_C. */
const char *r18_cpu_set_name(r18_cpu_set set);

#endif

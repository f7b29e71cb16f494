/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which instruction sets may be used, and how many threads. */
#include "cpu.h"

#include "cpu_quota.h"
#include "resnet18.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#ifndef HWCAP_ASIMDDP
#define HWCAP_ASIMDDP (1ul << 20)
#endif
#endif

/* From the lowest to the best; a set's row names every set that it allows besides itself. */
static const struct {
  r18_cpu_set set;
  const char *name;
  unsigned allows;
} sets[] = {
    {R18_CPU_C, "c", 0},
    {R18_CPU_BLAS, "blas", 0},
    {R18_CPU_AVX2, "avx2", R18_CPU_BLAS},
    {R18_CPU_AVX2VNNI, "avx2vnni", R18_CPU_AVX2 | R18_CPU_BLAS},
    {R18_CPU_AVX512, "avx512", R18_CPU_AVX2 | R18_CPU_BLAS},
    {R18_CPU_AVX512VNNI, "avx512vnni", R18_CPU_AVX512 | R18_CPU_AVX2VNNI | R18_CPU_AVX2 | R18_CPU_BLAS},
    {R18_CPU_NEON, "neon", R18_CPU_BLAS},
    {R18_CPU_DOTPROD, "dotprod", R18_CPU_NEON | R18_CPU_BLAS},
};
enum { SETS = sizeof sets / sizeof *sets };

static unsigned offered, allowed;
static char description[96];

#if defined(__x86_64__)
enum { XCR0_AVX = 0x6, XCR0_AVX512 = 0xe6 };

static unsigned extended_control_register(void) {
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

static unsigned detect(void) {
  unsigned a, b, c, d, found = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d))
    return 0;
  const unsigned needed = bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C;
  if ((c & needed) != needed)
    return 0;
  /* The operating system must save the wide registers, too. */
  unsigned xcr0 = extended_control_register();
  if ((xcr0 & XCR0_AVX) != XCR0_AVX || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
    return 0;
  const unsigned leaf7_b = b, leaf7_c = c;
  if (!(leaf7_b & bit_AVX2))
    return 0;
  found |= R18_CPU_AVX2;
  if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << 4)))
    found |= R18_CPU_AVX2VNNI;
  const unsigned avx512 = bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL;
  if ((leaf7_b & avx512) == avx512 && (xcr0 & XCR0_AVX512) == XCR0_AVX512) {
    found |= R18_CPU_AVX512;
    if (leaf7_c & (1u << 11))
      found |= R18_CPU_AVX512VNNI;
  }
  return found;
}
#elif defined(__aarch64__)
static unsigned detect(void) {
  return R18_CPU_NEON | (getauxval(AT_HWCAP) & HWCAP_ASIMDDP ? R18_CPU_DOTPROD : 0);
}
#else
static unsigned detect(void) {
  return 0;
}
#endif

/* An unknown name allows everything: the variable is for tests and must not turn a typo into a slow program without a
 * trace; resnet18_cpu() shows what is in force. */
static unsigned mask_from_environment(void) {
  const char *best = getenv("RESNET18_CPU");
  for (unsigned i = 0; best && i < SETS; i++)
    if (strcmp(best, sets[i].name) == 0)
      return sets[i].set | sets[i].allows;
  return ~0u;
}

static void initialise(void) {
  offered = detect() | R18_CPU_BLAS;
  allowed = offered & mask_from_environment();
  for (unsigned i = SETS; i-- > 0;) {
    if (sets[i].set != R18_CPU_C && !(allowed & sets[i].set))
      continue;
    size_t used = strlen(description);
    snprintf(description + used, sizeof description - used, "%s%s", used ? " " : "", sets[i].name);
  }
}

static void ready(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, initialise);
}

unsigned r18_cpu_sets(void) {
  ready();
  return allowed;
}

const char *resnet18_cpu(void) {
  ready();
  return description;
}

const char *r18_cpu_set_name(r18_cpu_set set) {
  for (unsigned i = 0; i < SETS; i++)
    if (sets[i].set == set)
      return sets[i].name;
  return "?";
}

/* ---- How many threads --------------------------------------------------------------------------------- */

unsigned resnet18_cpu_count(void) {
  cpu_set_t affinity;
  unsigned count = 1;
  if (sched_getaffinity(0, sizeof affinity, &affinity) == 0)
    count = (unsigned)CPU_COUNT(&affinity);
  return r18_cpu_quota("", count);
}

const char *resnet18_version(void) {
  return RESNET18_VERSION;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The most arithmetic that the processor does in a second. Each loop keeps enough independent accumulators in flight
 * to hide the latency of the multiply-add (4 cycles x 2 units on today's cores), and touches no memory. */
#include "peak.h"

#include <glib.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

enum { CHAINS = 12, TURNS = 20000 };

/* One call does `flop` operations; the result keeps the compiler from leaving them out. */
typedef struct {
  const char *set;
  bool int8;
  float (*loop)(void);
  double flop;
} peak_loop;

#define KEEP(x, constraint) __asm__ volatile("" : "+" constraint(x))

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static float fp32_avx512(void) {
  __m512 a[CHAINS], x = _mm512_set1_ps(0.5f);
  for (int i = 0; i < CHAINS; i++)
    a[i] = _mm512_set1_ps((float)i);
  for (int turn = 0; turn < TURNS; turn++)
#pragma GCC unroll 12 /* else the accumulators live in memory */
    for (int i = 0; i < CHAINS; i++) {
      a[i] = _mm512_fmadd_ps(a[i], x, x);
      KEEP(a[i], "v");
    }
  for (int i = 1; i < CHAINS; i++)
    a[0] = _mm512_add_ps(a[0], a[i]);
  return _mm512_reduce_add_ps(a[0]);
}

__attribute__((target("avx2,fma"))) static float fp32_avx2(void) {
  __m256 a[CHAINS], x = _mm256_set1_ps(0.5f);
  for (int i = 0; i < CHAINS; i++)
    a[i] = _mm256_set1_ps((float)i);
  for (int turn = 0; turn < TURNS; turn++)
#pragma GCC unroll 12 /* else the accumulators live in memory */
    for (int i = 0; i < CHAINS; i++) {
      a[i] = _mm256_fmadd_ps(a[i], x, x);
      KEEP(a[i], "x");
    }
  for (int i = 1; i < CHAINS; i++)
    a[0] = _mm256_add_ps(a[0], a[i]);
  return _mm256_cvtss_f32(a[0]);
}

__attribute__((target("avx512f,avx512vnni"))) static float int8_avx512vnni(void) {
  __m512i a[CHAINS], x = _mm512_set1_epi8(1);
  for (int i = 0; i < CHAINS; i++)
    a[i] = _mm512_set1_epi32(i);
  for (int turn = 0; turn < TURNS; turn++)
#pragma GCC unroll 12 /* else the accumulators live in memory */
    for (int i = 0; i < CHAINS; i++) {
      a[i] = _mm512_dpbusd_epi32(a[i], x, x);
      KEEP(a[i], "v");
    }
  for (int i = 1; i < CHAINS; i++)
    a[0] = _mm512_add_epi32(a[0], a[i]);
  return (float)_mm512_reduce_add_epi32(a[0]);
}

/* Without dot products: multiply pairs, add the pairs of 16 bits, add to the sum. */
__attribute__((target("avx2"))) static float int8_avx2(void) {
  __m256i a[CHAINS], x = _mm256_set1_epi8(1), one = _mm256_set1_epi16(1);
  for (int i = 0; i < CHAINS; i++)
    a[i] = _mm256_set1_epi32(i);
  for (int turn = 0; turn < TURNS; turn++)
#pragma GCC unroll 12 /* else the accumulators live in memory */
    for (int i = 0; i < CHAINS; i++) {
      __m256i y = x;
      KEEP(y, "x");
      a[i] = _mm256_add_epi32(a[i], _mm256_madd_epi16(_mm256_maddubs_epi16(y, x), one));
      KEEP(a[i], "x");
    }
  for (int i = 1; i < CHAINS; i++)
    a[0] = _mm256_add_epi32(a[0], a[i]);
  return (float)_mm256_extract_epi32(a[0], 0);
}
#elif defined(__aarch64__)
static float fp32_neon(void) {
  float32x4_t a[CHAINS], x = vdupq_n_f32(0.5f);
  for (int i = 0; i < CHAINS; i++)
    a[i] = vdupq_n_f32((float)i);
  for (int turn = 0; turn < TURNS; turn++)
#pragma GCC unroll 12 /* else the accumulators live in memory */
    for (int i = 0; i < CHAINS; i++) {
      a[i] = vfmaq_f32(x, a[i], x);
      KEEP(a[i], "w");
    }
  for (int i = 1; i < CHAINS; i++)
    a[0] = vaddq_f32(a[0], a[i]);
  return vaddvq_f32(a[0]);
}
#endif

/* Operations of one loop whose registers hold `lanes` multiply-adds. */
#define FLOP(lanes) (2.0 * (lanes)*CHAINS * TURNS)

static const peak_loop loops[] = {
#if defined(__x86_64__)
    {"avx512vnni", false, fp32_avx512, FLOP(16)},
    {"avx512", false, fp32_avx512, FLOP(16)},
    {"avx2vnni", false, fp32_avx2, FLOP(8)},
    {"avx2", false, fp32_avx2, FLOP(8)},
    {"avx512vnni", true, int8_avx512vnni, FLOP(64)},
    {"avx2", true, int8_avx2, FLOP(32)},
#elif defined(__aarch64__)
    {"neon", false, fp32_neon, FLOP(4)},
    {"dotprod", false, fp32_neon, FLOP(4)},
#endif
    {NULL, false, NULL, 0.0},
};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Best rate of one thread in about 0.2 s. */
static gpointer measure(gpointer data) {
  const peak_loop *p = data;
  double *best = g_new0(double, 1);
  const double end = now() + 0.2;
  volatile float sink = 0.0f;
  while (now() < end) {
    const double start = now();
    sink += p->loop();
    *best = MAX(*best, p->flop / (now() - start));
  }
  return best;
}

double peak_measure(const char *set, bool int8, unsigned threads) {
  const peak_loop *p = loops;
  while (p->set && (strcmp(p->set, set) != 0 || p->int8 != int8))
    p++;
  if (p->set == NULL)
    return 0.0;
  GThread **thread = g_new(GThread *, threads);
  double sum = 0.0;
  for (unsigned i = 0; i < threads; i++)
    thread[i] = g_thread_new("peak", measure, (gpointer)p);
  for (unsigned i = 0; i < threads; i++) {
    double *rate = g_thread_join(thread[i]);
    sum += *rate;
    g_free(rate);
  }
  g_free(thread);
  return sum;
}

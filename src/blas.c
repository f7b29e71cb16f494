/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* OpenBLAS, by dlopen: a process that runs our own kernels never pays for its start (threads, tens of MB). */
#include "blas.h"

#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111 };

typedef void (*cblas_sgemm_function)(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                                     const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);

static cblas_sgemm_function sgemm;
static r18_gemm usable;
static char state[256];

/* A serial build of OpenBLAS may not be entered by two threads at once (its buffers are shared; only USE_LOCKING builds
 * guard them, and none says whether it is one), so the products of a process take turns. A threaded build is entered
 * freely. */
static bool takes_turns;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static void call_sgemm(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float *c, int ldc) {
  if (takes_turns)
    pthread_mutex_lock(&turn);
  sgemm(ROW_MAJOR, NO_TRANSPOSE, NO_TRANSPOSE, m, n, k, 1.0f, a, lda, b, ldb, 0.0f, c, ldc);
  if (takes_turns)
    pthread_mutex_unlock(&turn);
}

/* Deterministic values in [-1, 1). */
static void fill(float *values, int count, unsigned seed) {
  for (int i = 0; i < count; i++) {
    seed = seed * 1664525u + 1013904223u;
    values[i] = (float)(int)(seed >> 8) / 8388608.0f - 1.0f;
  }
}

/* |error| of a dot product of length k is at most k * epsilon * sum |a*b| (Higham, Accuracy and Stability, 3.1). */
static bool product_is_right(r18_gemm gemm, int m, int n, int k) {
  const int count = m * k + k * n + m * n;
  float *a = malloc(sizeof *a * (size_t)count);
  if (!a)
    return false;
  float *b = a + m * k, *c = b + k * n;
  fill(a, m * k + k * n, (unsigned)(m * 31 + n * 17 + k));
  for (int i = 0; i < m * n; i++)
    c[i] = NAN; /* beta 0 must not read it */
  gemm(m, n, k, a, k, b, n, c, n);
  bool right = true;
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++) {
      double sum = 0, magnitude = 0;
      for (int l = 0; l < k; l++) {
        double product = (double)a[i * k + l] * b[l * n + j];
        sum += product;
        magnitude += fabs(product);
      }
      right = right && fabs(c[i * n + j] - sum) <= k * 0x1p-23 * magnitude;
    }
  free(a);
  return right;
}

bool r18_gemm_is_right(r18_gemm gemm) {
  static const int shapes[][3] = {{1, 1, 1}, {7, 64, 147}, {49, 65, 130}, {33, 128, 576}, {64, 17, 300}};
  for (unsigned i = 0; i < sizeof shapes / sizeof *shapes; i++)
    if (!product_is_right(gemm, shapes[i][0], shapes[i][1], shapes[i][2]))
      return false;
  return true;
}

/* The serial build first: it has no threads. A threaded build is used only if it is alone ours to set to one thread, or
 * its owner has done so. */
static void *open_library(bool *was_loaded) {
  static const char *const serial[] = {
#if defined(__x86_64__)
    "/usr/lib/x86_64-linux-gnu/openblas-serial/libopenblas.so.0",
#elif defined(__aarch64__)
    "/usr/lib/aarch64-linux-gnu/openblas-serial/libopenblas.so.0",
#endif
    "libopenblas-serial.so.0",
    "libopenblas_serial.so.0"
  };
  *was_loaded = false;
  for (unsigned i = 0; i < sizeof serial / sizeof *serial; i++) {
    void *library = dlopen(serial[i], RTLD_NOW | RTLD_LOCAL);
    if (library)
      return library;
  }
  void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_NOLOAD | RTLD_LOCAL);
  *was_loaded = library != NULL;
  return library ? library : dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
}

static bool is_single_threaded(void *library, bool was_loaded) {
  void (*set_threads)(int) = (void (*)(int))dlsym(library, "openblas_set_num_threads");
  int (*get_threads)(void) = (int (*)(void))dlsym(library, "openblas_get_num_threads");
  if (!was_loaded && set_threads)
    set_threads(1);
  return get_threads && get_threads() == 1;
}

static bool is_serial_build(void *library) {
  int (*parallel)(void) = (int (*)(void))dlsym(library, "openblas_get_parallel");
  return !parallel || parallel() == 0;
}

static void load(void) {
  bool was_loaded;
  void *library = open_library(&was_loaded);
  if (!library) {
    snprintf(state, sizeof state, "OpenBLAS is not installed");
    return;
  }
  char *(*configuration)(void) = (char *(*)(void))dlsym(library, "openblas_get_config");
  const char *name = configuration ? configuration() : "OpenBLAS";
  sgemm = (cblas_sgemm_function)dlsym(library, "cblas_sgemm");
  takes_turns = is_serial_build(library);
  if (!sgemm)
    snprintf(state, sizeof state, "%s has no cblas_sgemm", name);
  else if (!is_single_threaded(library, was_loaded))
    snprintf(state, sizeof state, "%s is loaded in this process with threads of its own", name);
  else if (!r18_gemm_is_right(call_sgemm))
    snprintf(state, sizeof state, "%s computes wrong numbers on this CPU (see OPENBLAS_CORETYPE); not used", name);
  else {
    snprintf(state, sizeof state, "%s", name);
    usable = call_sgemm;
  }
}

static void ready(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, load);
}

r18_gemm r18_blas_gemm(void) {
  ready();
  return usable;
}

const char *r18_blas_state(void) {
  ready();
  return state;
}

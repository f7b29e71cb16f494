/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What keeps an OpenBLAS that computes wrong numbers, or brings threads of its own, out of the engine. */
#include "blas.h"
#include "plain_gemm.h"
#include "resnet18.h"

#include <dlfcn.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Wrong in one element of wide products only, as a broken edge kernel is. */
static void wrong_edge(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float *c, int ldc) {
  plain_gemm(m, n, k, a, lda, b, ldb, c, ldc);
  if (n % 16 == 1)
    c[n - 1] += 0.01f;
}

static void reads_c(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float *c, int ldc) {
  const float before = c[0];
  plain_gemm(m, n, k, a, lda, b, ldb, c, ldc);
  c[0] += 0.0f * before; /* NaN where C was not cleared */
}

static void wrong_products_are_found(void **state) {
  assert_true(r18_gemm_is_right(plain_gemm));
  assert_false(r18_gemm_is_right(wrong_edge));
  assert_false(r18_gemm_is_right(reads_c));
}

/* ---- Libraries that are not there ----------------------------------------------------------------------- */

/* What dlopen and dlsym find. */
typedef enum { INSTALLED, NONE, WITHOUT_PRODUCT, OF_ANOTHER_OWNER, WRONG, THREADED } library;
static library found;
static int threads;

static void product(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda,
                    const float *b, int ldb, float beta, float *c, int ldc) {
  (found == WRONG ? wrong_edge : plain_gemm)(m, n, k, a, lda, b, ldb, c, ldc);
}

static char *configuration(void) {
  static char text[] = "OpenBLAS of the test";
  return text;
}

static void set_threads(int count) {
  threads = count;
}

static int get_threads(void) {
  return threads;
}

static int parallel(void) {
  return found == THREADED;
}

void *__real_dlopen(const char *name, int flags);
void *__wrap_dlopen(const char *name, int flags);
void *__wrap_dlopen(const char *name, int flags) {
  if (found == INSTALLED)
    return __real_dlopen(name, flags);
  const bool is_serial = strstr(name, "serial") != NULL, is_loaded = found == OF_ANOTHER_OWNER;
  if (found == NONE || (is_serial && (found == THREADED || is_loaded)) || ((flags & RTLD_NOLOAD) && !is_loaded))
    return NULL;
  return &found;
}

void *__real_dlsym(void *handle, const char *name);
void *__wrap_dlsym(void *handle, const char *name);
void *__wrap_dlsym(void *handle, const char *name) {
  static const struct {
    const char *name;
    void (*function)(void);
  } all[] = {{"cblas_sgemm", (void (*)(void))product},
             {"openblas_get_config", (void (*)(void))configuration},
             {"openblas_set_num_threads", (void (*)(void))set_threads},
             {"openblas_get_num_threads", (void (*)(void))get_threads},
             {"openblas_get_parallel", (void (*)(void))parallel}};
  if (found == INSTALLED)
    return __real_dlsym(handle, name);
  for (size_t i = found == WITHOUT_PRODUCT; i < sizeof all / sizeof *all; i++)
    if (strcmp(all[i].name, name) == 0)
      return *(void *const *)&all[i].function;
  return NULL;
}

/* In a process of its own, because a library is looked for once. */
static void try_library(library kind, const char *sentence) {
  const bool good = kind == THREADED;
  float one = 3, two = 5, three = 0;
  found = kind;
  threads = 4;
  assert_string_equal(r18_blas_state(), sentence);
  assert_int_equal(r18_blas_gemm() != NULL, good);
  if (good) {
    assert_int_equal(threads, 1); /* it is ours alone */
    r18_blas_gemm()(1, 1, 1, &one, 1, &two, 1, &three, 1);
    assert_true(three == 15);
  } else {
    resnet18_model *model;
    resnet18_session *session;
    assert_int_equal(resnet18_model_load(NULL, &model, NULL), RESNET18_OK);
    const resnet18_session_options options = {.precision = RESNET18_PRECISION_FP32, .threads = 1};
    assert_int_equal(resnet18_session_new(model, &options, &session, NULL), RESNET18_OK);
    assert_string_equal(resnet18_session_kernels(session), "c");
    assert_string_equal(resnet18_session_warning(session), sentence);
    resnet18_session_free(session);
    resnet18_model_unref(model);
  }
  if (kind == OF_ANOTHER_OWNER)
    assert_int_equal(threads, 4); /* left to its owner */
}

static void other_libraries_are_explained(void **state) {
  static const struct {
    library kind;
    const char *sentence;
  } cases[] = {
      {NONE, "OpenBLAS is not installed"},
      {WITHOUT_PRODUCT, "OpenBLAS of the test has no cblas_sgemm"},
      {OF_ANOTHER_OWNER, "OpenBLAS of the test is loaded in this process with threads of its own"},
      {WRONG, "OpenBLAS of the test computes wrong numbers on this CPU (see OPENBLAS_CORETYPE); not used"},
      {THREADED, "OpenBLAS of the test"},
  };
  setenv("RESNET18_CPU", "blas", 1);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int status;
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
      try_library(cases[i].kind, cases[i].sentence);
      exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
  }
}

static void installed_library_is_right_or_explained(void **state) {
  print_message("%s\n", r18_blas_state());
  assert_true(strlen(r18_blas_state()) > 0);
  if (r18_blas_gemm())
    assert_true(r18_gemm_is_right(r18_blas_gemm()));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(wrong_products_are_found),
      cmocka_unit_test(other_libraries_are_explained),
      cmocka_unit_test(installed_library_is_right_or_explained),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From logits to scores: softmax, the best classes, the uncertainty. */
#include "resnet18.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = 1000 };

/* The definition in long double. exp, the division and the rounding to float are each off by at most an ulp or so of
 * FLT_EPSILON / 2; the difference of the logits is off by half an ulp of itself, which exp turns into a relative
 * error. */
static void check_softmax(const float *logits, size_t count) {
  float scores[MANY];
  long double largest = -INFINITY, sum = 0, total = 0;
  for (size_t i = 0; i < count; i++)
    largest = logits[i] > largest ? logits[i] : largest;
  for (size_t i = 0; i < count; i++)
    sum += expl(logits[i] - largest);
  resnet18_softmax(logits, count, scores);
  for (size_t i = 0; i < count; i++) {
    const long double expected = expl(logits[i] - largest) / sum, below = largest - logits[i];
    assert_true(fabsl(scores[i] - expected) <= expected * FLT_EPSILON * (4 + below) + FLT_MIN);
    total += scores[i];
  }
  assert_true(fabsl(total - 1) <= count * (FLT_EPSILON / 2));
}

static void test_softmax(void **state) {
  (void)state;
  float logits[MANY];
  srand(1);
  static const float scales[] = {0.001f, 1.0f, 20.0f, 1e4f, 1e30f};
  static const float shifts[] = {0.0f, 150.0f, -150.0f, 3e38f};
  for (size_t s = 0; s < 5; s++)
    for (size_t h = 0; h < 4; h++) {
      for (size_t i = 0; i < MANY; i++)
        logits[i] = shifts[h] - scales[s] * (float)(rand() % 1000) / 1000;
      check_softmax(logits, MANY);
      check_softmax(logits, 1);
      check_softmax(logits, 2);
    }
}

static void test_softmax_of_infinities(void **state) {
  (void)state;
  static const float in[][3] = {
      {-INFINITY, 1, 1},  {INFINITY, 1, INFINITY}, {-INFINITY, -INFINITY, -INFINITY}, {INFINITY, 0, -3}, {1, NAN, 2},
      {INFINITY, NAN, 0}, {FLT_MAX, -FLT_MAX, 0}};
  static const float out[][3] = {{0, 0.5f, 0.5f}, {0.5f, 0, 0.5f}, {1 / 3.0f, 1 / 3.0f, 1 / 3.0f},
                                 {1, 0, 0},       {NAN, NAN, NAN}, {NAN, NAN, NAN},
                                 {1, 0, 0}};
  for (size_t i = 0; i < sizeof in / sizeof *in; i++) {
    float scores[3];
    memcpy(scores, in[i], sizeof scores);
    resnet18_softmax(scores, 3, scores); /* in place */
    for (size_t k = 0; k < 3; k++)
      assert_true(isnan(out[i][k]) ? isnan(scores[k]) : scores[k] == out[i][k]);
  }
}

static int best_first(const void *a, const void *b) {
  const resnet18_class *x = a, *y = b;
  if (x->score != y->score)
    return x->score > y->score ? -1 : 1;
  return (x->index > y->index) - (x->index < y->index);
}

/* Against a sort of everything, with many equal scores and some NaN. */
static void test_top_k(void **state) {
  (void)state;
  static const size_t counts[] = {1, 2, 5, 20, 999, MANY, MANY + 7};
  float scores[MANY];
  srand(2);
  for (int round = 0; round < 20; round++) {
    resnet18_class all[MANY], best[MANY + 7];
    size_t good = 0;
    const float threshold = round % 3 ? 0.25f : 0.0f;
    for (size_t i = 0; i < MANY; i++) {
      scores[i] = i % 50 == 3 ? NAN : (float)(rand() % 100) / 100;
      if (scores[i] >= threshold)
        all[good++] = (resnet18_class){.index = (uint32_t)i, .score = scores[i]};
    }
    qsort(all, good, sizeof *all, best_first);
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
      const size_t expected = counts[c] < good ? counts[c] : good;
      assert_int_equal(resnet18_top_k(scores, MANY, counts[c], threshold, best), expected);
      assert_memory_equal(best, all, expected * sizeof *best);
    }
  }
  assert_int_equal(resnet18_top_k(scores, MANY, 0, 0.0f, NULL), 0);
  assert_int_equal(resnet18_top_k(NULL, 0, 3, 0.0f, NULL), 0);
}

static void test_threshold(void **state) {
  (void)state;
  static const float scores[] = {0.5f, 0.2f, 0.3f, NAN};
  resnet18_class best[4];
  assert_int_equal(resnet18_top_k(scores, 4, 4, 0.3f, best), 2);
  assert_true(best[0].index == 0 && best[0].score == 0.5f && best[1].index == 2 && best[1].score == 0.3f);
  assert_int_equal(resnet18_top_k(scores, 4, 4, -INFINITY, best), 3);
  assert_int_equal(resnet18_top_k(scores, 4, 4, 0.6f, best), 0);
  assert_int_equal(resnet18_top_k(scores, 4, 4, NAN, best), 0);
}

static void test_uncertainty(void **state) {
  (void)state;
  float scores[MANY] = {1.0f};
  assert_true(resnet18_uncertainty(scores, MANY) == 0.0f);
  assert_true(resnet18_uncertainty(scores, 1) == 0.0f);
  for (size_t i = 0; i < MANY; i++)
    scores[i] = 1.0f / MANY;
  /* 1000 logarithms and products in double of a score rounded to float */
  assert_true(fabsf(resnet18_uncertainty(scores, MANY) - 1.0f) <= FLT_EPSILON);
  assert_true(resnet18_uncertainty(scores, MANY) <= 1.0f);
  static const float half[] = {0.5f, 0.5f, 0.0f, 0.0f}, bad[] = {0.5f, NAN};
  assert_true(fabsf(resnet18_uncertainty(half, 4) - 0.5f) <= FLT_EPSILON);
  assert_true(isnan(resnet18_uncertainty(bad, 2)));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_softmax),   cmocka_unit_test(test_softmax_of_infinities), cmocka_unit_test(test_top_k),
      cmocka_unit_test(test_threshold), cmocka_unit_test(test_uncertainty),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

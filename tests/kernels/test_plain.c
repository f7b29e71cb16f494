/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every float kernel of the operations around the convolutions, of every set that this machine has, against its
 * definition. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "model.h"

enum { BATCH = 3 };

static bool allowed(const r18_plain_kernel *kernel) {
  return kernel->set == R18_CPU_C || (r18_cpu_sets() & kernel->set);
}

static float uniform(void) {
  return (float)rand() / (float)RAND_MAX * 2 - 1;
}

static r18_place place_at(size_t *bytes, unsigned size, unsigned channels, unsigned halo) {
  r18_place place = {.offset = *bytes,
                     .height = size,
                     .width = size,
                     .channels = channels,
                     .halo = halo,
                     .element = sizeof(float),
                     .row = sizeof(float) * channels * (size + 2 * halo)};
  place.image = (place.row * (size + 2 * halo) + 63) & ~(size_t)63;
  *bytes += place.image * BATCH;
  return place;
}

static void *zeros(size_t bytes) {
  bytes = (bytes + 63) & ~(size_t)63;
  return memset(aligned_alloc(64, bytes), 0, bytes);
}

/* Runs units one at a time, last first. */
static void run_all(const r18_plain_kernel *kernel, const r18_step *step, const r18_run *run) {
  const unsigned total = step->spans_batch ? step->units : step->units * run->batch;
  for (unsigned unit = total; unit-- > 0;)
    kernel->run(step, run, unit, unit + 1);
}

static void check(const r18_plain_kernel *kernel, double got, double want, double tolerance) {
  if (!(fabs(got - want) <= tolerance))
    fail_msg("%s (%s): %.9g, not %.9g", kernel->name, r18_cpu_set_name(kernel->set), got, want);
}

static void linear_case(const r18_plain_kernel *kernel, unsigned classes) {
  enum { CHANNELS = RESNET18_FEATURES };
  size_t bytes = 0;
  const unsigned groups = (classes + R18_LINEAR_GROUP - 1) / R18_LINEAR_GROUP;
  const size_t group_floats = (CHANNELS + 1) * R18_LINEAR_GROUP;
  r18_step step = {.in = place_at(&bytes, 1, CHANNELS, 0), .units = groups, .spans_batch = true, .classes = classes};
  float *weights = zeros(sizeof(float) * groups * group_floats), logits[BATCH * 200 + 1];
  for (size_t i = 0; i < groups * group_floats; i++)
    weights[i] = uniform();
  step.weights = (const unsigned char *)weights;
  r18_run run = {.arena = zeros(bytes), .batch = BATCH, .logits = logits};
  for (unsigned i = 0; i < bytes / sizeof(float); i++)
    ((float *)(void *)run.arena)[i] = uniform();
  logits[BATCH * classes] = 42;
  run_all(kernel, &step, &run);
  for (unsigned image = 0; image < BATCH; image++)
    for (unsigned c = 0; c < classes; c++) {
      const float *w = weights + c / R18_LINEAR_GROUP * group_floats + c % R18_LINEAR_GROUP;
      double sum = w[CHANNELS * R18_LINEAR_GROUP], size = fabs(sum);
      for (unsigned i = 0; i < CHANNELS; i++) {
        const double product = (double)r18_at_f32(&run, &step.in, image, 0, 0)[i] * w[i * R18_LINEAR_GROUP];
        sum += product;
        size += fabs(product);
      }
      check(kernel, logits[image * classes + c], sum, (CHANNELS + 1) * FLT_EPSILON * size);
    }
  assert_true(logits[BATCH * classes] == 42);
  free(run.arena);
  free(weights);
}

static void test_linear(void **state) {
  static const unsigned classes[] = {1, 63, 64, 65, 200};
  for (const r18_plain_kernel *const *kernel = r18_linear_kernels; *kernel; kernel++)
    for (unsigned i = 0; i < sizeof classes / sizeof *classes && allowed(*kernel); i++)
      linear_case(*kernel, classes[i]);
}

static void avgpool_case(const r18_plain_kernel *kernel) {
  enum { SIZE = 7, CHANNELS = 512 };
  size_t bytes = 0;
  r18_step step = {
      .in = place_at(&bytes, SIZE, CHANNELS, 1), .out = place_at(&bytes, 1, CHANNELS, 0), .units = CHANNELS / 64};
  r18_run run = {.arena = zeros(bytes), .batch = BATCH};
  for (unsigned i = 0; i < step.out.offset / sizeof(float); i++) /* the halo too: it must not count */
    ((float *)(void *)run.arena)[i] = uniform();
  run_all(kernel, &step, &run);
  for (unsigned image = 0; image < BATCH; image++)
    for (unsigned c = 0; c < CHANNELS; c++) {
      double sum = 0, size = 0;
      for (int i = 0; i < SIZE * SIZE; i++) {
        sum += r18_at_f32(&run, &step.in, image, i / SIZE, i % SIZE)[c];
        size += fabsf(r18_at_f32(&run, &step.in, image, i / SIZE, i % SIZE)[c]);
      }
      check(kernel, r18_at_f32(&run, &step.out, image, 0, 0)[c], sum / (SIZE * SIZE), FLT_EPSILON * size);
    }
  free(run.arena);
}

static void test_avgpool(void **state) {
  for (const r18_plain_kernel *const *kernel = r18_avgpool_kernels_f32; *kernel; kernel++)
    if (allowed(*kernel))
      avgpool_case(*kernel);
}

static void maxpool_case(const r18_plain_kernel *kernel) {
  enum { SIZE = 12, CHANNELS = 64 };
  size_t bytes = 0;
  r18_step step = {.in = place_at(&bytes, SIZE, CHANNELS, 0),
                   .out = place_at(&bytes, SIZE / 2, CHANNELS, 1),
                   .units = SIZE / 2,
                   .kernel_size = 3,
                   .stride = 2,
                   .pad = 1};
  r18_run run = {.arena = zeros(bytes), .batch = BATCH};
  for (unsigned i = 0; i < step.out.offset / sizeof(float); i++)
    ((float *)(void *)run.arena)[i] = fabsf(uniform());
  run_all(kernel, &step, &run);
  for (unsigned image = 0; image < BATCH; image++)
    for (int i = 0; i < SIZE / 2 * SIZE / 2 * CHANNELS; i++) {
      const int c = i % CHANNELS, x = i / CHANNELS % (SIZE / 2), y = i / CHANNELS / (SIZE / 2);
      double most = 0;
      for (int iy = 2 * y - 1; iy <= 2 * y + 1; iy++)
        for (int ix = 2 * x - 1; ix <= 2 * x + 1; ix++)
          if (iy >= 0 && iy < SIZE && ix >= 0 && ix < SIZE)
            most = fmax(most, r18_at_f32(&run, &step.in, image, iy, ix)[c]);
      check(kernel, r18_at_f32(&run, &step.out, image, y, x)[c], most, 0);
    }
  free(run.arena);
}

static void test_maxpool(void **state) {
  for (const r18_plain_kernel *const *kernel = r18_maxpool_kernels_f32; *kernel; kernel++)
    if (allowed(*kernel))
      maxpool_case(*kernel);
}

static void normalize_case(const r18_plain_kernel *kernel) {
  size_t bytes = 0;
  r18_step step = {.out = place_at(&bytes, RESNET18_SIZE, 3, 3), .units = RESNET18_SIZE};
  uint8_t *rgb = malloc((size_t)BATCH * RESNET18_RGB_BYTES);
  for (size_t i = 0; i < (size_t)BATCH * RESNET18_RGB_BYTES; i++)
    rgb[i] = (uint8_t)(i * 37 + i / 256);
  r18_run run = {.arena = zeros(bytes), .batch = BATCH, .rgb = rgb};
  run_all(kernel, &step, &run);
  for (unsigned image = 0; image < BATCH; image++)
    for (int y = -3; y < RESNET18_SIZE + 3; y++)
      for (int x = -3; x < RESNET18_SIZE + 3; x++)
        for (int c = 0; c < 3; c++) {
          const bool inside = y >= 0 && y < RESNET18_SIZE && x >= 0 && x < RESNET18_SIZE;
          const size_t at = image * (size_t)RESNET18_RGB_BYTES + ((size_t)y * RESNET18_SIZE + (size_t)x) * 3 + c;
          const double want = inside ? (rgb[at] / 255.0 - r18_mean[c]) / r18_std[c] : 0;
          check(kernel, r18_at_f32(&run, &step.out, image, y, x)[c], want, 4 * FLT_EPSILON * (fabs(want) + 3));
        }
  free(run.arena);
  free(rgb);
}

static void test_normalize(void **state) {
  for (const r18_plain_kernel *const *kernel = r18_normalize_kernels; *kernel; kernel++)
    if (allowed(*kernel))
      normalize_case(*kernel);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_linear),
      cmocka_unit_test(test_avgpool),
      cmocka_unit_test(test_maxpool),
      cmocka_unit_test(test_normalize),
  };
  srand(18);
  return cmocka_run_group_tests_name("float operations", tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every float convolution kernel of every set that this machine has, against the sum that defines it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conv_case.h"

/* One output before the residual and ReLU. `magnitude` grows to the sum of the summands' magnitudes for inputs of 1. */
static double sum_of(const conv_case *c, unsigned image, int y, int x, unsigned o, double *magnitude) {
  const r18_conv *conv = &c->conv;
  double sum = c->bias[o], size = fabs(sum);
  const float *w = c->weights + (size_t)o * conv->in_channels * conv->kernel * conv->kernel;
  for (unsigned ky = 0; ky < conv->kernel; ky++)
    for (unsigned kx = 0; kx < conv->kernel; kx++) {
      const int iy = y * (int)conv->stride - (int)conv->pad + (int)ky;
      const int ix = x * (int)conv->stride - (int)conv->pad + (int)kx;
      const float *in = r18_at_f32(&c->run, &c->step.in, image, iy, ix);
      for (unsigned i = 0; i < conv->in_channels; i++) {
        const double weight = w[(i * conv->kernel + ky) * conv->kernel + kx];
        sum += in[i] * weight;
        size += fabs(weight);
      }
    }
  *magnitude = size > *magnitude ? size : *magnitude;
  return sum;
}

/* What belongs at (y, x) of the step's output. */
static double expected(const conv_case *c, unsigned image, int y, int x, unsigned o, double *magnitude) {
  if (c->kernel->fuses_maxpool) {
    const int size = (int)c->conv.out_size;
    double most = 0;
    for (int cy = 2 * y - 1; cy <= 2 * y + 1; cy++)
      for (int cx = 2 * x - 1; cx <= 2 * x + 1; cx++)
        if (cy >= 0 && cy < size && cx >= 0 && cx < size)
          most = fmax(most, sum_of(c, image, cy, cx, o, magnitude));
    return most;
  }
  double sum = sum_of(c, image, y, x, o, magnitude);
  if (c->conv.residual)
    sum += r18_at_f32(&c->run, &c->step.residual, image, y, x)[o];
  return c->conv.relu && sum < 0 ? 0 : sum;
}

/* Winograd computes A^T ((G g) * (B^T d)), whose summands are larger than the convolution's: in one direction, with
 * inputs of at most 1 in magnitude, sum over the points of |A| |G| (sum |B|) for the worst output and tap is 16.94 for
 * F(4,3) on 0, +-1, 1/2, -2 and infinity, and 14.33 for F(3,3) without -2. The factors of both directions multiply. */
static double amplification(const r18_conv_kernel *kernel) {
  return strstr(kernel->name, "winograd4") ? 17.0 * 17.0 : 1;
}

/* Rounding errors of any algorithm that adds up the summands in some order, at the worst (Higham, "Accuracy and
 * Stability of Numerical Algorithms", 3.1), and as they come: relative in the Euclidean norm over all outputs. */
enum { TRANSFORM_SUMMANDS = 36 };
static const double RELATIVE_ERROR = 2e-5;

static void describe(const conv_case *c, char text[160]) {
  const r18_conv *conv = &c->conv;
  snprintf(text, 160, "%s (%s), %ux%u/%u, %u -> %u pixels, %u -> %u channels%s", c->kernel->name,
           r18_cpu_set_name(c->kernel->set), conv->kernel, conv->kernel, conv->stride, conv->in_size, conv->out_size,
           conv->in_channels, conv->out_channels, conv->residual ? ", residual" : "");
}

/* Every `skip`th output; all of them are too many for a plain sum. */
static void check_values(const conv_case *c, unsigned skip) {
  const unsigned size = c->step.out.height, channels = c->conv.out_channels;
  const double summands = (double)c->conv.in_channels * c->conv.kernel * c->conv.kernel + 2 + TRANSFORM_SUMMANDS;
  const double factor = summands * FLT_EPSILON * amplification(c->kernel);
  double errors = 0, values = 0;
  char text[160];
  describe(c, text);
  for (size_t i = 0; i < (size_t)c->batch * size * size * channels; i += skip) {
    const unsigned o = i % channels, x = i / channels % size, y = i / channels / size % size;
    const unsigned image = (unsigned)(i / channels / size / size);
    double magnitude = 0;
    const double want = expected(c, image, (int)y, (int)x, o, &magnitude);
    const double got = r18_at_f32(&c->run, &c->step.out, image, (int)y, (int)x)[o];
    if (!(fabs(got - want) <= factor * (magnitude + 1)))
      fail_msg("%s: picture %u, y %u, x %u, channel %u is %.9g, not %.9g", text, image, y, x, o, got, want);
    errors += (got - want) * (got - want);
    values += want * want;
  }
  if (getenv("R18_TEST_VERBOSE"))
    print_message("%s: relative error %.2e\n", text, sqrt(errors / values));
  if (sqrt(errors) > RELATIVE_ERROR * sqrt(values))
    fail_msg("%s: relative error %.3g", text, sqrt(errors / values));
}

static void check_untouched(const conv_case *c, const unsigned char *from, size_t bytes) {
  for (size_t i = 0; i < bytes; i++)
    if (from[i] != CONV_CASE_UNTOUCHED) {
      char text[160];
      describe(c, text);
      fail_msg("%s: wrote into the halo", text);
    }
}

static void check_halo(const conv_case *c) {
  const r18_place *out = &c->step.out;
  const size_t side = (size_t)out->halo * out->channels * out->element;
  for (unsigned image = 0; image < c->batch; image++)
    for (int y = -(int)out->halo; y < (int)(out->height + out->halo); y++) {
      const unsigned char *row = r18_at(&c->run, out, image, y, -(int)out->halo);
      const bool inside = y >= 0 && y < (int)out->height;
      check_untouched(c, row, inside ? side : out->row);
      check_untouched(c, row + out->row - side, side);
    }
}

/* The same, cut into units another way and run in another order, is the same to the bit. */
static void check_split(const conv_case *c, unsigned piece) {
  const r18_place *out = &c->step.out;
  unsigned char *first = malloc(out->image * c->batch), *again = c->run.arena + out->offset;
  memcpy(first, again, out->image * c->batch);
  memset(again, CONV_CASE_UNTOUCHED, out->image * c->batch);
  conv_case_run(c, piece, true);
  if (memcmp(first, again, out->image * c->batch) != 0) {
    char text[160];
    describe(c, text);
    fail_msg("%s: %u units at a time give another result", text, piece);
  }
  free(first);
}

static void check_kernel(const r18_conv_kernel *kernel, const r18_conv *conv, unsigned batch, unsigned skip,
                         uint32_t seed) {
  conv_case c = conv_case_new(kernel, conv, batch, seed);
  conv_case_run(&c, 1000, false);
  check_values(&c, skip);
  check_halo(&c);
  check_split(&c, 1 + seed % 3);
  conv_case_free(&c);
}

/* On an emulated processor and under a sanitizer, which are slow: fewer cases, and not the plain kernels, which are the
 * same on every processor. */
static bool brief(void) {
  return getenv("R18_TEST_BRIEF") != NULL;
}

static bool allowed(const r18_conv_kernel *kernel) {
  return kernel->set == R18_CPU_C ? !brief() : (r18_cpu_sets() & kernel->set) != 0;
}

static void check_all_kernels(const r18_conv *conv, unsigned batch, unsigned skip, uint32_t seed) {
  for (const r18_conv_kernel *const *kernel = r18_conv_kernels_f32; *kernel; kernel++)
    if (allowed(*kernel) && (*kernel)->accepts(conv))
      check_kernel(*kernel, conv, batch, skip, seed);
}

static void test_layers(void **state) {
  for (unsigned i = 0; i < conv_case_layer_count; i++) {
    check_all_kernels(&conv_case_layers[i].conv, 1, 397, i + 1);
    if (!brief())
      check_all_kernels(&conv_case_layers[i].conv, 3, 1999, i + 2);
  }
}

/* Shapes that no layer has: odd sizes, tiles of every kind, blocks of channels of every number; large batches of small
 * pictures, whose tiles are computed together. */
static void test_random_shapes(void **state) {
  enum { SMALL = 14, LARGE_BATCH = 3 };
  srand(18);
  for (unsigned i = 0; i < (brief() ? 20 : 80); i++) {
    const unsigned kernel = rand() % 4 ? 3 : 1, stride = 1 + (rand() % 3 == 0), out = 1 + (unsigned)rand() % 36;
    const unsigned most = out <= SMALL && !brief() ? RESNET18_MAX_BATCH : LARGE_BATCH,
                   batch = 1 + (unsigned)rand() % most;
    const r18_conv conv = {.in_size = out * stride,
                           .in_channels = 16 * (1 + (unsigned)rand() % 12),
                           .out_size = out,
                           .out_channels = 64 * (1 + (unsigned)rand() % 3),
                           .kernel = kernel,
                           .stride = stride,
                           .pad = kernel / 2,
                           .relu = rand() % 2,
                           .residual = rand() % 2,
                           .max_batch = batch,
                           .threads = 1};
    check_all_kernels(&conv, batch, (brief() ? 131 : 13) * (batch > LARGE_BATCH ? 5 : 1), i);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_layers),
      cmocka_unit_test(test_random_shapes),
  };
  return cmocka_run_group_tests_name("float convolutions", tests, NULL, NULL);
}

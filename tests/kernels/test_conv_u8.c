/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The int8 kernels of every set that this processor has, against the plain C definitions: equal bit for bit, however
 * the units are shared out, without a write outside the picture or an access outside the memory. */
#include "kernels/conv_u8.h"
#include "kernels/quantize.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>

#include <cmocka.h>

enum { PAGE = 4096, UNTOUCHED = 0xa5, THREADS = 3 };

/* ---- Random numbers ----------------------------------------------------------------------------------- */

static uint32_t state = 1;

static uint32_t next_random(void) {
  state = state * 1664525u + 1013904223u;
  return state >> 8;
}

static float random_float(float from, float to) {
  return from + (to - from) * (float)next_random() / (float)(1 << 24);
}

/* ---- Memory between two pages that must not be touched -------------------------------------------------- */

struct guarded {
  unsigned char *map, *start; /* `start`: 64-byte aligned */
  size_t map_bytes;
};

/* `at_end`: the last byte is the last before the forbidden page, as far as the alignment allows. */
static struct guarded guarded_new(size_t bytes, bool at_end) {
  const size_t inside = (bytes + PAGE - 1) / PAGE * PAGE;
  struct guarded g = {.map_bytes = inside + 2 * PAGE};
  g.map = mmap(NULL, g.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_ptr_not_equal(g.map, MAP_FAILED);
  mprotect(g.map, PAGE, PROT_NONE);
  mprotect(g.map + PAGE + inside, PAGE, PROT_NONE);
  g.start = g.map + PAGE + (at_end ? (inside - bytes) & ~(size_t)63 : 0);
  return g;
}

static void guarded_free(struct guarded *g) {
  munmap(g->map, g->map_bytes);
}

/* ---- One convolution ------------------------------------------------------------------------------------ */

struct work {
  r18_conv conv;
  float positions[R18_POSITIONS];
  unsigned batch;
  float *weights, *bias;
  uint8_t *rgb;
  r18_place in, residual, out;
  size_t arena_bytes;
  unsigned char *content; /* the arena before the run */
};

static r18_place new_place(struct work *w, unsigned size, unsigned channels) {
  r18_place place = {.offset = w->arena_bytes,
                     .height = size,
                     .width = size,
                     .channels = channels,
                     .halo = 1,
                     .element = 1,
                     .row = (size_t)(size + 2) * channels};
  place.image = (place.row * (size + 2) + 63) & ~(size_t)63;
  w->arena_bytes += place.image * w->batch;
  return place;
}

/* Random bytes inside, zeros around. */
static void fill_place(struct work *w, const r18_place *place) {
  const r18_run run = {.arena = w->content};
  for (unsigned image = 0; image < w->batch; image++) {
    memset(w->content + place->offset + image * place->image, 0, place->image);
    for (unsigned y = 0; y < place->height; y++) {
      uint8_t *row = r18_at(&run, place, image, (int)y, 0);
      for (size_t i = 0; i < (size_t)place->width * place->channels; i++)
        row[i] = (uint8_t)(next_random() % 3 ? next_random() : next_random() & 1 ? 255 : 0);
    }
  }
}

static void fill_weights(struct work *w) {
  const r18_conv *conv = &w->conv;
  size_t each = (size_t)conv->in_channels * conv->kernel * conv->kernel;
  w->weights = malloc(conv->out_channels * each * sizeof *w->weights);
  w->bias = malloc(conv->out_channels * sizeof *w->bias);
  for (size_t o = 0; o < conv->out_channels; o++) {
    float range = o % 5 ? random_float(0.01f, 0.3f) : 0.0f; /* some channels have no weights at all */
    for (size_t i = 0; i < each; i++)
      w->weights[o * each + i] = random_float(-range, range);
    w->bias[o] = random_float(-2, 2);
  }
}

static void work_new(struct work *w, unsigned batch) {
  r18_conv *conv = &w->conv;
  w->batch = conv->max_batch = batch;
  conv->threads = THREADS;
  conv->in_scale = 0.02f;
  conv->out_scale = 0.03f;
  conv->residual_scale = 0.025f;
  for (int p = 0; p < R18_POSITIONS; p++) /* the last ones are clipped, the first need no factor below 1 */
    w->positions[p] = conv->in_scale * random_float(100, 700);
  conv->position_max = w->positions;
  fill_weights(w);
  w->residual = new_place(w, conv->residual ? conv->out_size : 1, conv->out_channels);
  w->out = new_place(w, conv->kernel == 7 ? conv->out_size / 2 : conv->out_size, conv->out_channels);
  w->in = new_place(w, conv->kernel == 7 ? 1 : conv->in_size, conv->in_channels);
  w->in.scale = conv->in_scale;
  w->out.scale = conv->out_scale;
  w->residual.scale = conv->residual_scale;
  w->content = malloc(w->arena_bytes);
  memset(w->content, UNTOUCHED, w->arena_bytes);
  fill_place(w, &w->in);
  fill_place(w, &w->residual);
  w->rgb = malloc((size_t)batch * RESNET18_RGB_BYTES);
  for (size_t i = 0; i < (size_t)batch * RESNET18_RGB_BYTES; i++)
    w->rgb[i] = (uint8_t)next_random();
}

static void work_free(struct work *w) {
  free(w->weights);
  free(w->bias);
  free(w->content);
  free(w->rgb);
}

/* Runs all units in ranges of random length, from both ends in turn, so that ranges do not follow each other. */
static void run_units(const r18_step *step, r18_run *run) {
  unsigned begin = 0, end = step->spans_batch ? step->units : step->units * run->batch;
  while (begin < end) {
    unsigned count = 1 + next_random() % (end - begin);
    if (next_random() & 1) {
      step->run(step, run, end - count, end);
      end -= count;
    } else {
      step->run(step, run, begin, begin + count);
      begin += count;
    }
    memset(run->scratch, (int)next_random(), step->scratch);
  }
}

/* The arena after the kernel ran; to be freed. */
static unsigned char *run_kernel(const struct work *w, const r18_conv_kernel *kernel, bool at_end) {
  const r18_conv *conv = &w->conv;
  const size_t each = (size_t)conv->in_channels * conv->kernel * conv->kernel;
  const size_t scratch_bytes = kernel->scratch_bytes ? kernel->scratch_bytes(conv) : 0;
  const size_t work_bytes = kernel->work_bytes ? (kernel->work_bytes(conv) + 63) & ~(size_t)63 : 0;
  struct guarded packed = guarded_new(kernel->packed_bytes(conv), at_end);
  struct guarded arena = guarded_new(w->arena_bytes + work_bytes * w->batch, at_end);
  struct guarded scratch = guarded_new(scratch_bytes, at_end);
  struct guarded rgb = guarded_new((size_t)w->batch * RESNET18_RGB_BYTES, at_end);
  for (unsigned first = 0; first < conv->out_channels; first += R18_PACK_GROUP)
    assert_true(r18_pack_floats(kernel, conv, first, w->weights + first * each, w->bias + first, packed.start));
  memcpy(rgb.start, w->rgb, (size_t)w->batch * RESNET18_RGB_BYTES);
  r18_step step = {.in = w->in,
                   .out = w->out,
                   .weights = packed.start,
                   .kernel_size = conv->kernel,
                   .stride = conv->stride,
                   .pad = conv->pad,
                   .relu = conv->relu,
                   .max_batch = w->batch,
                   .scratch = scratch_bytes};
  r18_run run = {.arena = arena.start, .scratch = scratch.start, .batch = w->batch, .rgb = rgb.start};
  /* The work memory comes first, so that what is read of the input ends where the forbidden page begins. */
  step.work = (r18_place){.height = 1, .width = 1, .channels = (unsigned)work_bytes, .element = 1, .image = work_bytes};
  step.in.offset += work_bytes * w->batch;
  step.out.offset += work_bytes * w->batch;
  if (conv->residual) {
    step.residual = w->residual;
    step.residual.offset += work_bytes * w->batch;
  }
  memcpy(arena.start + work_bytes * w->batch, w->content, w->arena_bytes);
  if (kernel->prepare) {
    r18_step prepare = step;
    prepare.run = kernel->prepare;
    prepare.units = kernel->prepare_units(conv);
    run_units(&prepare, &run);
  }
  step.run = kernel->run;
  step.units = kernel->units(conv);
  step.spans_batch = kernel->spans_batch;
  run_units(&step, &run);
  unsigned char *result = malloc(w->arena_bytes);
  memcpy(result, arena.start + work_bytes * w->batch, w->arena_bytes);
  guarded_free(&packed);
  guarded_free(&arena);
  guarded_free(&scratch);
  guarded_free(&rgb);
  return result;
}

static const r18_conv_kernel *reference_for(const r18_conv_kernel *kernel) {
  static const r18_conv_kernel *const all[] = {&r18_conv_stem_u8_c, &r18_conv_winograd2_u8_c, &r18_conv_direct_u8_c};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (strcmp(kernel->name, all[i]->name) == 0)
      return all[i];
  fail_msg("%s has no reference", kernel->name);
  return NULL;
}

/* On an emulated processor and under a sanitizer, which are slow: fewer cases. */
static bool brief(void) {
  return getenv("R18_TEST_BRIEF") != NULL;
}

/* Compares every kernel that accepts the convolution; returns how many there were beside the plain ones. */
static unsigned compare_all(struct work *w, const char *what) {
  unsigned compared = 0;
  for (const r18_conv_kernel *const *kernel = r18_conv_kernels_u8; *kernel; kernel++) {
    if ((*kernel)->set == R18_CPU_C || !(r18_cpu_sets() & (*kernel)->set) || !(*kernel)->accepts(&w->conv))
      continue;
    for (int at_end = brief() ? 1 : 0; at_end < 2; at_end++) {
      unsigned char *expected = run_kernel(w, reference_for(*kernel), at_end);
      unsigned char *result = run_kernel(w, *kernel, at_end);
      for (size_t i = 0; i < w->arena_bytes; i++)
        if (result[i] != expected[i])
          fail_msg("%s, %s of %s: byte %zu is %d instead of %d", what, (*kernel)->name,
                   r18_cpu_set_name((*kernel)->set), i, result[i], expected[i]);
      free(expected);
      free(result);
    }
    compared++;
  }
  return compared;
}

/* ---- Cases ---------------------------------------------------------------------------------------------- */

static const r18_conv cases[] = {
    /* the network's */
    {56, 64, 56, 64, 3, 1, 1, .relu = true, .residual = true},
    {56, 64, 28, 128, 3, 2, 1, .relu = true},
    {56, 64, 28, 128, 1, 2, 0, .out_zero = 128},
    {28, 128, 28, 128, 3, 1, 1, .relu = true, .residual = true, .residual_zero = 128},
    {28, 128, 14, 256, 3, 2, 1, .relu = true},
    {28, 128, 14, 256, 1, 2, 0, .out_zero = 128},
    {14, 256, 14, 256, 3, 1, 1, .relu = true, .residual = true},
    {14, 256, 7, 512, 3, 2, 1, .relu = true},
    {14, 256, 7, 512, 1, 2, 0, .out_zero = 128},
    {7, 512, 7, 512, 3, 1, 1, .relu = true, .residual = true, .residual_zero = 128},
    /* others: odd sizes, few and many channels */
    {7, 32, 7, 64, 3, 1, 1, .relu = true},
    {14, 96, 14, 64, 3, 1, 1, .relu = true},
    {13, 32, 13, 64, 3, 1, 1, .relu = true, .residual = true},
    {15, 32, 15, 64, 3, 1, 1, .relu = true},
    {27, 64, 27, 64, 3, 1, 1, .relu = true, .residual = true},
    {21, 8, 21, 64, 3, 1, 1, .relu = true},
    {21, 24, 21, 128, 1, 1, 0, .relu = true, .residual = true},
    {42, 16, 21, 64, 3, 2, 1, .relu = true},
    {14, 72, 7, 128, 1, 2, 0, .out_zero = 128},
};

static void test_case(const r18_conv *conv, unsigned batch) {
  char what[96];
  snprintf(what, sizeof what, "%ux%u/%u %u at %u -> %u, batch %u", conv->kernel, conv->kernel, conv->stride,
           conv->in_channels, conv->in_size, conv->out_channels, batch);
  struct work w = {.conv = *conv};
  work_new(&w, batch);
  if (compare_all(&w, what) == 0)
    print_message("%s: only the plain kernel\n", what);
  work_free(&w);
}

static void test_convolutions(void **unused) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    test_case(&cases[i], 1);
    if (cases[i].in_size < (brief() ? 14 : 56))
      test_case(&cases[i], 3);
  }
}

/* Small pictures in batches, whose pixels are computed together. */
static void test_random_batches(void **unused) {
  for (int i = 0; i < (brief() ? 6 : 30); i++) {
    const unsigned kernel = next_random() % 3 ? 3 : 1, stride = 1 + next_random() % 2,
                   out = 7 * (1 + next_random() % 2);
    const r18_conv conv = {.in_size = out * stride,
                           .in_channels = 32 * (1 + next_random() % 4),
                           .out_size = out,
                           .out_channels = 64 * (1 + next_random() % 2),
                           .kernel = kernel,
                           .stride = stride,
                           .pad = kernel / 2,
                           .relu = next_random() % 2,
                           .residual = next_random() % 2};
    test_case(&conv, 1 + next_random() % (brief() ? 4 : RESNET18_MAX_BATCH));
  }
}

static void test_stem(void **unused) {
  const r18_conv stem = {224, 3, 112, 64, 7, 2, 3, .relu = true};
  test_case(&stem, 1);
  if (!brief())
    test_case(&stem, 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_convolutions), cmocka_unit_test(test_random_batches),
                                     cmocka_unit_test(test_stem)};
  return cmocka_run_group_tests_name("conv_u8", tests, NULL, NULL);
}

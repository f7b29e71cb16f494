/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The preprocessing's part of the self-test: every set of kernels that this processor may use against the plain C one,
 * bit by bit, on pictures whose sizes leave a remainder everywhere. */
#include "preprocess.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 709, HEIGHT = 531, PICTURE_BYTES = WIDTH * HEIGHT * 3 };

/* Each with planes one after the other. */
static const struct {
  const char *name;
  resnet18_format format;
  ptrdiff_t stride[3];
} kinds[] = {
    {"RGB", RESNET18_FORMAT_RGB, {3 * WIDTH}},
    {"GRAY8", RESNET18_FORMAT_GRAY8, {WIDTH}},
    {"I420", RESNET18_FORMAT_I420, {WIDTH, (WIDTH + 1) / 2, (WIDTH + 1) / 2}},
    {"NV12", RESNET18_FORMAT_NV12, {WIDTH, WIDTH + 1}},
    {"YUY2", RESNET18_FORMAT_YUY2, {2 * (WIDTH + 1)}},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static void run(resnet18_preprocessor *preprocessor, unsigned kind, const r18_resize_kernels *kernels,
                const uint8_t *picture, uint8_t *rgb) {
  const ptrdiff_t *stride = kinds[kind].stride;
  const uint8_t *second = picture + stride[0] * HEIGHT;
  const uint8_t *plane[3] = {picture, second, second + stride[1] * ((HEIGHT + 1) / 2)};
  r18_preprocessor_use(preprocessor, kernels);
  resnet18_preprocessor_run(preprocessor, plane, stride, rgb);
}

/* Whether the set's answer for all kinds of pictures is that of the plain C kernels, which are the last ones. `kind`:
 * the first one that differs. */
static bool agrees(const r18_resize_kernels *kernels, const r18_resize_kernels *plain, const uint8_t *picture,
                   uint8_t *rgb, unsigned *kind) {
  for (*kind = 0; *kind < KINDS; ++*kind) {
    const resnet18_image_info info = {.format = kinds[*kind].format, .width = WIDTH, .height = HEIGHT};
    resnet18_preprocessor *preprocessor;
    if (resnet18_preprocessor_new(&info, NULL, &preprocessor, NULL) != RESNET18_OK)
      return false;
    run(preprocessor, *kind, kernels, picture, rgb);
    run(preprocessor, *kind, plain, picture, rgb + RESNET18_RGB_BYTES);
    resnet18_preprocessor_free(preprocessor);
    if (memcmp(rgb, rgb + RESNET18_RGB_BYTES, RESNET18_RGB_BYTES) != 0)
      return false;
  }
  return true;
}

static unsigned check_all(const uint8_t *picture, uint8_t *rgb, resnet18_selftest_report report, void *user) {
  const r18_resize_kernels *const *plain = r18_resize_kernels_all;
  unsigned failed = 0, kind;
  while ((*plain)->set != R18_CPU_C)
    plain++;
  for (const r18_resize_kernels *const *kernels = r18_resize_kernels_all; kernels < plain; kernels++) {
    if (!((*kernels)->set & r18_cpu_sets()))
      continue;
    const bool passed = agrees(*kernels, *plain, picture, rgb, &kind);
    char detail[96];
    if (passed)
      snprintf(detail, sizeof detail, "%s equals plain C", r18_cpu_set_name((*kernels)->set));
    else
      snprintf(detail, sizeof detail, "%s differs from plain C, or runs out of memory, for %s",
               r18_cpu_set_name((*kernels)->set), kinds[kind].name);
    failed += !passed;
    if (report)
      report("preprocessing", passed, detail, user);
  }
  return failed;
}

unsigned r18_preprocess_selftest(resnet18_selftest_report report, void *user) {
  uint8_t *memory = malloc(PICTURE_BYTES + 2 * RESNET18_RGB_BYTES);
  if (!memory) {
    if (report)
      report("preprocessing", false, "out of memory", user);
    return 1;
  }
  uint32_t state = 12345;
  for (size_t i = 0; i < PICTURE_BYTES; i++)
    memory[i] = (uint8_t)((state = state * 1664525u + 1013904223u) >> 24);
  const unsigned failed = check_all(memory, memory + PICTURE_BYTES, report, user);
  free(memory);
  return failed;
}

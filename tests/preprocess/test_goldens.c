/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The preprocessing against Pillow's answers in golden/, which make_goldens.py wrote; every set of kernels, which must
 * agree to the bit. The one argument is the directory of the goldens. */
#include "pictures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const crop_names[] = {"center", "squash", "letterbox"};
static const char *directory;

static const struct {
  uint32_t channels, width, height;
  resnet18_crop crop;
  uint32_t resize_short;
} cases[] = {
    {3, 3, 2, RESNET18_CROP_CENTER, 256},       {3, 257, 333, RESNET18_CROP_CENTER, 256},
    {3, 1920, 1080, RESNET18_CROP_CENTER, 256}, {3, 640, 480, RESNET18_CROP_SQUASH, 256},
    {1, 1, 1, RESNET18_CROP_CENTER, 256},       {1, 1, 7, RESNET18_CROP_CENTER, 256},
    {1, 223, 224, RESNET18_CROP_CENTER, 256},   {1, 224, 224, RESNET18_CROP_CENTER, 224},
    {1, 256, 256, RESNET18_CROP_CENTER, 256},   {1, 500, 333, RESNET18_CROP_CENTER, 256},
    {1, 500, 333, RESNET18_CROP_CENTER, 227},   {1, 333, 500, RESNET18_CROP_LETTERBOX, 256},
    {1, 4096, 31, RESNET18_CROP_CENTER, 256},   {1, 7680, 4320, RESNET18_CROP_CENTER, 256},
    {1, 20000, 600, RESNET18_CROP_SQUASH, 256}, {1, 7, 9001, RESNET18_CROP_LETTERBOX, 256},
};
enum { CASES = sizeof cases / sizeof *cases };

static void read_golden(size_t i, uint8_t *golden, size_t bytes) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%u_%ux%u_%s_%u.bin", directory, cases[i].channels, cases[i].width, cases[i].height,
           crop_names[cases[i].crop], cases[i].resize_short);
  FILE *file = fopen(path, "rb");
  if (!file)
    fail_msg("%s cannot be opened", path);
  size_t got = fread(golden, 1, bytes, file);
  bool more = fgetc(file) != EOF;
  fclose(file);
  if (got != bytes || more)
    fail_msg("%s is not %zu bytes long", path, bytes);
}

/* Pillow is within 1 of the exact value, the library within less than 1: no more than 1 apart. The goldens of grey
 * pictures have one byte a pixel, which all three of ours are compared with, but letterbox's border is not grey. */
static void compare(size_t i, const uint8_t *rgb, const uint8_t *golden) {
  for (size_t at = 0; at < RESNET18_RGB_BYTES; at++) {
    size_t channels = cases[i].channels, from = at / 3 * channels + at % 3 % channels;
    if (channels == 1 && cases[i].crop == RESNET18_CROP_LETTERBOX && at % 3)
      continue;
    if (abs(rgb[at] - golden[from]) > 1)
      fail_msg("case %zu: byte %zu is %d, Pillow's is %d", i, at, rgb[at], golden[from]);
  }
}

static void check_case(size_t i) {
  static uint8_t golden[RESNET18_RGB_BYTES], first[RESNET18_RGB_BYTES], rgb[RESNET18_RGB_BYTES];
  resnet18_image_info info = {.format = cases[i].channels == 3 ? RESNET18_FORMAT_RGB : RESNET18_FORMAT_GRAY8,
                              .width = cases[i].width,
                              .height = cases[i].height,
                              .full_range = true};
  resnet18_preprocess_options options = {.crop = cases[i].crop, .resize_short = cases[i].resize_short};
  uint8_t *picture = picture_new(info.width, info.height, cases[i].channels);
  const uint8_t *planes[] = {picture};
  ptrdiff_t strides[] = {(ptrdiff_t)(cases[i].channels * info.width)};
  resnet18_preprocessor *preprocessor;
  assert_non_null(picture);
  read_golden(i, golden, RESNET18_RGB_BYTES / 3 * cases[i].channels);
  assert_int_equal(resnet18_preprocessor_new(&info, &options, &preprocessor, NULL), RESNET18_OK);
  const r18_resize_kernels *const *kernels = next_kernels(NULL);
  for (uint8_t *to = first; kernels; kernels = next_kernels(kernels), to = rgb) {
    r18_preprocessor_use(preprocessor, *kernels);
    resnet18_preprocessor_run(preprocessor, planes, strides, to);
    compare(i, to, golden);
    assert_memory_equal(to, first, RESNET18_RGB_BYTES);
  }
  resnet18_preprocessor_free(preprocessor);
  free(picture);
}

static void equals_pillow(void **state) {
  for (size_t i = 0; i < CASES; i++)
    check_case(i);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(equals_pillow)};
  if (argc != 2) {
    fprintf(stderr, "usage: %s DIRECTORY-OF-GOLDENS\n", argv[0]);
    return 2;
  }
  directory = argv[1];
  return cmocka_run_group_tests(tests, NULL, NULL);
}

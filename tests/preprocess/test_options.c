/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Crops, parts, strides and formats of the preprocessing, and what it says of wrong arguments. */
#include "pictures.h"
#include "planes.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { SIDE = RESNET18_SIZE };

static uint8_t sample(uint32_t x, uint32_t y, uint32_t channel, const void *data) {
  return picture_value(x, y, channel);
}

static void run(const resnet18_image_info *info, const resnet18_preprocess_options *options,
                const uint8_t *const *plane, const ptrdiff_t *stride, uint8_t *rgb) {
  resnet18_preprocessor *preprocessor;
  resnet18_error error;
  if (resnet18_preprocessor_new(info, options, &preprocessor, &error) != RESNET18_OK)
    fail_msg("%s", error.message);
  assert_string_equal(error.message, "");
  resnet18_preprocessor_run(preprocessor, plane, stride, rgb);
  resnet18_preprocessor_free(preprocessor);
}

/* ---- Wrong arguments ---------------------------------------------------------------------------------- */

static const struct {
  resnet18_image_info info;
  resnet18_preprocess_options options;
  const char *message;
} wrong[] = {
    {{.format = 99, .width = 4, .height = 4}, {0}, "pixel format 99 is not known"},
    {{.format = -1, .width = 4, .height = 4}, {0}, "pixel format -1 is not known"},
    {{.width = 0, .height = 4}, {0}, "a picture of 0x4 pixels is not between 1x1 and 65535x65535"},
    {{.width = 4, .height = 65536}, {0}, "a picture of 4x65536 pixels is not between 1x1 and 65535x65535"},
    {{.width = 4, .height = 4, .matrix = 3}, {0}, "colour matrix 3 is not known"},
    {{.width = 4, .height = 4}, {.crop = 3}, "crop 3 is not one of center, squash and letterbox"},
    {{.width = 4, .height = 4}, {.resize_short = 223}, "the short side to resize to is 223 pixels, not 224 to 1024"},
    {{.width = 4, .height = 4}, {.resize_short = 1025}, "the short side to resize to is 1025 pixels, not 224 to 1024"},
    {{.width = 4, .height = 4}, {.x = NAN}, "the part to classify (x nan, y 0, width 0, height 0) is not finite"},
    {{.width = 4, .height = 4},
     {.width = INFINITY, .height = 1},
     "the part to classify (x 0, y 0, width inf, height 1) is not finite"},
    {{.width = 640, .height = 480},
     {.x = 640, .y = 20, .width = 5, .height = 7},
     "the part to classify (x 640, y 20, width 5, height 7) covers no pixel of the 640x480 picture"},
    {{.width = 640, .height = 480},
     {.x = 10, .y = 20, .width = 5, .height = 0},
     "the part to classify (x 10, y 20, width 5, height 0) covers no pixel of the 640x480 picture"},
    {{.width = 640, .height = 480},
     {.x = 10, .y = 20, .width = -5, .height = 7},
     "the part to classify (x 10, y 20, width -5, height 7) covers no pixel of the 640x480 picture"},
    {{.width = 640, .height = 480},
     {.x = -9, .y = -9, .width = 9.4, .height = 9},
     "the part to classify (x -9, y -9, width 9.4, height 9) covers no pixel of the 640x480 picture"},
    {{.width = 640, .height = 480},
     {.x = 1e300, .y = 0, .width = 1e300, .height = 9},
     "the part to classify (x 1e+300, y 0, width 1e+300, height 9) covers no pixel of the 640x480 picture"},
    {{.width = 640, .height = 480},
     {.x = 10, .y = 20.2, .width = 3, .height = 0.2},
     "the part to classify (x 10, y 20.2, width 3, height 0.2) covers no pixel of the 640x480 picture"},
};

static void wrong_arguments(void **state) {
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    resnet18_preprocessor *preprocessor = (void *)&preprocessor;
    resnet18_error error = {0};
    assert_int_equal(resnet18_preprocessor_new(&wrong[i].info, &wrong[i].options, &preprocessor, &error),
                     RESNET18_ERROR_ARGUMENT);
    assert_null(preprocessor);
    assert_int_equal(error.status, RESNET18_ERROR_ARGUMENT);
    assert_string_equal(error.message, wrong[i].message);
    assert_int_equal(resnet18_preprocessor_new(&wrong[i].info, &wrong[i].options, &preprocessor, NULL),
                     RESNET18_ERROR_ARGUMENT);
  }
  resnet18_preprocessor_free(NULL);
}

/* ---- Parts -------------------------------------------------------------------------------------------- */

/* A part gives what the picture that is only this part gives. */
static const struct {
  double x, y, width, height;
  uint32_t left, top, right, bottom; /* what it means in a picture of 301x203 */
} parts[] = {
    {0, 0, 0, 0, 0, 0, 301, 203},         {0, 0, 0, 55, 0, 0, 301, 203}, /* width 0: all */
    {10, 20, 100, 90, 10, 20, 110, 110},  {10.4, 20.5, 100, 90, 10, 21, 110, 111},
    {-50, -1, 100, 90, 0, 0, 50, 89},     {250, 150, 1e9, 1e9, 250, 150, 301, 203},
    {300, 202, 1, 1, 300, 202, 301, 203}, {299.6, 0, 0.8, 1000, 300, 0, 300, 203}, /* empty, see below */
};

static void parts_are_pictures(void **state) {
  static uint8_t got[RESNET18_RGB_BYTES], want[RESNET18_RGB_BYTES];
  resnet18_image_info info = {.format = RESNET18_FORMAT_RGB, .width = 301, .height = 203};
  planes whole;
  assert_true(planes_make(&whole, &info, 0, sample, NULL));
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    resnet18_preprocess_options options = {
        .x = parts[i].x, .y = parts[i].y, .width = parts[i].width, .height = parts[i].height};
    resnet18_image_info cut = info;
    cut.width = parts[i].right - parts[i].left;
    cut.height = parts[i].bottom - parts[i].top;
    if (cut.width == 0) {
      resnet18_preprocessor *preprocessor;
      assert_int_equal(resnet18_preprocessor_new(&info, &options, &preprocessor, NULL), RESNET18_ERROR_ARGUMENT);
      continue;
    }
    const uint8_t *inside = whole.plane[0] + parts[i].top * whole.stride[0] + 3 * parts[i].left;
    run(&info, &options, whole.plane, whole.stride, got);
    run(&cut, NULL, &inside, whole.stride, want);
    assert_memory_equal(got, want, sizeof got);
  }
  free(whole.memory);
}

/* ---- Strides and formats ------------------------------------------------------------------------------ */

/* The same picture bottom up with negative strides, and with padding, gives the same. */
static void strides_do_not_matter(void **state) {
  static uint8_t want[RESNET18_RGB_BYTES], got[RESNET18_RGB_BYTES];
  for (int format = 0; format < FORMATS; format++) {
    resnet18_image_info info = {.format = format, .width = 301, .height = 203};
    planes tight, padded;
    assert_true(planes_make(&tight, &info, 0, sample, NULL));
    assert_true(planes_make(&padded, &info, 37, sample, NULL));
    run(&info, NULL, tight.plane, tight.stride, want);
    run(&info, NULL, padded.plane, padded.stride, got);
    assert_memory_equal(got, want, sizeof got);
    uint8_t *flipped[3] = {NULL};
    const uint8_t *last[3];
    ptrdiff_t stride[3];
    for (unsigned p = 0; p < planes_of(format); p++) {
      size_t width = plane_width(&info, p), height = plane_height(&info, p);
      flipped[p] = malloc(width * height);
      assert_non_null(flipped[p]);
      for (size_t y = 0; y < height; y++)
        memcpy(flipped[p] + (height - 1 - y) * width, tight.plane[p] + y * width, width);
      last[p] = flipped[p] + (height - 1) * width;
      stride[p] = -(ptrdiff_t)width;
    }
    run(&info, NULL, last, stride, got);
    assert_memory_equal(got, want, sizeof got);
    for (unsigned p = 0; p < 3; p++)
      free(flipped[p]);
    free(tight.memory);
    free(padded.memory);
  }
}

/* All orders of RGB hold the same picture; so do the 4:2:0 formats, and the 4:2:2 ones. */
static void orders_agree(void **state) {
  static const resnet18_format groups[][2] = {{RESNET18_FORMAT_RGB, RESNET18_FORMAT_XBGR},
                                              {RESNET18_FORMAT_I420, RESNET18_FORMAT_NV21},
                                              {RESNET18_FORMAT_YUY2, RESNET18_FORMAT_UYVY}};
  static uint8_t want[RESNET18_RGB_BYTES], got[RESNET18_RGB_BYTES];
  for (size_t g = 0; g < 3; g++)
    for (resnet18_format format = groups[g][0]; format <= groups[g][1]; format++) {
      resnet18_image_info info = {.format = format, .width = 647, .height = 431};
      planes from;
      assert_true(planes_make(&from, &info, 0, sample, NULL));
      run(&info, NULL, from.plane, from.stride, format == groups[g][0] ? want : got);
      if (format != groups[g][0])
        assert_memory_equal(got, want, sizeof got);
      free(from.memory);
    }
}

/* ---- Crops -------------------------------------------------------------------------------------------- */

/* Rows and columns of a letterboxed picture. */
static const struct {
  uint32_t width, height, left, top, inner_width, inner_height;
} boxes[] = {
    {224, 224, 0, 0, 224, 224}, {1920, 1080, 0, 49, 224, 126}, {1080, 1920, 49, 0, 126, 224},
    {65535, 1, 0, 111, 224, 1}, {1, 65535, 111, 0, 1, 224},    {3, 2, 0, 37, 224, 149},
};

static void letterbox_fills_with_the_mean(void **state) {
  static const uint8_t mean[] = {124, 116, 104}, black[] = {0, 0, 0};
  static uint8_t rgb[RESNET18_RGB_BYTES];
  for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++) {
    resnet18_image_info info = {.format = RESNET18_FORMAT_GRAY8, .width = boxes[i].width, .height = boxes[i].height};
    resnet18_preprocess_options options = {.crop = RESNET18_CROP_LETTERBOX};
    uint8_t *zeros = calloc(info.width, info.height);
    const uint8_t *plane[] = {zeros};
    ptrdiff_t stride[] = {(ptrdiff_t)info.width};
    assert_non_null(zeros);
    memset(rgb, 0xEE, sizeof rgb);
    run(&info, &options, plane, stride, rgb);
    for (uint32_t y = 0; y < SIDE; y++)
      for (uint32_t x = 0; x < SIDE; x++) {
        bool inside = x - boxes[i].left < boxes[i].inner_width && y - boxes[i].top < boxes[i].inner_height;
        assert_memory_equal(rgb + 3 * (y * SIDE + x), inside ? black : mean, 3);
      }
    free(zeros);
  }
}

/* Each crop and short side shows something else of a picture. */
static void options_change_the_result(void **state) {
  static const resnet18_preprocess_options variants[] = {{.crop = RESNET18_CROP_CENTER},
                                                         {.crop = RESNET18_CROP_SQUASH},
                                                         {.crop = RESNET18_CROP_LETTERBOX},
                                                         {.resize_short = 224},
                                                         {.resize_short = 1024},
                                                         {.x = 3, .width = 200, .height = 200},
                                                         {.resize_short = 257},
                                                         {.x = 4, .width = 200, .height = 200}};
  enum { VARIANTS = sizeof variants / sizeof *variants };
  static uint8_t rgb[VARIANTS][RESNET18_RGB_BYTES], again[RESNET18_RGB_BYTES];
  resnet18_image_info info = {.format = RESNET18_FORMAT_NV12, .width = 640, .height = 480};
  resnet18_preprocess_options explicit = {.resize_short = 256, .width = 640, .height = 480};
  planes from;
  assert_true(planes_make(&from, &info, 0, sample, NULL));
  for (size_t i = 0; i < VARIANTS; i++) {
    run(&info, &variants[i], from.plane, from.stride, rgb[i]);
    for (size_t k = 0; k < i; k++)
      assert_memory_not_equal(rgb[i], rgb[k], RESNET18_RGB_BYTES);
  }
  run(&info, NULL, from.plane, from.stride, again);
  assert_memory_equal(again, rgb[0], RESNET18_RGB_BYTES);
  run(&info, &explicit, from.plane, from.stride, again);
  assert_memory_equal(again, rgb[0], RESNET18_RGB_BYTES);
  free(from.memory);
}

/* ... and so do the matrix, the range and the chroma siting. */
static void info_changes_the_result(void **state) {
  static const resnet18_image_info variants[] = {
      {.width = 300, .height = 300},
      {.width = 300, .height = 300, .matrix = RESNET18_MATRIX_BT709},
      {.width = 300, .height = 300, .matrix = RESNET18_MATRIX_BT2020},
      {.width = 300, .height = 300, .full_range = true},
      {.width = 300, .height = 300, .chroma_left = true},
      {.width = 300, .height = 300, .chroma_top = true},
  };
  enum { VARIANTS = sizeof variants / sizeof *variants };
  static uint8_t rgb[VARIANTS][RESNET18_RGB_BYTES];
  planes from;
  for (size_t i = 0; i < VARIANTS; i++) {
    resnet18_image_info info = variants[i];
    info.format = RESNET18_FORMAT_I420;
    assert_true(planes_make(&from, &info, 0, sample, NULL));
    run(&info, NULL, from.plane, from.stride, rgb[i]);
    free(from.memory);
    for (size_t k = 0; k < i; k++)
      assert_memory_not_equal(rgb[i], rgb[k], RESNET18_RGB_BYTES);
  }
}

/* A picture that already has the size is only cropped. */
static void no_resize_keeps_the_pixels(void **state) {
  static uint8_t rgb[RESNET18_RGB_BYTES];
  resnet18_image_info info = {.format = RESNET18_FORMAT_BGRX, .width = 313, .height = 256};
  planes from;
  assert_true(planes_make(&from, &info, 0, sample, NULL));
  run(&info, NULL, from.plane, from.stride, rgb);
  for (uint32_t y = 0; y < SIDE; y++)
    for (uint32_t x = 0; x < SIDE; x++)
      for (uint32_t c = 0; c < 3; c++) /* (313 - 224) / 2 = 44.5, to even: 44 */
        assert_int_equal(rgb[3 * (y * SIDE + x) + c], picture_value(x + 44, y + 16, c));
  free(from.memory);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(wrong_arguments),
      cmocka_unit_test(parts_are_pictures),
      cmocka_unit_test(strides_do_not_matter),
      cmocka_unit_test(orders_agree),
      cmocka_unit_test(letterbox_fills_with_the_mean),
      cmocka_unit_test(options_change_the_result),
      cmocka_unit_test(info_changes_the_result),
      cmocka_unit_test(no_resize_keeps_the_pixels),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

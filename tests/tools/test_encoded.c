/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pictures that are whole, and every way to cut them short. */
#include "encoded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *media;

typedef bool (*is_whole)(const uint8_t *data, size_t size);

static uint8_t *load(const char *name, size_t *size) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", media, name);
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  fseek(file, 0, SEEK_END);
  *size = (size_t)ftell(file);
  rewind(file);
  uint8_t *data = malloc(*size);
  assert_int_equal(fread(data, 1, *size, file), *size);
  fclose(file);
  return data;
}

/* Whether a copy that ends where its memory ends, so that the sanitizer sees every step too far, is whole. */
static bool prefix_is_whole(is_whole check, const uint8_t *data, size_t size) {
  uint8_t *copy = malloc(size ? size : 1);
  memcpy(copy, data, size);
  const bool whole = check(copy, size);
  free(copy);
  return whole;
}

/* `step`: how many bytes to the next cut; the last 300 bytes are cut one by one. */
static void check_prefixes(is_whole check, const uint8_t *data, size_t size, size_t step) {
  assert_true(prefix_is_whole(check, data, size));
  for (size_t cut = 0; cut < size; cut += size - cut < 300 ? 1 : step)
    if (prefix_is_whole(check, data, cut))
      fail_msg("whole with %zu of %zu bytes", cut, size);
}

static void test_jpeg(void **state) {
  size_t size;
  uint8_t *data = load("china.jpg", &size);
  check_prefixes(encoded_jpeg_is_whole, data, size, 997);
  free(data);
}

static void test_png(void **state) {
  size_t size;
  uint8_t *data = load("chelsea.png", &size);
  uint32_t width = 0, height = 0;
  check_prefixes(encoded_png_is_whole, data, size, 997);
  assert_true(encoded_png_size(data, size, &width, &height));
  assert_int_equal(width, 451);
  assert_int_equal(height, 300);
  assert_false(encoded_png_size(data, 23, &width, &height));
  free(data);
}

/* 1 x 1, two colours; a comment before the frame. */
static const uint8_t gif[] = {'G',  'I', 'F', '8', '9', 'a',  1, 0, 1, 0, 0x80, 0, 0, 0, 0, 0, 255, 255,  255, 0x21,
                              0xfe, 2,   'h', 'i', 0,   0x2c, 0, 0, 0, 0, 1,    0, 1, 0, 0, 2, 2,   0x44, 1,   0};

static bool gif_is_whole(const uint8_t *data, size_t size) {
  const size_t frame = encoded_gif_first_frame(data, size);
  assert_true(frame == 0 || frame == sizeof gif);
  return frame != 0;
}

static void test_gif(void **state) {
  enum { FRAME_WIDTH = 30, FRAME_HEIGHT = 32 };
  uint8_t changed[sizeof gif + 1];
  uint32_t width = 0, height = 0;
  check_prefixes(gif_is_whole, gif, sizeof gif, 1);
  memcpy(changed, gif, sizeof gif);
  changed[sizeof gif] = 0x2c; /* another frame follows, of which nothing is there */
  assert_true(gif_is_whole(changed, sizeof changed));
  changed[FRAME_WIDTH] = 7; /* larger than its screen */
  assert_true(encoded_size(ENCODED_GIF, changed, sizeof gif, &width, &height));
  assert_int_equal(width, 7);
  assert_int_equal(height, 1);
  changed[FRAME_WIDTH] = 0;
  assert_false(encoded_size(ENCODED_GIF, changed, sizeof gif, &width, &height));
  changed[FRAME_WIDTH] = 1;
  changed[FRAME_HEIGHT] = 0;
  assert_false(encoded_size(ENCODED_GIF, changed, sizeof gif, &width, &height));
}

/* A marker inside a segment, stuffed zeros and restarts are not the end. */
static void test_jpeg_markers(void **state) {
  static const uint8_t tricky[] = {0xff, 0xd8, 0xff, 0xfe, 0,    4,    0xff, 0xd9, 0xff, 0xda, 0, 2,
                                   1,    0xff, 0,    2,    0xff, 0xd3, 3,    0xff, 0xff, 0xd9, 7};
  assert_true(prefix_is_whole(encoded_jpeg_is_whole, tricky, sizeof tricky));
  check_prefixes(encoded_jpeg_is_whole, tricky, sizeof tricky - 1, 1);
}

static void test_exif(void **state) {
  static const uint8_t with[] = {0xff, 0xd8, 0xff, 0xe1, 0,    11,   'E', 'x', 'i', 'f',  0,
                                 0,    'M',  'M',  0,    0xff, 0xda, 0,   2,   1,   0xff, 0xd9};
  const uint8_t *exif = NULL;
  size_t size = 0, without_size;
  assert_true(encoded_jpeg_exif(with, sizeof with, &exif, &size));
  assert_ptr_equal(exif, with + 12);
  assert_int_equal(size, 3);
  assert_false(encoded_jpeg_exif(with, 14, &exif, &size)); /* its length says more than there is */
  uint8_t *without = load("china.jpg", &without_size);
  assert_false(encoded_jpeg_exif(without, without_size, &exif, &size));
  free(without);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_jpeg), cmocka_unit_test(test_png),
                                     cmocka_unit_test(test_gif), cmocka_unit_test(test_jpeg_markers),
                                     cmocka_unit_test(test_exif)};
  media = argc > 1 ? argv[1] : "tests/media";
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* YUV and grey pictures against the long way in floating point: chroma interpolated linearly to every pixel, every
 * pixel converted to RGB (not clamped), the RGB picture resized with the triangle filter.
 *
 * The steps are linear, so the library's shorter way has the same exact value; it may differ by
 *   per channel and pass, (taps + 1) / 2 units of 1/256 that products lose, and 255 * taps / 2 units of 2^-16 from
 *   rounding weights (their errors are below one unit each and cancel in the sum),
 *   these times the factor of the channel in the colour conversion,
 *   the rounding of the conversion's factors to 13 bits, and half a level from rounding the result. */
#include "pictures.h"
#include "planes.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIDE = RESNET18_SIZE };

/* ---- The reference ------------------------------------------------------------------------------------ */

typedef struct {
  double m[3][3], black, middle; /* rgb = m * (y - black, u - middle, v - middle) */
} conversion;

/* ITU-R BT.601, BT.709, BT.2020. */
static conversion conversion_of(const resnet18_image_info *info) {
  static const double weights[][2] = {{0.299, 0.114}, {0.2126, 0.0722}, {0.2627, 0.0593}};
  double red = weights[info->matrix][0], blue = weights[info->matrix][1], green = 1 - red - blue;
  double y = info->full_range ? 1 : 255.0 / 219, c = info->full_range ? 1 : 255.0 / 224;
  if (info->format == RESNET18_FORMAT_GRAY8)
    c = 0;
  return (conversion){{{y, 0, c * 2 * (1 - red)},
                       {y, -c * 2 * (1 - blue) * blue / green, -c * 2 * (1 - red) * red / green},
                       {y, c * 2 * (1 - blue), 0}},
                      info->full_range ? 0 : 16,
                      128};
}

/* Chroma at luma place i, in units of chroma samples. */
static double chroma_place(uint32_t i, bool cosited, uint32_t first, uint32_t last) {
  double at = cosited ? i / 2.0 : i / 2.0 - 0.25;
  return at < first ? first : at > last ? last : at;
}

/* The part that is classified, in pixels. */
typedef struct {
  uint32_t x, y, width, height;
  bool squash;
} area;

static bool half_height(const resnet18_image_info *info) {
  return info->format == RESNET18_FORMAT_I420 || info->format == RESNET18_FORMAT_NV12 ||
         info->format == RESNET18_FORMAT_NV21;
}

static double chroma_at(const planes *from, const resnet18_image_info *info, unsigned channel, uint32_t x, uint32_t y,
                        const area *part) {
  double cx = chroma_place(x, info->chroma_left, part->x / 2, (part->x + part->width - 1) / 2);
  double cy = y;
  if (half_height(info))
    cy = chroma_place(y, info->chroma_top, part->y / 2, (part->y + part->height - 1) / 2);
  size_t left = (size_t)cx, top = (size_t)cy, right = cx > left ? left + 1 : left, bottom = cy > top ? top + 1 : top;
  double across = cx - left, down = cy - top;
  double upper = planes_sample(from, info, channel, left, top) * (1 - across) +
                 planes_sample(from, info, channel, right, top) * across;
  double lower = planes_sample(from, info, channel, left, bottom) * (1 - across) +
                 planes_sample(from, info, channel, right, bottom) * across;
  return upper * (1 - down) + lower * down;
}

/* The part as RGB: [height][width][3]. */
static double *to_rgb(const planes *from, const resnet18_image_info *info, const area *part) {
  conversion convert = conversion_of(info);
  double *rgb = malloc(sizeof *rgb * 3 * part->width * part->height), *to = rgb;
  assert_non_null(rgb);
  for (uint32_t y = part->y; y < part->y + part->height; y++)
    for (uint32_t x = part->x; x < part->x + part->width; x++) {
      double luma = planes_sample(from, info, 0, x, y) - convert.black, u = 0, v = 0;
      if (is_yuv(info->format)) {
        u = chroma_at(from, info, 1, x, y, part) - convert.middle;
        v = chroma_at(from, info, 2, x, y, part) - convert.middle;
      }
      for (int c = 0; c < 3; c++)
        *to++ = convert.m[c][0] * luma + convert.m[c][1] * u + convert.m[c][2] * v;
    }
  return rgb;
}

/* Triangle filter: `in` samples of `size` doubles at distance `stride`, resized to `resized`, of which SIDE from `from`
 * on are kept. */
static void resize_line(double *out, size_t out_stride, const double *in, size_t stride, uint32_t count,
                        uint32_t resized, uint32_t from) {
  double scale = (double)count / resized, support = scale < 1 ? 1 : scale;
  for (uint32_t i = 0; i < SIDE; i++) {
    double centre = (from + i + 0.5) * scale, sum = 0, weights = 0;
    double before = centre - support, after = centre + support;
    uint32_t end = after < count ? (uint32_t)ceil(after) : count;
    for (uint32_t k = before < 0 ? 0 : (uint32_t)before; k < end; k++) {
      double weight = 1 - fabs(k + 0.5 - centre) / support;
      if (weight > 0) {
        weights += weight;
        sum += weight * in[k * stride];
      }
    }
    out[i * out_stride] = sum / weights;
  }
}

/* What the part is resized to: all of it to the square, or the short side to 256. */
static area resized_size(const area *part) {
  uint32_t width = part->width, height = part->height;
  if (part->squash)
    return (area){.width = SIDE, .height = SIDE};
  return (area){.width = width > height ? 256 * width / height : 256,
                .height = width > height ? 256 : 256 * height / width};
}

/* [SIDE][SIDE][3] */
static double *reference(const planes *from, const resnet18_image_info *info, const area *part) {
  uint32_t width = part->width, height = part->height;
  area size = resized_size(part);
  double *rgb = to_rgb(from, info, part);
  double *narrow = malloc(sizeof *narrow * 3 * SIDE * height), *out = malloc(sizeof *out * 3 * SIDE * SIDE);
  assert_non_null(narrow);
  assert_non_null(out);
  for (uint32_t y = 0; y < height; y++)
    for (uint32_t c = 0; c < 3; c++)
      resize_line(narrow + 3 * SIDE * (size_t)y + c, 3, rgb + 3 * (size_t)width * y + c, 3, width, size.width,
                  (uint32_t)nearbyint((size.width - SIDE) / 2.0));
  for (uint32_t i = 0; i < 3 * SIDE; i++)
    resize_line(out + i, 3 * SIDE, narrow + i, 3 * SIDE, height, size.height,
                (uint32_t)nearbyint((size.height - SIDE) / 2.0));
  free(rgb);
  free(narrow);
  return out;
}

/* ---- The bound ---------------------------------------------------------------------------------------- */

/* Of a pass that makes `resized` of `count` luma samples; chroma has no more. */
static double taps_of(uint32_t count, uint32_t resized) {
  double scale = (double)count / resized;
  return 2 * ceil(scale < 1 ? 1 : scale) + 1;
}

static double bound(const resnet18_image_info *info, const area *part, int c) {
  conversion convert = conversion_of(info);
  area size = resized_size(part);
  double across = taps_of(part->width, size.width), down = taps_of(part->height, size.height), taps = across + down;
  double error = (taps + 2) / 2 / 256 + 255 * taps / 2 / 65536;
  if (taps > R18_NARROW_TAPS) /* 24 bits, and one rounding a pass */
    error = 1.0 / 256 + 255 * taps / 2 / (1 << 24);
  double factors = fabs(convert.m[c][0]) + fabs(convert.m[c][1]) + fabs(convert.m[c][2]);
  return 0.5 + factors * error + 0.5 / 8192 * (255 + 128 + 128);
}

/* ---- Tests -------------------------------------------------------------------------------------------- */

static void check(const char *what, const resnet18_image_info *info, const planes *from, const area *part) {
  static uint8_t rgb[RESNET18_RGB_BYTES];
  resnet18_preprocess_options options = {.crop = part->squash ? RESNET18_CROP_SQUASH : RESNET18_CROP_CENTER,
                                         .x = part->x,
                                         .y = part->y,
                                         .width = part->width,
                                         .height = part->height};
  resnet18_preprocessor *preprocessor;
  resnet18_error error;
  if (resnet18_preprocessor_new(info, &options, &preprocessor, &error) != RESNET18_OK)
    fail_msg("%s", error.message);
  double *expected = reference(from, info, part);
  for (const r18_resize_kernels *const *k = next_kernels(NULL); k; k = next_kernels(k)) {
    r18_preprocessor_use(preprocessor, *k);
    resnet18_preprocessor_run(preprocessor, from->plane, from->stride, rgb);
    for (size_t i = 0; i < RESNET18_RGB_BYTES; i++) {
      double want = fmin(fmax(expected[i], 0), 255);
      if (fabs(rgb[i] - want) > bound(info, part, (int)(i % 3)))
        fail_msg(
            "%s: format %d, %ux%u, part %u,%u %ux%u, matrix %d, full %d, left %d, top %d, kernels %s: pixel %zu,%zu "
            "channel %zu is %d, not %.3f",
            what, (int)info->format, info->width, info->height, part->x, part->y, part->width, part->height,
            (int)info->matrix, info->full_range, info->chroma_left, info->chroma_top, r18_cpu_set_name((*k)->set),
            i / 3 % SIDE, i / 3 / SIDE, i % 3, rgb[i], want);
    }
  }
  free(expected);
  resnet18_preprocessor_free(preprocessor);
}

static uint8_t noise(uint32_t x, uint32_t y, uint32_t channel, const void *data) {
  return picture_value(x, y, channel);
}

/* Slow waves inside the colours that RGB can show. */
static uint8_t waves(uint32_t x, uint32_t y, uint32_t channel, const void *data) {
  double size = channel ? 40 : 80;
  return (uint8_t)lrint(128 + (channel ? 25 : 60) * sin(x / size + channel) * cos(y / size));
}

static const resnet18_format formats[] = {RESNET18_FORMAT_GRAY8, RESNET18_FORMAT_I420, RESNET18_FORMAT_NV12,
                                          RESNET18_FORMAT_NV21,  RESNET18_FORMAT_YUY2, RESNET18_FORMAT_UYVY};
enum { YUV_FORMATS = sizeof formats / sizeof *formats };

static const struct {
  uint32_t width, height;
  area part;
} pictures[] = {
    {1, 1, {0, 0, 1, 1, false}},         {2, 2, {0, 0, 2, 2, false}},          {3, 5, {0, 0, 3, 5, false}},
    {7, 1, {0, 0, 7, 1, false}},         {257, 331, {0, 0, 257, 331, false}},  {290, 201, {0, 0, 290, 201, false}},
    {290, 201, {1, 1, 1, 1, false}},     {290, 201, {13, 21, 240, 97, false}}, {290, 201, {14, 22, 241, 98, false}},
    {290, 201, {289, 200, 1, 1, false}}, {401, 201, {0, 0, 401, 201, true}},   {16001, 13, {1, 0, 16000, 13, true}},
    {530, 477, {0, 0, 530, 477, false}},
};
enum { PICTURES = sizeof pictures / sizeof *pictures };

static void agrees(const char *what, sample_function sample, bool all_sitings) {
  unsigned turn = 0;
  for (size_t f = 0; f < YUV_FORMATS; f++)
    for (size_t i = 0; i < PICTURES; i++)
      for (unsigned siting = 0; siting < 4; siting++, turn++) {
        resnet18_image_info info = {.format = formats[f],
                                    .width = pictures[i].width,
                                    .height = pictures[i].height,
                                    .matrix = turn / 2 % 3,
                                    .full_range = turn % 2,
                                    .chroma_left = siting & 1,
                                    .chroma_top = siting >> 1};
        if (!all_sitings && siting != (f + i) % 4)
          continue;
        planes from;
        assert_true(planes_make(&from, &info, turn % 5, sample, NULL));
        check(what, &info, &from, &pictures[i].part);
        free(from.memory);
      }
}

static void noise_agrees(void **state) {
  agrees("noise", noise, getenv("R18_TEST_BRIEF") == NULL);
}

static void waves_agree(void **state) {
  agrees("waves", waves, false);
}

/* The errors have no direction: over many pixels their mean is that of the arithmetic, at most one unit of 1/256 a
 * pass, times the factor of luma, and five standard deviations of the mean of as many roundings. */
static void errors_cancel(void **state) {
  static uint8_t rgb[RESNET18_RGB_BYTES];
  const resnet18_image_info info = {.format = RESNET18_FORMAT_GRAY8, .width = 999, .height = 700};
  const area whole = {.width = info.width, .height = info.height};
  const double allowed = 2 * 1.17 / 256 + 5 * sqrt(1.0 / 12) / SIDE;
  resnet18_preprocessor *preprocessor;
  planes from;
  assert_true(planes_make(&from, &info, 0, noise, NULL));
  assert_int_equal(resnet18_preprocessor_new(&info, NULL, &preprocessor, NULL), RESNET18_OK);
  resnet18_preprocessor_run(preprocessor, from.plane, from.stride, rgb);
  double *want = reference(&from, &info, &whole), sum = 0;
  for (size_t i = 0; i < RESNET18_RGB_BYTES; i += 3)
    if (want[i] > 1 && want[i] < 254)
      sum += rgb[i] - want[i];
  if (fabs(sum / (SIDE * SIDE)) > allowed)
    fail_msg("the errors' mean is %.4f", sum / (SIDE * SIDE));
  free(want);
  resnet18_preprocessor_free(preprocessor);
  free(from.memory);
}

/* Limited range codes of saturated colours, rounded from the recommendations. */
static const struct {
  resnet18_matrix matrix;
  uint8_t yuv[3], rgb[3];
} primaries[] = {
    {RESNET18_MATRIX_BT601, {81, 90, 240}, {255, 0, 0}},
    {RESNET18_MATRIX_BT601, {145, 54, 34}, {0, 255, 0}},
    {RESNET18_MATRIX_BT601, {41, 240, 110}, {0, 0, 255}},
    {RESNET18_MATRIX_BT601, {210, 16, 146}, {255, 255, 0}},
    {RESNET18_MATRIX_BT601, {170, 166, 16}, {0, 255, 255}},
    {RESNET18_MATRIX_BT601, {106, 202, 222}, {255, 0, 255}},
    {RESNET18_MATRIX_BT709, {63, 102, 240}, {255, 0, 0}},
    {RESNET18_MATRIX_BT709, {173, 42, 26}, {0, 255, 0}},
    {RESNET18_MATRIX_BT709, {32, 240, 118}, {0, 0, 255}},
    {RESNET18_MATRIX_BT709, {219, 16, 138}, {255, 255, 0}},
    {RESNET18_MATRIX_BT709, {188, 154, 16}, {0, 255, 255}},
    {RESNET18_MATRIX_BT709, {78, 214, 230}, {255, 0, 255}},
    {RESNET18_MATRIX_BT2020, {74, 97, 240}, {255, 0, 0}},
    {RESNET18_MATRIX_BT2020, {164, 47, 25}, {0, 255, 0}},
    {RESNET18_MATRIX_BT2020, {29, 240, 119}, {0, 0, 255}},
    {RESNET18_MATRIX_BT601, {16, 128, 128}, {0, 0, 0}},
    {RESNET18_MATRIX_BT709, {235, 128, 128}, {255, 255, 255}},
    {RESNET18_MATRIX_BT2020, {126, 128, 128}, {128, 128, 128}},
};

static uint8_t constant(uint32_t x, uint32_t y, uint32_t channel, const void *data) {
  return ((const uint8_t *)data)[channel];
}

/* What the colour (y, u, v) must become: the nearest whole number, or either neighbour where the exact value is closer
 * to the middle between them than the arithmetic's error. */
static void check_constant(const resnet18_image_info *info, const uint8_t *yuv, uint8_t *rgb) {
  area whole = {.width = info->width, .height = info->height};
  static uint8_t out[RESNET18_RGB_BYTES];
  conversion convert = conversion_of(info);
  resnet18_preprocessor *preprocessor;
  planes from;
  assert_true(planes_make(&from, info, 0, constant, yuv));
  assert_int_equal(resnet18_preprocessor_new(info, NULL, &preprocessor, NULL), RESNET18_OK);
  resnet18_preprocessor_run(preprocessor, from.plane, from.stride, out);
  for (int c = 0; c < 3; c++) {
    double exact = convert.m[c][0] * (yuv[0] - convert.black) + convert.m[c][1] * (yuv[1] - convert.middle) +
                   convert.m[c][2] * (yuv[2] - convert.middle);
    double error = bound(info, &whole, c) - 0.5;
    exact = fmin(fmax(exact, 0), 255);
    double low = floor(exact - error + 0.5), high = floor(exact + error + 0.5);
    for (size_t i = (size_t)c; i < RESNET18_RGB_BYTES; i += 3)
      if (out[i] < low || out[i] > high)
        fail_msg("(%d, %d, %d) becomes %d in channel %d, not %.3f", yuv[0], yuv[1], yuv[2], out[i], c, exact);
  }
  memcpy(rgb, out, 3);
  resnet18_preprocessor_free(preprocessor);
  free(from.memory);
}

/* A primary colour's code is off by at most half a unit in each channel, which the conversion makes at most
 * 0.5 * (1.17 + 2.15) < 1.7 of, and the result is rounded: at most 2 levels. */
static void primaries_come_out(void **state) {
  for (size_t i = 0; i < sizeof primaries / sizeof *primaries; i++) {
    resnet18_image_info info = {
        .format = RESNET18_FORMAT_I420, .width = 300, .height = 300, .matrix = primaries[i].matrix};
    uint8_t rgb[3];
    check_constant(&info, primaries[i].yuv, rgb);
    for (int c = 0; c < 3; c++)
      if (abs(rgb[c] - primaries[i].rgb[c]) > 2)
        fail_msg("primary %zu, channel %d: %d, not %d", i, c, rgb[c], primaries[i].rgb[c]);
  }
}

static void constants_are_exact(void **state) {
  static const uint8_t levels[] = {0, 1, 16, 17, 90, 127, 128, 129, 200, 235, 240, 254, 255};
  enum { LEVELS = sizeof levels };
  for (unsigned i = 0; i < LEVELS * LEVELS * LEVELS; i++) {
    uint8_t yuv[] = {levels[i / (LEVELS * LEVELS)], levels[i / LEVELS % LEVELS], levels[i % LEVELS]}, rgb[3];
    resnet18_image_info info = {.format = formats[i % YUV_FORMATS],
                                .width = 5 + i % 7,
                                .height = 6 + i % 5,
                                .matrix = i / 2 % 3,
                                .full_range = i % 5 % 2};
    check_constant(&info, yuv, rgb);
  }
}

/* Full range grey is only resized. */
static void full_grey_stays(void **state) {
  for (unsigned level = 0; level < 256; level++) {
    uint8_t yuv[] = {(uint8_t)level, 0, 0}, rgb[3];
    resnet18_image_info info = {
        .format = RESNET18_FORMAT_GRAY8, .width = 1 + level, .height = 300 - level, .full_range = true};
    check_constant(&info, yuv, rgb);
    assert_int_equal(rgb[0], level);
    assert_int_equal(rgb[2], level);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(noise_agrees),       cmocka_unit_test(waves_agree),         cmocka_unit_test(errors_cancel),
      cmocka_unit_test(primaries_come_out), cmocka_unit_test(constants_are_exact), cmocka_unit_test(full_grey_stays),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

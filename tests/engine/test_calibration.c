/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The calibration file: what is written is read back, every damage has its sentence, and the same pictures make the
 * same file. */
#include "calibration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { FINGERPRINT = 0x1234 };

static r18_calibration example(void) {
  r18_calibration c = {.weights = FINGERPRINT};
  for (unsigned i = 0; i < R18_CONVS; i++) {
    c.range[i] = 1.5f + (float)i;
    for (unsigned p = 0; r18_has_positions(i) && p < R18_CALIBRATION_POSITIONS; p++)
      c.position[i][p] = 0.25f + (float)p;
  }
  return c;
}

static void test_round_trip(void **unused) {
  const r18_calibration written = example();
  r18_calibration read;
  resnet18_error error;
  char *text = r18_calibration_text(&written);
  assert_non_null(text);
  assert_int_equal(r18_calibration_parse("f", text, strlen(text), FINGERPRINT, &read, &error), RESNET18_OK);
  assert_memory_equal(&read, &written, sizeof read);
  free(text);
}

#define LONG "10000000000000000000000000000000000000000000000000000000000000000000000"

/* `from` in the example's text becomes `to`. */
static const struct {
  const char *from, *to;
  resnet18_status status;
  const char *sentence;
} damages[] = {
    {"resnet18-cal", "resnet50-cal", RESNET18_ERROR_FORMAT, "is not a calibration"},
    {"\t1\t0000", "\t2\t0000", RESNET18_ERROR_UNSUPPORTED, "version '2' instead of '1'"},
    {"0000001234", "000000123", RESNET18_ERROR_FORMAT, "16 hexadecimal digits"},
    {"0000001234", "000000123g", RESNET18_ERROR_FORMAT, "16 hexadecimal digits"},
    {"0000001234", "0000001235", RESNET18_ERROR_FORMAT, "belongs to other weights"},
    {"conv1\t1.500000", "conv2\t1.500000", RESNET18_ERROR_FORMAT, "is about 'conv2' instead of conv1"},
    {"conv1\t1.500000", "conv1", RESNET18_ERROR_FORMAT, "has 0 numbers instead of 1"},
    {"conv1\t1.500000", "conv1\t", RESNET18_ERROR_FORMAT, "'' of conv1 is not a number"},
    {"conv1\t1.500000", "conv1\t-1.5", RESNET18_ERROR_FORMAT, "'-1.5' of conv1 is not a number"},
    {"conv1\t1.500000", "conv1\t0.000000", RESNET18_ERROR_FORMAT, "is not a number above 0"},
    {"conv1\t1.500000", "conv1\tnan", RESNET18_ERROR_FORMAT, "'nan' of conv1 is not a number"},
    {"conv1\t1.500000", "conv1\t1,5", RESNET18_ERROR_FORMAT, "'1,5' of conv1 is not a number"},
    {"conv1\t1.500000", "conv1\t1e3", RESNET18_ERROR_FORMAT, "'1e3' of conv1 is not a number"},
    {"conv1\t1.500000", "conv1\t99999999999", RESNET18_ERROR_FORMAT, "is not a number above 0 and up to"},
    {"conv1\t1.500000", "conv1\t" LONG, RESNET18_ERROR_FORMAT, "has a field that is too long"},
    {"conv1\t1.500000", LONG "\t1.500000", RESNET18_ERROR_FORMAT, "has a field that is too long"},
    {"conv1\t1.500000", "conv1\t1.500000\t2", RESNET18_ERROR_FORMAT, "has too many numbers"},
    {"15.250000\n", "15.250000\t", RESNET18_ERROR_FORMAT, "has too many numbers"},
    {"\t15.250000\n", "\n", RESNET18_ERROR_FORMAT, "has 16 numbers instead of 17"},
    {"layer4.1.conv2\t20.500000\n", "", RESNET18_ERROR_FORMAT, "ends before layer4.1.conv2"},
    {"layer4.1.conv2\t20.500000\n", "layer4.1.conv2\t20.5", RESNET18_ERROR_FORMAT, "is cut off"},
    {"layer4.1.conv2\t20.500000\n", "layer4.1.conv2\t20.5\nfc\t1\n", RESNET18_ERROR_FORMAT, "goes on after"},
};

static void test_damage(void **unused) {
  const r18_calibration good = example();
  char *text = r18_calibration_text(&good);
  assert_non_null(text);
  for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
    char *at = strstr(text, damages[i].from);
    assert_non_null(at);
    char *damaged = malloc(strlen(text) + 128);
    const size_t size =
        (size_t)sprintf(damaged, "%.*s%s%s", (int)(at - text), text, damages[i].to, at + strlen(damages[i].from));
    r18_calibration read;
    resnet18_error error;
    const resnet18_status status = r18_calibration_parse("f", damaged, size, FINGERPRINT, &read, &error);
    if (status != damages[i].status || !strstr(error.message, damages[i].sentence))
      fail_msg("'%s' to '%s': %d, \"%s\"", damages[i].from, damages[i].to, (int)status, error.message);
    free(damaged);
  }
  free(text);
}

/* Every prefix is an error, never a crash. */
static void test_cut_off(void **unused) {
  const r18_calibration good = example();
  char *text = r18_calibration_text(&good);
  assert_non_null(text);
  const size_t whole = strlen(text);
  for (size_t size = 0; size < whole; size++) {
    char *cut = malloc(size + 1); /* not a string: the byte after it is not 0 */
    memcpy(cut, text, size);
    cut[size] = '7';
    r18_calibration read;
    resnet18_error error;
    assert_int_not_equal(r18_calibration_parse("f", cut, size, FINGERPRINT, &read, &error), RESNET18_OK);
    free(cut);
  }
  free(text);
}

static char *make_file(resnet18_model *model, const char *path, unsigned pictures) {
  resnet18_calibrator *calibrator;
  resnet18_error error;
  uint8_t *rgb = malloc(RESNET18_RGB_BYTES);
  assert_int_equal(resnet18_calibrator_new(model, &calibrator, &error), RESNET18_OK);
  for (unsigned n = 0; n < pictures; n++) {
    for (size_t i = 0; i < RESNET18_RGB_BYTES; i++)
      rgb[i] = (uint8_t)(i * (n + 3) / 700 + i % 3 * 50);
    assert_int_equal(resnet18_calibrator_add(calibrator, rgb, &error), RESNET18_OK);
  }
  const resnet18_status status = resnet18_calibrator_write(calibrator, path, &error);
  assert_int_equal(status, pictures ? RESNET18_OK : RESNET18_ERROR_ARGUMENT);
  resnet18_calibrator_free(calibrator);
  free(rgb);
  FILE *file = fopen(path, "rb");
  char *text = calloc(1, R18_CALIBRATION_LIMIT);
  if (file) {
    assert_true(fread(text, 1, R18_CALIBRATION_LIMIT - 1, file) > 0);
    fclose(file);
  }
  return text;
}

static void test_calibrator(void **unused) {
  char path[] = "/tmp/resnet18-calibration-XXXXXX";
  resnet18_model *model;
  resnet18_error error;
  const int fd = mkstemp(path);
  assert_true(fd >= 0);
  close(fd);
  unlink(path);
  assert_int_equal(r18_model_load_builtin(&model, &error), RESNET18_OK);
  assert_true(resnet18_model_calibrated(model));
  char *none = make_file(model, path, 0), *first = make_file(model, path, 2), *second = make_file(model, path, 2);
  assert_string_equal(none, ""); /* without a picture nothing is written */
  assert_string_equal(first, second);
  uint64_t fingerprint;
  r18_calibration read;
  assert_int_equal(r18_fingerprint(model, &fingerprint, &error), RESNET18_OK);
  assert_int_equal(r18_calibration_parse(path, first, strlen(first), fingerprint, &read, &error), RESNET18_OK);
  unlink(path);
  free(none);
  free(first);
  free(second);
  resnet18_model_unref(model);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_damage),
                                     cmocka_unit_test(test_cut_off), cmocka_unit_test(test_calibrator)};
  return cmocka_run_group_tests_name("calibration", tests, NULL, NULL);
}

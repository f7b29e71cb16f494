/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Weights that are quantised already: the same results to the last bit as from the floats that they were made of, int8
 * only, and every damage has its sentence. meson runs this once for each RESNET18_CPU.
 *
 *     test_int8 WEIGHTS CALIBRATION     the built-in weights' files */
#include "files.h"
#include "model.h"
#include "quantized.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { PICTURES = 4, CLASSES = 1000 };

static const char *weights_path, *calibration_path;

static void make_picture(unsigned kind, uint8_t *rgb) {
  uint32_t state = 99 + kind;
  for (unsigned i = 0; i < RESNET18_RGB_BYTES; i++) {
    state = state * 1664525u + 1013904223u;
    rgb[i] = (uint8_t)(kind == 0 ? state >> 24 : kind == 1 ? i / 650 : kind == 2 ? i * 7 / 300 + (state >> 29) : 255);
  }
}

static resnet18_model *load(const char *name) {
  resnet18_model *model;
  resnet18_error error;
  assert_ok(resnet18_model_load(in_folder(name), &model, &error), &error);
  return model;
}

static resnet18_session *open_session(resnet18_model *model, resnet18_precision precision) {
  const resnet18_session_options options = {.precision = precision, .keep_layers = true, .threads = 2};
  resnet18_session *session;
  resnet18_error error;
  assert_ok(resnet18_session_new(model, &options, &session, &error), &error);
  return session;
}

/* ---- Results -------------------------------------------------------------------------------------------- */

static void compare_layers(const resnet18_session *a, const resnet18_session *b) {
  static float x[56 * 56 * 64], y[56 * 56 * 64];
  for (unsigned layer = RESNET18_LAYER_MAXPOOL; layer <= RESNET18_LAYER_4; layer++) {
    assert_true(resnet18_session_layer(a, (resnet18_layer)layer, 0, x));
    assert_true(resnet18_session_layer(b, (resnet18_layer)layer, 0, y));
    assert_memory_equal(x, y, sizeof x);
  }
  assert_memory_equal(resnet18_session_features(a, 0), resnet18_session_features(b, 0),
                      RESNET18_FEATURES * sizeof(float));
}

static void compare_models(resnet18_model *a, resnet18_model *b) {
  resnet18_session *x = open_session(a, RESNET18_PRECISION_INT8), *y = open_session(b, RESNET18_PRECISION_INT8);
  uint8_t *rgb = malloc(RESNET18_RGB_BYTES);
  float p[CLASSES], q[CLASSES];
  resnet18_error error;
  for (unsigned kind = 0; kind < (getenv("R18_TEST_BRIEF") ? 1 : PICTURES); kind++) {
    make_picture(kind, rgb);
    assert_ok(resnet18_session_run(x, rgb, 1, p, &error), &error);
    assert_ok(resnet18_session_run(y, rgb, 1, q, &error), &error);
    assert_true(isfinite(p[0]) && p[0] != p[1]);
    assert_memory_equal(p, q, sizeof p);
    compare_layers(x, y);
  }
  free(rgb);
  resnet18_session_free(x);
  resnet18_session_free(y);
}

static void test_same_results(void **state) {
  (void)state;
  resnet18_model *floats = load("floats"), *int8 = load("int8"), *builtin;
  resnet18_error error;
  float row[RESNET18_FEATURES], other[RESNET18_FEATURES];
  compare_models(floats, int8);
  assert_ok(r18_model_load_builtin(&builtin, &error), &error);
  compare_models(floats, builtin);
  for (size_t i = 0; i < CLASSES; i += 37) {
    assert_true(resnet18_model_class_row(floats, i, row) && resnet18_model_class_row(int8, i, other));
    assert_memory_equal(row, other, sizeof row);
  }
  assert_false(resnet18_model_class_row(int8, CLASSES, row));
  resnet18_model_unref(builtin);
  resnet18_model_unref(floats);
  resnet18_model_unref(int8);
}

/* Weights of zeros, and so small that their scales would not be normal numbers. */
static void test_small_weights(void **state) {
  (void)state;
  r18_tensors all;
  resnet18_error error;
  static float small[64 * 147];
  assert_ok(r18_tensors_open(in_folder("floats"), &all, &error), &error);
  for (size_t i = 0; i < 64 * 147; i++)
    small[i] = i < 147 ? 0.0f : i < 294 ? 1e-42f : (float)(i % 147) * 1e-3f;
  for (size_t i = 0; i < all.count; i++)
    if (strcmp(all.tensor[i].name, "conv1.weight") == 0) {
      all.tensor[i].data = (const unsigned char *)small;
      all.tensor[i].dtype = R18_F32;
      all.tensor[i].bytes = sizeof small;
    }
  assert_ok(r18_safetensors_write(&all, in_folder("small"), &error), &error);
  r18_tensors_clear(&all);
  resnet18_model *model = load("small");
  resnet18_calibrator *calibrator;
  uint8_t *rgb = malloc(RESNET18_RGB_BYTES);
  make_picture(0, rgb);
  assert_ok(resnet18_calibrator_new(model, &calibrator, &error), &error);
  assert_ok(resnet18_calibrator_add(calibrator, rgb, &error), &error);
  assert_ok(resnet18_calibrator_write(calibrator, in_folder("small.calibration"), &error), &error);
  resnet18_calibrator_free(calibrator);
  resnet18_model_unref(model);
  free(rgb);
  assert_ok(resnet18_import_int8(in_folder("small"), in_folder("small8"), &error), &error);
  resnet18_model *floats = load("small"), *int8 = load("small8");
  compare_models(floats, int8);
  resnet18_model_unref(floats);
  resnet18_model_unref(int8);
}

/* ---- What it can do ------------------------------------------------------------------------------------- */

static void test_precisions(void **state) {
  (void)state;
  resnet18_model *int8 = load("int8"), *floats = load("floats");
  resnet18_session *session;
  resnet18_calibrator *calibrator;
  resnet18_error error;
  const resnet18_session_options fp32 = {.precision = RESNET18_PRECISION_FP32};
  static const char sentence[] = "/int8: the weights are int8 only; fp32 needs those that they were made of";
  assert_error(resnet18_session_new(int8, &fp32, &session, &error), &error, RESNET18_ERROR_UNSUPPORTED, sentence);
  assert_null(session);
  assert_error(resnet18_calibrator_new(int8, &calibrator, &error), &error, RESNET18_ERROR_UNSUPPORTED, sentence);
  assert_null(calibrator);
  session = open_session(int8, RESNET18_PRECISION_AUTO); /* on every processor */
  assert_int_equal(resnet18_session_precision(session), RESNET18_PRECISION_INT8);
  resnet18_session_free(session);
  assert_true(resnet18_model_calibrated(int8));
  assert_false(resnet18_model_supports(int8, RESNET18_PRECISION_FP32));
  assert_true(resnet18_model_supports(int8, RESNET18_PRECISION_INT8));
  assert_true(resnet18_model_supports(int8, RESNET18_PRECISION_AUTO));
  assert_false(resnet18_model_supports(int8, (resnet18_precision)3));
  assert_true(resnet18_model_supports(floats, RESNET18_PRECISION_FP32));
  assert_true(resnet18_model_supports(floats, RESNET18_PRECISION_INT8));
  assert_int_equal(resnet18_model_classes(int8), CLASSES);
  resnet18_model_unref(floats);
  resnet18_model_unref(int8);
}

static void assert_same_files(const char *a, const char *b) {
  size_t size, other;
  unsigned char *x = read_file(in_folder(a), &size), *y = read_file(in_folder(b), &other);
  assert_int_equal(size, other);
  assert_memory_equal(x, y, size);
  free(x);
  free(y);
}

static void test_import(void **state) {
  (void)state;
  resnet18_error error;
  assert_ok(resnet18_import(in_folder("int8"), in_folder("copy"), &error), &error);
  assert_same_files("copy", "int8");
  assert_ok(resnet18_import_int8(in_folder("int8"), in_folder("copy"), &error), &error);
  assert_same_files("copy", "int8");
  const unsigned before = count_files();
  write_file("copy", "kept", 4);
  assert_error(resnet18_import_int8(weights_path, in_folder("copy"), &error), &error, RESNET18_ERROR_UNSUPPORTED,
               "has no int8 calibration; make one with 'resnet18 calibrate'");
  assert_error(resnet18_import_int8(NULL, in_folder("copy"), &error), &error, RESNET18_ERROR_ARGUMENT, "needs a file");
  assert_error(resnet18_import_int8(in_folder("int8"), NULL, &error), &error, RESNET18_ERROR_ARGUMENT, "needs a file");
  assert_int_equal(count_files(), before);
  size_t size;
  unsigned char *kept = read_file(in_folder("copy"), &size);
  assert_int_equal(size, 4);
  free(kept);
}

/* ---- Damage --------------------------------------------------------------------------------------------- */

static r18_tensors original;

/* What happens to one tensor: another dtype, shape or number. */
static const struct {
  const char *tensor;
  enum { DROP, DTYPE, DIMS, BYTE, FLOAT, NAME } change;
  size_t index;
  float value; /* FLOAT, BYTE */
  const char *name, *sentence;
} damages[] = {
    {"conv1.scale", DROP, 0, 0, NULL, "'conv1.scale' is missing"},
    {"layer4.1.conv2.weight", DROP, 0, 0, NULL, "'layer4.1.conv2.weight' is missing"},
    {"layer1.0.conv1.positions", DROP, 0, 0, NULL, "'layer1.0.conv1.positions' is missing"},
    {"layer2.0.downsample.0.range", DROP, 0, 0, NULL, "'layer2.0.downsample.0.range' is missing"},
    {"fc.weight", DROP, 0, 0, NULL, "'fc.weight' is missing"},
    {"layer4.1.conv2.bias", NAME, 0, 0, "layer4.1.bn2.bias", "'layer4.1.conv2.bias' is missing"},
    {"conv1.weight", DTYPE, R18_F32, 0, NULL, "'conv1.weight' has the shape [64, 7, 7, 3] instead of [64, 3, 7, 7]"},
    {"layer1.0.conv1.weight", DTYPE, R18_F32, 0, NULL, "'layer1.0.conv1.weight' has the dtype F32 instead of I8"},
    {"layer1.0.conv1.scale", DTYPE, R18_F16, 0, NULL, "'layer1.0.conv1.scale' has the dtype F16 instead of F32"},
    {"fc.weight", DTYPE, R18_I8, 0, NULL, "'fc.weight' has the dtype I8 instead of F32, F16 or BF16"},
    {"layer1.0.conv1.weight", DIMS, 2, 0, NULL,
     "'layer1.0.conv1.weight' has the shape [64, 16] instead of [64, 16, 64]"},
    {"layer1.0.conv1.scale", DIMS, 1, 0, NULL, "'layer1.0.conv1.scale' has the shape [64] instead of [64, 16]"},
    {"layer3.1.conv2.bias", DIMS, 0, 0, NULL, "'layer3.1.conv2.bias' has the shape [] instead of [256]"},
    {"layer4.0.conv1.weight", BYTE, 77, -128, NULL, "'layer4.0.conv1.weight' has a weight of -128"},
    {"conv1.scale", FLOAT, 63, NAN, NULL, "'conv1.scale' has the value nan at index 63"},
    {"layer1.0.conv1.scale", FLOAT, 1023, 0.0f, NULL, "'layer1.0.conv1.scale' has the value 0 at index 1023"},
    {"conv1.scale", FLOAT, 5, -1.0f, NULL, "'conv1.scale' has the value -1 at index 5"},
    {"conv1.scale", FLOAT, 5, 1e38f, NULL, "'conv1.scale' has the value 1e+38 at index 5"},
    {"conv1.bias", FLOAT, 9, INFINITY, NULL, "'conv1.bias' has a value that is not finite at index 9"},
    {"fc.bias", FLOAT, 999, NAN, NULL, "'fc.bias' has a value that is not finite at index 999"},
    {"conv1.range", FLOAT, 0, 0.0f, NULL, "'conv1.range' has the value 0 at index 0 instead of 1e-06 to 1e+06"},
    {"conv1.range", FLOAT, 0, 1e7f, NULL, "'conv1.range' has the value 1e+07 at index 0"},
    {"layer2.0.conv2.positions", FLOAT, 15, NAN, NULL, "'layer2.0.conv2.positions' has the value nan at index 15"},
    {"conv1.range", NAME, 0, 0, "conv9.range", "'conv1.range' is missing"},
};

static unsigned char *own_data(r18_tensor *tensor) {
  unsigned char *data = malloc(tensor->bytes);
  memcpy(data, tensor->data, tensor->bytes);
  tensor->data = data;
  return data;
}

/* Applies damage i to a copy of the list of tensors; returns data to be freed. */
static unsigned char *apply(size_t i, r18_tensors *list) {
  r18_tensor *tensor = (r18_tensor *)r18_tensors_find(list, damages[i].tensor);
  unsigned char *data = NULL;
  assert_non_null(tensor);
  switch (damages[i].change) {
  case DROP:
    *tensor = list->tensor[--list->count];
    break;
  case DTYPE:
    tensor->bytes = r18_tensor_count(tensor) * r18_dtype_bytes((r18_dtype)damages[i].index);
    tensor->dtype = (r18_dtype)damages[i].index;
    tensor->data = data = calloc(1, tensor->bytes);
    break;
  case DIMS:
    tensor->dims = (unsigned)damages[i].index;
    tensor->bytes = r18_tensor_count(tensor) * r18_dtype_bytes(tensor->dtype);
    break;
  case BYTE:
    data = own_data(tensor);
    data[damages[i].index] = (unsigned char)(signed char)damages[i].value;
    break;
  case FLOAT:
    data = own_data(tensor);
    memcpy(data + 4 * damages[i].index, &damages[i].value, sizeof(float));
    break;
  case NAME:
    snprintf(tensor->name, sizeof tensor->name, "%s", damages[i].name);
  }
  return data;
}

static void assert_refused(const r18_tensors *list, const char *sentence) {
  resnet18_model *model;
  resnet18_error error;
  assert_ok(r18_safetensors_write(list, in_folder("damaged"), &error), &error);
  assert_error(resnet18_model_load(in_folder("damaged"), &model, &error), &error, RESNET18_ERROR_FORMAT, sentence);
  assert_null(model);
}

static void test_damages(void **state) {
  (void)state;
  r18_tensor *copy = malloc(original.count * sizeof *copy);
  for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
    r18_tensors list = {.count = original.count, .tensor = copy};
    memcpy(copy, original.tensor, original.count * sizeof *copy);
    unsigned char *data = apply(i, &list);
    assert_refused(&list, damages[i].sentence);
    free(data);
  }
  free(copy);
}

/* Neither a counter, nor positions where there are none. */
static void test_more_tensors(void **state) {
  (void)state;
  static const char *const names[] = {"bn1.num_batches_tracked", "conv1.positions", "layer4.1.conv2.positions", "more"};
  static const unsigned char zeros[64];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char sentence[128];
    r18_tensors list = {.count = original.count + 1, .tensor = calloc(original.count + 1, sizeof *list.tensor)};
    memcpy(list.tensor, original.tensor, original.count * sizeof *list.tensor);
    r18_tensor *more = &list.tensor[original.count];
    *more = (r18_tensor){.dtype = R18_F32, .dims = 1, .shape = {16}, .data = zeros, .bytes = sizeof zeros};
    snprintf(more->name, sizeof more->name, "%s", names[i]);
    snprintf(sentence, sizeof sentence, "'%s' does not belong to the int8 weights of ResNet-18", names[i]);
    assert_refused(&list, sentence);
    free(list.tensor);
  }
}

/* Any number of classes, and a last layer of any floats, at an odd place in the file. */
static void test_accepted(void **state) {
  (void)state;
  r18_tensor *copy = malloc(original.count * sizeof *copy);
  resnet18_error error;
  r18_tensors list = {.count = original.count, .tensor = copy};
  memcpy(copy, original.tensor, original.count * sizeof *copy);
  r18_tensor *weight = (r18_tensor *)r18_tensors_find(&list, "fc.weight"),
             *bias = (r18_tensor *)r18_tensors_find(&list, "fc.bias");
  weight->shape[0] = bias->shape[0] = 3;
  weight->bytes = 3 * 512 * 2;
  bias->bytes = 3 * 2;
  bias->dtype = R18_BF16;
  assert_ok(r18_safetensors_write(&list, in_folder("three"), &error), &error);
  resnet18_model *model = load("three");
  assert_int_equal(resnet18_model_classes(model), 3);
  resnet18_session_free(open_session(model, RESNET18_PRECISION_AUTO));
  resnet18_model_unref(model);
  free(copy);
}

/* The data of every tensor one byte away from its alignment: one more space in the header. */
static void test_unaligned(void **state) {
  (void)state;
  size_t size;
  unsigned char *file = read_file(in_folder("int8"), &size), *moved = malloc(size + 1);
  const size_t header = file[0] | (size_t)file[1] << 8 | (size_t)file[2] << 16;
  const uint64_t longer = header + 1;
  for (unsigned i = 0; i < 8; i++)
    moved[i] = (unsigned char)(longer >> (8 * i));
  memcpy(moved + 8, file + 8, header);
  moved[8 + header] = ' ';
  memcpy(moved + 9 + header, file + 8 + header, size - 8 - header);
  write_file("moved", moved, size + 1);
  free(file);
  free(moved);
  resnet18_model *straight = load("int8"), *odd = load("moved");
  compare_models(straight, odd);
  resnet18_model_unref(straight);
  resnet18_model_unref(odd);
}

/* Cut off anywhere it is an error, never a crash. */
static void test_cut_off(void **state) {
  (void)state;
  size_t size;
  unsigned char *file = read_file(in_folder("int8"), &size);
  for (size_t cut = 0; cut < size; cut = cut < 64 ? cut + 1 : cut * 5 / 4) {
    resnet18_model *model;
    resnet18_error error;
    write_file("cut", file, size - 1 - cut);
    assert_true(resnet18_model_load(in_folder("cut"), &model, &error) != RESNET18_OK);
    write_file("cut", file, cut ? cut : 1);
    assert_true(resnet18_model_load(in_folder("cut"), &model, &error) != RESNET18_OK);
    assert_null(model);
  }
  free(file);
}

static void copy_file(const char *from, const char *name) {
  size_t size;
  unsigned char *content = read_file(from, &size);
  write_file(name, content, size);
  free(content);
}

static int set_up(void **state) {
  resnet18_error error;
  if (make_folder(state))
    return -1;
  copy_file(weights_path, "floats");
  copy_file(calibration_path, "floats.calibration");
  if (resnet18_import_int8(in_folder("floats"), in_folder("int8"), &error))
    return -1;
  return r18_tensors_open(in_folder("int8"), &original, &error) ? -1 : 0;
}

static int tear_down(void **state) {
  r18_tensors_clear(&original);
  return remove_folder(state);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_same_results), cmocka_unit_test(test_small_weights), cmocka_unit_test(test_precisions),
      cmocka_unit_test(test_import),       cmocka_unit_test(test_damages),       cmocka_unit_test(test_more_tensors),
      cmocka_unit_test(test_accepted),     cmocka_unit_test(test_unaligned),     cmocka_unit_test(test_cut_off),
  };
  if (argc != 3) {
    fprintf(stderr, "test_int8 WEIGHTS CALIBRATION\n");
    return 2;
  }
  weights_path = argv[1];
  calibration_path = argv[2];
  return cmocka_run_group_tests(tests, set_up, tear_down);
}

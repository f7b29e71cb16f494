/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The safetensors reader: what it takes, and one sentence for each kind of damage. */
#include "files.h"
#include "tensors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A file in exactly as much memory as it has bytes, so that a sanitizer sees every read outside. */
static unsigned char *make_file(const char *header, uint64_t length, size_t data_size, size_t *size) {
  const size_t header_size = strlen(header);
  *size = 8 + header_size + data_size;
  unsigned char *file = calloc(1, *size);
  assert_non_null(file);
  for (int i = 0; i < 8; i++)
    file[i] = (unsigned char)(length >> (8 * i));
  memcpy(file + 8, header, header_size);
  return file;
}

static resnet18_status read_header(const char *header, size_t data_size, r18_tensors *tensors, unsigned char **file,
                                   resnet18_error *error) {
  size_t size;
  *file = make_file(header, strlen(header), data_size, &size);
  return r18_tensors_from_memory("test", *file, size, tensors, error);
}

#define T(name, dtype, shape, first, last)                                                                             \
  "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" first "," last "]}"
#define A T("a", "F32", "[2]", "0", "8")

static const struct {
  const char *header;
  size_t data_size;
  const char *sentence;
} damages[] = {
    /* JSON */
    {"{" A, 8, "test: the header is not valid at byte 61: '}' is expected here"},
    {"{" A "}x", 8, "something follows the last bracket"},
    {"{" A ",}", 8, "'\"' is expected here"},
    {"{\"a\" {}}", 0, "':' is expected here"},
    {"{\"a\":[]}", 0, "'{' is expected here"},
    {"{\"a", 0, "a string has no end"},
    {"{\"a\n\":{}}", 0, "a control character in a string"},
    {"{\"\xff\":{}}", 0, "a string is not UTF-8"},
    {"{\"\xc0\x80\":{}}", 0, "a string is not UTF-8"},
    {"{\"\xed\xa0\x80\":{}}", 0, "a string is not UTF-8"},
    {"{\"\\x\":{}}", 0, "an escape sequence in a string is not valid"},
    {"{\"\\u12\":{}}", 0, "an escape sequence in a string is not valid"},
    {"{\"\\u0000\":{}}", 0, "an escape sequence in a string is not valid"},
    {"{\"\\ud800\":{}}", 0, "an escape sequence in a string is not valid"},
    {"{\"\\ud800\\u0041\":{}}", 0, "an escape sequence in a string is not valid"},
    {"{\"\\udc00\":{}}", 0, "an escape sequence in a string is not valid"},
    {"{" T("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
           "aaaaa"
           "aaaaaaaaaaaaaaaa",
           "F32", "[2]", "0", "8") "}",
     8, "a name is too long"},
    {"{" T("a", "F32", "[-2]", "0", "8") "}", 8, "a whole number is expected here"},
    {"{" T("a", "F32", "[\"2\"]", "0", "8") "}", 8, "a whole number is expected here"},
    {"{" T("a", "F32", "[2.0]", "0", "8") "}", 8, "a number is not written as a whole number"},
    {"{" T("a", "F32", "[2e0]", "0", "8") "}", 8, "a number is not written as a whole number"},
    {"{" T("a", "F32", "[02]", "0", "8") "}", 8, "a number begins with 0"},
    {"{" T("a", "F32", "[9223372036854775808]", "0", "8") "}", 8, "a number is too large"},
    {"{" T("a", "F32", "[99999999999999999999999]", "0", "8") "}", 8, "a number is too large"},
    {"{" T("a", "F32", "[1,1,1,1,2]", "0", "8") "}", 8, "a list is too long"},
    {"{" T("a", "F32", "[[[[[[2]]]]]]", "0", "8") "}", 8, "a whole number is expected here"},
    {"{\"a\":{\"shape\":[2}}", 8, "']' is expected here"},
    {"{\"a\":{\"dtype\":{\"dtype\":{}}}}", 8, "'\"' is expected here"},
    /* Metadata */
    {"{\"__metadata__\":{\"k\":1}," A "}", 8, "'\"' is expected here"},
    {"{\"__metadata__\":{\"k\":{\"k\":\"v\"}}," A "}", 8, "'\"' is expected here"},
    {"{\"__metadata__\":{\"k\":\"v\",\"\\u006b\":\"w\"}," A "}", 8, "__metadata__ has the same key twice"},
    {"{\"__metadata__\":{},\"__metadata__\":{}," A "}", 8, "__metadata__ occurs twice"},
    {"{\"__metadata__\":{\"k\":\"v\"}}", 0, "test: has no tensors"},
    /* A tensor's properties */
    {"{\"a\":{}}", 0, "test: tensor 'a' has no dtype"},
    {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, "test: tensor 'a' has no shape"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "test: tensor 'a' has no data_offsets"},
    {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 8, "test: tensor 'a' has the property 'dtype' twice"},
    {"{\"a\":{\"shape\":[2],\"shape\":[2]}}", 8, "test: tensor 'a' has the property 'shape' twice"},
    {"{\"a\":{\"color\":\"red\"}}", 8, "test: tensor 'a' has an unknown property 'color'"},
    {"{" A "," A "}", 8, "test: tensor 'a' occurs twice"},
    {"{" A "," T("\\u0061", "F32", "[2]", "8", "16") "}", 16, "test: tensor 'a' occurs twice"},
    {"{" T("a", "F64", "[2]", "0", "16") "}", 16,
     "test: tensor 'a' has the dtype 'F64' instead of F32, F16, BF16, I8 or I64"},
    {"{" T("a", "f32", "[2]", "0", "8") "}", 8, "test: tensor 'a' has the dtype 'f32' instead of"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8,
     "test: tensor 'a' has data_offsets that are not two numbers"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,8]}}", 8, "a list is too long"},
    {"{" T("a", "F32", "[4294967296,4294967296]", "0", "8") "}", 8,
     "test: tensor 'a' has a shape whose product overflows"},
    {"{" T("a", "F32", "[9223372036854775807,2]", "0", "8") "}", 8,
     "test: tensor 'a' has a shape whose product overflows"},
    {"{" T("a", "F32", "[4611686018427387904]", "0", "0") "}", 0,
     "test: tensor 'a' has a shape whose product overflows"},
    {"{" T("a", "F32", "[3]", "0", "8") "}", 8,
     "test: tensor 'a' has 8 bytes of data, but its dtype and shape need 12"},
    {"{" T("a", "F16", "[2]", "0", "8") "}", 8, "test: tensor 'a' has 8 bytes of data, but its dtype and shape need 4"},
    {"{" T("a", "F32", "[2]", "8", "0") "}", 8, "test: tensor 'a' ends before it begins"},
    {"{" T("a", "F32", "[2]", "9223372036854775800", "9223372036854775808") "}", 8, "a number is too large"},
    /* Layout */
    {"{" A "}", 7, "test: tensor 'a' ends 1 bytes behind the end of the file"},
    {"{" A "}", 0, "test: tensor 'a' ends 8 bytes behind the end of the file"},
    {"{" T("a", "F32", "[2]", "9223372036854775799", "9223372036854775807") "}", 8,
     "test: tensor 'a' ends 9223372036854775799 bytes behind the end of the file"},
    {"{" A "," T("b", "F32", "[2]", "4", "12") "}", 12, "test: tensor 'b' overlaps tensor 'a'"},
    {"{" T("b", "F32", "[2]", "0", "8") "," A "}", 8, "overlaps tensor"},
    {"{" A "," T("b", "F32", "[2]", "12", "20") "}", 20, "test: 4 bytes before tensor 'b' belong to no tensor"},
    {"{" T("a", "F32", "[2]", "4", "12") "}", 12, "test: 4 bytes before tensor 'a' belong to no tensor"},
    {"{" A "}", 9, "test: 1 bytes follow the last tensor"},
    {"{}", 0, "test: has no tensors"},
    {"{}", 8, "test: has no tensors"},
    /* Not JSON at all */
    {" {}", 0, "test: the header does not begin with '{'"},
    {"[]", 0, "test: the header does not begin with '{'"},
};

static void test_damages(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
    r18_tensors tensors;
    resnet18_error error;
    unsigned char *file;
    resnet18_status status = read_header(damages[i].header, damages[i].data_size, &tensors, &file, &error);
    assert_error(status, &error, RESNET18_ERROR_FORMAT, damages[i].sentence);
    assert_null(tensors.tensor);
    free(file);
  }
}

/* The 8 bytes before the header. */
static void test_lengths(void **state) {
  (void)state;
  static const struct {
    uint64_t length;
    const char *sentence;
  } cases[] = {
      {0, "test: the header does not begin with '{'"},
      {56, "test: claims a header of 56 bytes, but ends after 55"},
      {1 << 20, "test: claims a header of 1048576 bytes, but ends after 55"},
      {(1 << 20) + 1, "test: claims a header of 1048577 bytes, more than the 1048576 allowed"},
      {UINT64_MAX, "test: claims a header of 18446744073709551615 bytes, more than the 1048576 allowed"},
      {UINT64_MAX - 7, "test: claims a header of 18446744073709551608 bytes, more than the 1048576 allowed"},
      {52, "is expected here"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t size;
    unsigned char *file = make_file("{" A "}", cases[i].length, 1, &size);
    r18_tensors tensors;
    resnet18_error error;
    assert_int_equal(size, 63);
    assert_error(r18_tensors_from_memory("test", file, size, &tensors, &error), &error, RESNET18_ERROR_FORMAT,
                 cases[i].sentence);
    free(file);
  }
}

/* Every prefix of a good file is refused, with a sentence that names it. */
static void test_prefixes(void **state) {
  (void)state;
  size_t size;
  const char header[] = "{\"__metadata__\":{\"k\":\"v\"}," A "," T("b", "F16", "[2,2]", "8", "16") "}";
  unsigned char *whole = make_file(header, sizeof header - 1, 16, &size);
  for (size_t count = 0; count <= size; count++) {
    unsigned char *part = malloc(count ? count : 1);
    r18_tensors tensors;
    resnet18_error error;
    memcpy(part, whole, count);
    resnet18_status status = r18_tensors_from_memory("test", part, count, &tensors, &error);
    if (count < size) {
      assert_error(status, &error, RESNET18_ERROR_FORMAT, "test: ");
    } else {
      assert_ok(status, &error);
      assert_int_equal(tensors.count, 2);
      r18_tensors_clear(&tensors);
    }
    free(part);
  }
  free(whole);
}

static void test_many_tensors(void **state) {
  (void)state;
  for (unsigned count = R18_MAX_TENSORS; count <= R18_MAX_TENSORS + 1; count++) {
    char *header = malloc(count * 80 + 3), *out = header;
    r18_tensors tensors;
    resnet18_error error;
    unsigned char *file;
    for (unsigned i = 0; i < count; i++)
      out += sprintf(out, "%c" T("t%u", "F16", "[]", "%u", "%u"), i ? ',' : '{', i, 2 * i, 2 * i + 2);
    strcpy(out, "}");
    resnet18_status status = read_header(header, 2 * count, &tensors, &file, &error);
    if (count > R18_MAX_TENSORS) {
      assert_error(status, &error, RESNET18_ERROR_FORMAT, "test: has more than 512 tensors");
    } else {
      assert_ok(status, &error);
      assert_int_equal(tensors.count, count);
      r18_tensors_clear(&tensors);
    }
    free(file);
    free(header);
  }
}

static void test_much_metadata(void **state) {
  (void)state;
  for (unsigned count = 64; count <= 65; count++) {
    char header[2048], *out = header + sprintf(header, "{\"__metadata__\":{");
    r18_tensors tensors;
    resnet18_error error;
    unsigned char *file;
    for (unsigned i = 0; i < count; i++)
      out += sprintf(out, "%s\"k%u\":\"v\"", i ? "," : "", i);
    strcpy(out, "}," A "}");
    resnet18_status status = read_header(header, 8, &tensors, &file, &error);
    if (count > 64) {
      assert_error(status, &error, RESNET18_ERROR_FORMAT, "__metadata__ has too many entries");
    } else {
      assert_ok(status, &error);
      r18_tensors_clear(&tensors);
    }
    free(file);
  }
}

/* Escapes, spaces, an order that is not that of the data, an empty tensor, a scalar. */
static void test_accepted(void **state) {
  (void)state;
  r18_tensors tensors;
  resnet18_error error;
  unsigned char *file;
  resnet18_status status = read_header(
      "{ \"__metadata__\" : { \"\\ud83d\\ude00\" : \"\\\"\\\\\\/\\b\\f\\n\\r\\t\" } ,\n\t" T(
          "\\u00e4\\u20ac\\ud83d\\ude00", "BF16", "[ 1 , 2 ]", "12",
          "16") "," T("n", "I64", "[]", "4", "12") "," T("none", "F32", "[0, 7]", "4",
                                                         "4") "," T("first", "F32", "[1,1,1,1]", "0", "4") "}   ",
      16, &tensors, &file, &error);
  assert_ok(status, &error);
  assert_int_equal(tensors.count, 4);
  assert_string_equal(tensors.tensor[0].name, "first");
  assert_string_equal(tensors.tensor[1].name, "none");
  assert_string_equal(tensors.tensor[3].name, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
  const r18_tensor *last = r18_tensors_find(&tensors, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
  assert_ptr_equal(last, &tensors.tensor[3]);
  assert_int_equal(last->dims, 2);
  assert_int_equal(last->shape[1], 2);
  assert_int_equal(r18_tensor_count(last), 2);
  assert_int_equal(r18_tensor_count(&tensors.tensor[1]), 0);
  assert_null(r18_tensors_find(&tensors, "second"));
  r18_tensors_clear(&tensors);
  free(file);
}

/* ---- Numbers -------------------------------------------------------------------------------------------- */

/* Every binary16 there is, against the definition: sign, exponent with bias 15, 10 bits of fraction. */
static void test_every_half(void **state) {
  (void)state;
  static uint16_t half[65536];
  static float value[65536];
  for (unsigned i = 0; i < 65536; i++)
    half[i] = (uint16_t)i;
  const r18_tensor tensor = {.dtype = R18_F16, .dims = 1, .shape = {65536}, .data = (void *)half, .bytes = sizeof half};
  r18_tensor_read(&tensor, 0, 65536, value);
  for (unsigned i = 0; i < 65536; i++) {
    const int exponent = i >> 10 & 31, fraction = i & 1023;
    const double magnitude = exponent == 0    ? ldexp(fraction, -24)
                             : exponent == 31 ? (fraction ? NAN : INFINITY)
                                              : ldexp(1024 + fraction, exponent - 25);
    if (isnan(magnitude))
      assert_true(isnan(value[i]));
    else
      assert_true((double)fabsf(value[i]) == magnitude);
    assert_int_equal(signbit(value[i]) != 0, i >> 15);
  }
}

/* Unaligned data, a part of it, in each precision. */
static void test_reading(void **state) {
  (void)state;
  static const unsigned char f32[] = {9, 0, 0, 128, 63, 0, 0, 0, 192}, f16[] = {9, 0, 60, 0, 192},
                             bf16[] = {9, 128, 63, 0, 192};
  const r18_tensor tensors[] = {{.dtype = R18_F32, .dims = 1, .shape = {2}, .data = f32 + 1, .bytes = 8},
                                {.dtype = R18_F16, .dims = 1, .shape = {2}, .data = f16 + 1, .bytes = 4},
                                {.dtype = R18_BF16, .dims = 1, .shape = {2}, .data = bf16 + 1, .bytes = 4}};
  for (size_t i = 0; i < 3; i++) {
    float both[2], second;
    r18_tensor_read(&tensors[i], 0, 2, both);
    r18_tensor_read(&tensors[i], 1, 1, &second);
    assert_true(both[0] == 1.0f && both[1] == -2.0f && second == -2.0f);
  }
}

/* The largest magnitude wherever it is; infinity and NaN above all numbers. */
static void test_largest(void **state) {
  (void)state;
  enum { COUNT = 300001 };
  const r18_tensors tensors = {0};
  float *values = calloc(COUNT, sizeof *values);
  static const size_t places[] = {0, 1, 131071, 131072, COUNT - 1};
  r18_tensor tensor = {.dtype = R18_F32, .dims = 1, .shape = {COUNT}, .data = (void *)values, .bytes = 4 * COUNT};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    values[7] = 0.5f;
    values[places[i]] = -3.25f;
    assert_true(r18_tensor_largest(&tensors, &tensor) == 3.25f);
    values[places[i]] = -INFINITY;
    assert_true(isinf(r18_tensor_largest(&tensors, &tensor)));
    values[places[i]] = -NAN;
    assert_true(isnan(r18_tensor_largest(&tensors, &tensor)));
    values[places[i]] = 0.0f;
  }
  uint16_t *halves = (uint16_t *)values;
  tensor.bytes = 2 * COUNT;
  for (r18_dtype dtype = R18_F16; dtype <= R18_BF16; dtype++) {
    tensor.dtype = dtype;
    memset(halves, 0, 4 * COUNT);
    halves[COUNT - 1] = 0xbc00; /* -1; as BF16 -2^-7 */
    assert_true(r18_tensor_largest(&tensors, &tensor) == (dtype == R18_F16 ? 1.0f : 0x1p-7f));
    halves[COUNT - 2] = dtype == R18_F16 ? 0x7c00 : 0x7f80;
    assert_true(isinf(r18_tensor_largest(&tensors, &tensor)));
    halves[3] = 0xffff;
    assert_true(isnan(r18_tensor_largest(&tensors, &tensor)));
  }
  free(values);
}

/* ---- Files ---------------------------------------------------------------------------------------------- */

static void test_files(void **state) {
  (void)state;
  static const struct {
    const char *name, *content;
    resnet18_status status;
    const char *sentence;
  } cases[] = {
      {"missing", NULL, RESNET18_ERROR_IO, "/missing: cannot be opened: "},
      {"", NULL, RESNET18_ERROR_IO, "/: is a directory"},
      {"empty", "", RESNET18_ERROR_FORMAT, "/empty: is empty"},
      {"short", "x", RESNET18_ERROR_FORMAT, "/short: is neither a safetensors file nor a PyTorch checkpoint"},
      {"text", "Hello, this is a text\n", RESNET18_ERROR_FORMAT,
       "/text: is neither a safetensors file nor a PyTorch checkpoint"},
      {"picture", "\x89PNG\r\n\x1a\n\1\1\1\1", RESNET18_ERROR_FORMAT,
       "/picture: is neither a safetensors file nor a PyTorch checkpoint"},
      {"cut", "\x3c\1\1\1\1\1\1\1{", RESNET18_ERROR_FORMAT, "/cut: has only 9 bytes, too few for a safetensors file"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    r18_tensors tensors;
    resnet18_error error;
    const char *path = cases[i].content ? write_file(cases[i].name, cases[i].content, strlen(cases[i].content))
                                        : in_folder(cases[i].name);
    assert_error(r18_tensors_open(path, &tensors, &error), &error, cases[i].status, cases[i].sentence);
  }
  r18_tensors tensors;
  resnet18_error error;
  assert_error(r18_tensors_open("/dev/zero", &tensors, &error), &error, RESNET18_ERROR_IO,
               "/dev/zero: is not a regular file");
  const char *huge = write_file("huge", "x", 1);
  assert_int_equal(truncate(huge, (off_t)R18_MAX_FILE + 1), 0);
  assert_error(r18_tensors_open(huge, &tensors, &error), &error, RESNET18_ERROR_FORMAT,
               "/huge: has 536870913 bytes, more than the 536870912 allowed");
}

/* A long path is cut at its beginning; the reason stays. */
static void test_long_path(void **state) {
  (void)state;
  char path[3001];
  r18_tensors tensors;
  resnet18_error error;
  for (size_t i = 0; i < sizeof path - 1; i++)
    path[i] = "/d\xc3\xa4"[i % 4];
  path[sizeof path - 1] = '\0';
  assert_error(r18_tensors_open(path, &tensors, &error), &error, RESNET18_ERROR_IO,
               "\xa4: cannot be opened: No such file");
  assert_memory_equal(error.message, "...", 3);
  assert_true(strlen(error.message) > sizeof error.message - 5);
  assert_null(strchr(error.message, '?'));
}

/* What is written is read again, and what cannot be written leaves nothing. */
static void test_writing(void **state) {
  (void)state;
  static const float numbers[] = {1.5f, -2.5f};
  static const uint16_t halves[] = {0x3c00};
  static const int64_t count = 7;
  static const int8_t bytes[] = {-128, 0, 127};
  r18_tensor list[] = {
      {.name = "half \"\\\t", .dtype = R18_F16, .dims = 1, .shape = {1}, .data = (void *)halves, .bytes = 2},
      {.name = "z", .dtype = R18_F32, .dims = 2, .shape = {2, 1}, .data = (void *)numbers, .bytes = 8},
      {.name = "a", .dtype = R18_F32, .dims = 0, .data = (void *)numbers, .bytes = 4},
      {.name = "n", .dtype = R18_I64, .dims = 0, .data = (void *)&count, .bytes = 8},
      {.name = "b", .dtype = R18_I8, .dims = 1, .shape = {3}, .data = (void *)bytes, .bytes = 3},
  };
  static const char *const order[] = {"n", "a", "z", "half \"\\\t", "b"};
  const r18_tensors out = {.count = 5, .tensor = list};
  r18_tensors in;
  resnet18_error error;
  assert_ok(r18_safetensors_write(&out, in_folder("written"), &error), &error);
  assert_ok(r18_tensors_open(in_folder("written"), &in, &error), &error);
  assert_int_equal(in.count, 5);
  assert_int_equal((in.tensor[0].data - in.base) % 8, 0);
  for (size_t i = 0; i < 5; i++)
    assert_string_equal(in.tensor[i].name, order[i]);
  for (size_t i = 0; i < 5; i++) {
    const r18_tensor *tensor = r18_tensors_find(&in, list[i].name);
    assert_int_equal(tensor->dtype, list[i].dtype);
    assert_int_equal(tensor->dims, list[i].dims);
    assert_memory_equal(tensor->shape, list[i].shape, sizeof list[i].shape);
    assert_memory_equal(tensor->data, list[i].data, list[i].bytes);
  }
  float value[2];
  r18_tensor_read(&in.tensor[4], 0, 2, value);
  assert_true(value[0] == -128.0f && value[1] == 0.0f);
  assert_true(r18_tensor_largest(&in, &in.tensor[4]) == 128.0f);
  r18_tensors_clear(&in);

  const unsigned before = count_files();
  assert_error(r18_safetensors_write(&out, in_folder(""), &error), &error, RESNET18_ERROR_IO, "is a directory");
  assert_error(r18_safetensors_write(&out, "/dev/null", &error), &error, RESNET18_ERROR_IO, "is not a regular file");
  assert_error(r18_safetensors_write(&out, in_folder("no/folder"), &error), &error, RESNET18_ERROR_IO,
               "no/folder: a file beside it cannot be created: ");
  assert_int_equal(count_files(), before);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_damages),      cmocka_unit_test(test_lengths),       cmocka_unit_test(test_prefixes),
      cmocka_unit_test(test_many_tensors), cmocka_unit_test(test_much_metadata), cmocka_unit_test(test_accepted),
      cmocka_unit_test(test_every_half),   cmocka_unit_test(test_reading),       cmocka_unit_test(test_largest),
      cmocka_unit_test(test_files),        cmocka_unit_test(test_long_path),     cmocka_unit_test(test_writing),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

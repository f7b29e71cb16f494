/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A model made of weights: exactly ResNet-18's tensors, finite, batch norms folded; where the default weights are; what
 * becomes of a model whose file changes; import.
 *
 *     test_model WEIGHTS     the built-in weights' file */
#include "files.h"
#include "model.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char *weights_path;

#ifdef WITHOUT_MEMORY_FILES
int __wrap_memfd_create(const char *name, unsigned flags);

int __wrap_memfd_create(const char *name, unsigned flags) {
  (void)name;
  (void)flags;
  errno = ENOSYS;
  return -1;
}
#endif

/* ---- Damaged weights ------------------------------------------------------------------------------------ */

/* The tensors of the built-in weights with room for more; a case changes the list, then it is written and loaded. */
static r18_tensors original;
static r18_tensor changed[R18_MAX_TENSORS];
static size_t changed_count;
static unsigned char scratch[1 << 20]; /* data of changed tensors */
static size_t scratch_used;

static unsigned char *scratch_bytes(size_t count) {
  unsigned char *bytes = scratch + scratch_used;
  assert_true(count <= sizeof scratch - scratch_used);
  scratch_used += count;
  return bytes;
}

static r18_tensor *tensor_named(const char *name) {
  for (size_t i = 0; i < changed_count; i++)
    if (strcmp(changed[i].name, name) == 0)
      return &changed[i];
  fail_msg("there is no tensor %s", name);
  return NULL;
}

/* A tensor's data in memory of our own. */
static unsigned char *own_data(r18_tensor *tensor) {
  unsigned char *bytes = scratch_bytes(tensor->bytes);
  memcpy(bytes, tensor->data, tensor->bytes);
  tensor->data = bytes;
  return bytes;
}

static void add(const char *name, r18_dtype dtype, unsigned dims, uint64_t size, size_t bytes) {
  r18_tensor *tensor = &changed[changed_count++];
  unsigned char *data = scratch_bytes(bytes);
  memset(data, 0, bytes);
  *tensor = (r18_tensor){.dtype = dtype, .dims = dims, .shape = {size}, .data = data, .bytes = bytes};
  snprintf(tensor->name, sizeof tensor->name, "%s", name);
}

static void drop(const char *name) {
  r18_tensor *tensor = tensor_named(name);
  *tensor = changed[--changed_count];
}

static void set_float(const char *name, size_t index, float value) {
  r18_tensor *tensor = tensor_named(name);
  assert_int_equal(tensor->dtype, R18_F32);
  memcpy(own_data(tensor) + 4 * index, &value, sizeof value);
}

static void set_half(const char *name, size_t index, uint16_t bits) {
  r18_tensor *tensor = tensor_named(name);
  assert_int_equal(tensor->dtype, R18_F16);
  memcpy(own_data(tensor) + 2 * index, &bits, sizeof bits);
}

static void no_bias(void) {
  drop("fc.bias");
}

static void no_conv(void) {
  drop("layer4.1.conv2.weight");
}

static void no_mean(void) {
  drop("layer2.0.downsample.1.running_mean");
}

static void no_fc(void) {
  drop("fc.weight");
}

static void other_name(void) {
  add("layer5.0.conv1.weight", R18_F32, 1, 1, 4);
}

static void counter_of_nothing(void) {
  add("layer1.0.bn3.num_batches_tracked", R18_I64, 0, 0, 8);
}

static void counter_of_floats(void) {
  add("bn1.num_batches_tracked", R18_F32, 0, 0, 4);
}

static void two_counters(void) {
  add("bn1.num_batches_tracked", R18_I64, 1, 2, 16);
}

static void flat_conv(void) {
  r18_tensor *tensor = tensor_named("conv1.weight");
  tensor->dims = 2;
  tensor->shape[1] = 147;
}

static void turned_conv(void) {
  r18_tensor *tensor = tensor_named("layer2.0.conv1.weight");
  tensor->shape[0] = 64;
  tensor->shape[1] = 128;
}

static void short_norm(void) {
  r18_tensor *tensor = tensor_named("bn1.weight");
  tensor->shape[0] = 63;
  tensor->bytes = 4 * 63;
}

static void long_bias(void) {
  r18_tensor *tensor = tensor_named("fc.bias");
  tensor->shape[0] = 999;
  tensor->bytes = 4 * 999;
}

static void other_features(void) {
  r18_tensor *tensor = tensor_named("fc.weight");
  tensor->shape[0] = 500;
  tensor->shape[1] = 1024;
}

static void no_classes(void) {
  r18_tensor *tensor = tensor_named("fc.weight");
  tensor->shape[0] = 0;
  tensor->bytes = 0;
}

static void many_classes(void) {
  r18_tensor *tensor = tensor_named("fc.weight");
  tensor->dims = 1;
  tensor->shape[0] = 100001;
  tensor->bytes = 2 * 100001;
}

static void integers(void) {
  r18_tensor *tensor = tensor_named("bn1.bias");
  tensor->dtype = R18_I64;
  tensor->bytes = 8 * 64;
}

static void nan_weight(void) {
  set_half("conv1.weight", 9407, 0x7e00);
}

static void infinite_weight(void) {
  set_half("layer1.0.conv1.weight", 5, 0xfc00);
}

static void nan_norm(void) {
  set_float("layer3.0.bn2.bias", 255, NAN);
}

static void infinite_bias(void) {
  set_float("fc.bias", 999, -INFINITY);
}

static void infinite_variance(void) {
  set_float("bn1.running_var", 0, INFINITY);
}

static void negative_variance(void) {
  set_float("bn1.running_var", 63, -0.25f);
}

static void large_factor(void) {
  set_float("bn1.weight", 3, 3e38f);
  set_float("bn1.running_var", 3, 0.0f);
}

static void large_mean(void) {
  set_float("bn1.running_mean", 3, -3e38f);
  set_float("bn1.weight", 3, 2.0f);
  set_float("bn1.running_var", 3, 1.0f);
}

static const struct {
  void (*change)(void);
  const char *sentence;
} damages[] = {
    {no_bias, "/model: tensor 'fc.bias' is missing"},
    {no_conv, "/model: tensor 'layer4.1.conv2.weight' is missing"},
    {no_mean, "/model: tensor 'layer2.0.downsample.1.running_mean' is missing"},
    {no_fc, "/model: tensor 'fc.weight' is missing"},
    {other_name, "/model: tensor 'layer5.0.conv1.weight' does not belong to ResNet-18"},
    {counter_of_nothing, "/model: tensor 'layer1.0.bn3.num_batches_tracked' does not belong to ResNet-18"},
    {counter_of_floats, "/model: tensor 'bn1.num_batches_tracked' is not a single I64"},
    {two_counters, "/model: tensor 'bn1.num_batches_tracked' is not a single I64"},
    {flat_conv, "/model: tensor 'conv1.weight' has the shape [64, 147] instead of [64, 3, 7, 7]"},
    {turned_conv, "/model: tensor 'layer2.0.conv1.weight' has the shape [64, 128, 3, 3] instead of [128, 64, 3, 3]"},
    {short_norm, "/model: tensor 'bn1.weight' has the shape [63] instead of [64]"},
    {long_bias, "/model: tensor 'fc.bias' has the shape [999] instead of [1000]"},
    {other_features, "/model: tensor 'fc.weight' has the shape [500, 1024] instead of [500, 512]"},
    {no_classes, "/model: tensor 'fc.weight' is for 0 classes instead of 1 to 100000"},
    {many_classes, "/model: tensor 'fc.weight' is for 100001 classes instead of 1 to 100000"},
    {integers, "/model: tensor 'bn1.bias' has the dtype I64 instead of F32, F16 or BF16"},
    {nan_weight, "/model: tensor 'conv1.weight' has a value that is not finite at index 9407"},
    {infinite_weight, "/model: tensor 'layer1.0.conv1.weight' has a value that is not finite at index 5"},
    {nan_norm, "/model: tensor 'layer3.0.bn2.bias' has a value that is not finite at index 255"},
    {infinite_bias, "/model: tensor 'fc.bias' has a value that is not finite at index 999"},
    {infinite_variance, "/model: tensor 'bn1.running_var' has a value that is not finite at index 0"},
    {negative_variance, "/model: tensor 'bn1.running_var' has the negative variance -0.25 at index 63"},
    {large_factor, "/model: tensor 'conv1.weight' overflows when channel 3 of 'bn1' is folded into it"},
    {large_mean, "/model: tensor 'conv1.weight' overflows when channel 3 of 'bn1' is folded into it"},
};

static const char *write_changed(const char *name) {
  const r18_tensors list = {.count = changed_count, .tensor = changed};
  resnet18_error error;
  const char *path = in_folder(name);
  assert_ok(r18_safetensors_write(&list, path, &error), &error);
  return path;
}

static void start_change(void) {
  memcpy(changed, original.tensor, original.count * sizeof *changed);
  changed_count = original.count;
  scratch_used = 0;
}

static void test_damages(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
    resnet18_model *model;
    resnet18_error error;
    start_change();
    damages[i].change();
    resnet18_status status = resnet18_model_load(write_changed("model"), &model, &error);
    assert_error(status, &error, RESNET18_ERROR_FORMAT, damages[i].sentence);
    assert_null(model);
  }
}

/* Counters, and any number of classes. */
static void test_accepted(void **state) {
  (void)state;
  static const size_t classes[] = {1, 2, 999};
  resnet18_model *model;
  resnet18_error error;
  for (size_t i = 0; i < 3; i++) {
    start_change();
    add("bn1.num_batches_tracked", R18_I64, 0, 0, 8);
    add("layer4.0.downsample.1.num_batches_tracked", R18_I64, 1, 1, 8);
    r18_tensor *weight = tensor_named("fc.weight"), *bias = tensor_named("fc.bias");
    weight->shape[0] = bias->shape[0] = classes[i];
    weight->bytes = classes[i] * 512 * 2;
    bias->bytes = classes[i] * 4;
    assert_ok(resnet18_model_load(write_changed("model"), &model, &error), &error);
    assert_int_equal(resnet18_model_classes(model), classes[i]);
    assert_string_equal(resnet18_model_source(model), in_folder("model"));
    assert_false(resnet18_model_calibrated(model));
    resnet18_model_unref(model);
  }
}

/* ---- Folding -------------------------------------------------------------------------------------------- */

static void read_all(const r18_tensors *tensors, const char *name, const char *part, float *out) {
  char full[R18_MAX_NAME];
  snprintf(full, sizeof full, "%s.%s", name, part);
  const r18_tensor *tensor = r18_tensors_find(tensors, full);
  assert_non_null(tensor);
  r18_tensor_read(tensor, 0, r18_tensor_count(tensor), out);
}

/* Against the formula in long double. The factor is off by one rounding to float, the product by another: 2 *
 * (FLT_EPSILON / 2); the summand is rounded once, after sums in double. */
static void test_folding(void **state) {
  (void)state;
  enum { MOST = 512 * 512 * 9 };
  static float raw[MOST], folded[MOST], part[MOST];
  resnet18_model *model;
  resnet18_error error;
  assert_ok(resnet18_model_load(weights_path, &model, &error), &error);
  for (unsigned i = 0; i < R18_CONVS; i++) {
    const r18_conv_shape *conv = &r18_convs[i];
    const size_t filter = (size_t)conv->in_channels * conv->kernel * conv->kernel;
    const unsigned half = conv->out_channels / 2;
    float gamma[512], beta[512], mean[512], variance[512], bias[512], part_bias[512];
    read_all(&original, conv->name, "weight", raw);
    read_all(&original, conv->norm, "weight", gamma);
    read_all(&original, conv->norm, "bias", beta);
    read_all(&original, conv->norm, "running_mean", mean);
    read_all(&original, conv->norm, "running_var", variance);
    r18_model_conv(model, i, 0, conv->out_channels, folded, bias);
    for (unsigned c = 0; c < conv->out_channels; c++) {
      const long double factor = gamma[c] / sqrtl(variance[c] + 1e-5L);
      const long double summand = beta[c] - mean[c] * factor;
      const long double magnitude = fabsl(beta[c]) + fabsl(mean[c] * factor);
      assert_true(fabsl(bias[c] - summand) <= fabsl(summand) * (FLT_EPSILON / 2) + 8 * DBL_EPSILON * magnitude);
      for (size_t k = 0; k < filter; k++) {
        const long double exact = raw[c * filter + k] * factor;
        assert_true(fabsl(folded[c * filter + k] - exact) <= fabsl(exact) * FLT_EPSILON * 1.01L + FLT_TRUE_MIN);
      }
    }
    r18_model_conv(model, i, half, conv->out_channels - half, part, part_bias);
    assert_memory_equal(part, folded + half * filter, (conv->out_channels - half) * filter * sizeof *part);
    assert_memory_equal(part_bias, bias + half, (conv->out_channels - half) * sizeof *bias);
    r18_model_release(model, i);
  }
  resnet18_model_unref(model);
}

static void test_linear(void **state) {
  (void)state;
  static float all[1000 * 512], weights[1000 * 512];
  float biases[1000], bias[1000], row[512];
  resnet18_model *model;
  resnet18_error error;
  assert_ok(r18_model_load_builtin(&model, &error), &error);
  read_all(&original, "fc", "weight", all);
  read_all(&original, "fc", "bias", biases);
  r18_model_linear(model, 0, 1000, weights, bias);
  assert_memory_equal(weights, all, sizeof all);
  assert_memory_equal(bias, biases, sizeof biases);
  r18_model_linear(model, 990, 10, weights, bias);
  assert_memory_equal(weights, all + 990 * 512, 10 * 512 * sizeof *all);
  assert_memory_equal(bias, biases + 990, 10 * sizeof *bias);
  assert_true(resnet18_model_class_row(model, 999, row));
  assert_memory_equal(row, all + 999 * 512, sizeof row);
  assert_false(resnet18_model_class_row(model, 1000, row));
  r18_model_release(model, R18_CONVS);
  assert_true(resnet18_model_class_row(model, 0, row));
  assert_memory_equal(row, all, sizeof row);
  resnet18_model_unref(model);
}

/* The three float types give the same model where the values have a place in all of them. */
static void test_precisions(void **state) {
  (void)state;
  static const float values[] = {0.5f, -1.25f, 3.0f, 0.0f, -0.0078125f};
  static unsigned char data[3][64 * 147 * 4];
  float reference[64 * 147], weights[64 * 147], bias[64];
  for (size_t i = 0; i < 64 * 147; i++) {
    const float value = values[i % 5];
    uint32_t bits;
    memcpy(&bits, &value, 4);
    const uint16_t brain = (uint16_t)(bits >> 16);
    const uint16_t half =
        value == 0.0f ? 0
                      : (uint16_t)((bits >> 16 & 0x8000) | ((bits >> 23 & 0xff) - 112) << 10 | (bits >> 13 & 0x3ff));
    memcpy(data[R18_F32] + 4 * i, &value, 4);
    memcpy(data[R18_F16] + 2 * i, &half, 2);
    memcpy(data[R18_BF16] + 2 * i, &brain, 2);
  }
  for (r18_dtype dtype = R18_F32; dtype <= R18_BF16; dtype++) {
    resnet18_model *model;
    resnet18_error error;
    start_change();
    r18_tensor *tensor = tensor_named("conv1.weight");
    tensor->dtype = dtype;
    tensor->data = data[dtype];
    tensor->bytes = 64 * 147 * (dtype == R18_F32 ? 4 : 2);
    assert_ok(resnet18_model_load(write_changed("model"), &model, &error), &error);
    r18_model_conv(model, 0, 0, 64, dtype == R18_F32 ? reference : weights, bias);
    assert_true(reference[0] != 0.0f);
    if (dtype != R18_F32)
      assert_memory_equal(weights, reference, sizeof reference);
    resnet18_model_unref(model);
  }
}

/* ---- Files that change ---------------------------------------------------------------------------------- */

/* A model is a copy: its file can be overwritten, shortened and removed. */
static void test_file_changes(void **state) {
  (void)state;
  static float before[512 * 512 * 9], after[512 * 512 * 9];
  float bias[512], row[512], row_after[512];
  resnet18_model *model;
  resnet18_error error;
  start_change();
  const char *path = write_changed("model");
  assert_ok(resnet18_model_load(path, &model, &error), &error);
  r18_model_conv(model, 19, 0, 512, before, bias);
  assert_true(resnet18_model_class_row(model, 7, row));
  for (unsigned i = 0; i <= R18_CONVS; i++)
    r18_model_release(model, i);
  assert_int_equal(truncate(path, 100), 0);
  write_file("model", "overwritten", 11);
  assert_int_equal(unlink(path), 0);
  r18_model_conv(model, 19, 0, 512, after, bias);
  assert_memory_equal(after, before, sizeof before);
  assert_true(resnet18_model_class_row(model, 7, row_after));
  assert_memory_equal(row_after, row, sizeof row);
  resnet18_model_unref(model);
}

static void test_references(void **state) {
  (void)state;
  resnet18_model *model;
  resnet18_error error;
  assert_ok(r18_model_load_builtin(&model, &error), &error);
  assert_ptr_equal(resnet18_model_ref(model), model);
  resnet18_model_unref(model);
  assert_int_equal(resnet18_model_classes(model), 1000);
  assert_string_equal(resnet18_model_source(model), "built-in");
  resnet18_model_unref(model);
  resnet18_model_unref(NULL);
}

/* ---- The default ---------------------------------------------------------------------------------------- */

/* Loads the default; the model's source or, on failure, the message. Valid until the next call. */
static const char *default_source(void) {
  static char source[512];
  resnet18_model *model;
  resnet18_error error;
  resnet18_status status = resnet18_model_load(NULL, &model, &error);
  snprintf(source, sizeof source, "%s", status ? error.message : resnet18_model_source(model));
  resnet18_model_unref(model);
  return source;
}

static void assert_ends(const char *string, const char *end) {
  if (strlen(string) < strlen(end) || strcmp(string + strlen(string) - strlen(end), end) != 0)
    fail_msg("'%s' does not end with '%s'", string, end);
}

static void test_default(void **state) {
  (void)state;
  start_change();
  write_changed("named");
  assert_int_equal(mkdir(in_folder("data"), 0700), 0);
  assert_int_equal(mkdir(in_folder("data/resnet18"), 0700), 0);
  assert_int_equal(mkdir(in_folder(".local"), 0700), 0);
  assert_int_equal(symlink(in_folder("data"), in_folder(".local/share")), 0);

  unsetenv("RESNET18_WEIGHTS");
  setenv("XDG_DATA_HOME", in_folder("data"), 1);
  setenv("HOME", in_folder(""), 1);
  assert_string_equal(default_source(), "built-in");
  write_changed("data/resnet18/resnet18.safetensors");
  assert_ends(default_source(), "/data/resnet18/resnet18.safetensors");
  setenv("XDG_DATA_HOME", "data", 1); /* relative: ignored */
  assert_ends(default_source(), "/.local/share/resnet18/resnet18.safetensors");
  setenv("XDG_DATA_HOME", "", 1);
  assert_ends(default_source(), "/.local/share/resnet18/resnet18.safetensors");
  unsetenv("XDG_DATA_HOME");
  assert_ends(default_source(), "/.local/share/resnet18/resnet18.safetensors");
  setenv("RESNET18_WEIGHTS", in_folder("named"), 1);
  assert_string_equal(default_source(), in_folder("named"));
  setenv("RESNET18_WEIGHTS", in_folder("none"), 1);
  assert_non_null(strstr(default_source(), "/none: cannot be opened"));
  setenv("RESNET18_WEIGHTS", "", 1);
  assert_ends(default_source(), "/.local/share/resnet18/resnet18.safetensors");

  /* A default that is there but damaged is an error, not a reason to take another. */
  write_file("data/resnet18/resnet18.safetensors", "damaged", 7);
  assert_ends(default_source(), "resnet18.safetensors: is neither a safetensors file nor a PyTorch checkpoint");
  assert_int_equal(unlink(in_folder("data/resnet18/resnet18.safetensors")), 0);
  assert_int_equal(rmdir(in_folder("data/resnet18")), 0);
  assert_string_equal(default_source(), "built-in");
  unlink(in_folder(".local/share"));
}

/* ---- Import --------------------------------------------------------------------------------------------- */

static void test_import(void **state) {
  (void)state;
  r18_tensors in;
  resnet18_error error;
  start_change();
  add("bn1.num_batches_tracked", R18_I64, 0, 0, 8);
  const char *from = write_changed("model");
  write_file("imported", "what was there", 14);
  const unsigned before = count_files();
  assert_ok(resnet18_import(from, in_folder("imported"), &error), &error);
  assert_int_equal(count_files(), before);
  assert_ok(r18_tensors_open(in_folder("imported"), &in, &error), &error);
  assert_int_equal(in.count, original.count); /* the counter is gone */
  for (size_t i = 0; i < original.count; i++) {
    const r18_tensor *was = &original.tensor[i], *is = r18_tensors_find(&in, was->name);
    assert_non_null(is);
    assert_int_equal(is->dtype, was->dtype);
    assert_int_equal(is->bytes, was->bytes);
    assert_memory_equal(is->data, was->data, was->bytes);
  }
  r18_tensors_clear(&in);

  /* Written once more, and over itself, it is the same file. */
  size_t size, size_again;
  unsigned char *once = read_file(in_folder("imported"), &size);
  assert_ok(resnet18_import(in_folder("imported"), in_folder("imported"), &error), &error);
  unsigned char *again = read_file(in_folder("imported"), &size_again);
  assert_int_equal(size_again, size);
  assert_memory_equal(again, once, size);
  free(once);
  free(again);
}

/* The target is what it was, and nothing lies beside it. */
static void test_failed_import(void **state) {
  (void)state;
  resnet18_error error;
  start_change();
  nan_weight();
  const char *damaged = write_changed("model");
  const char *target = write_file("kept", "what was there", 14);
  const unsigned before = count_files();
  size_t size;
  assert_error(resnet18_import(damaged, target, &error), &error, RESNET18_ERROR_FORMAT, "is not finite");
  assert_error(resnet18_import(in_folder("none"), target, &error), &error, RESNET18_ERROR_IO,
               "/none: cannot be opened");
  assert_error(resnet18_import("", target, &error), &error, RESNET18_ERROR_ARGUMENT, "is empty");
  assert_error(resnet18_import(NULL, target, &error), &error, RESNET18_ERROR_ARGUMENT, "an import needs a file");
  assert_error(resnet18_import(weights_path, NULL, &error), &error, RESNET18_ERROR_ARGUMENT, "an import needs a file");
  assert_error(resnet18_import(weights_path, in_folder(""), &error), &error, RESNET18_ERROR_IO, "/: is a directory");
  assert_error(resnet18_import(weights_path, in_folder("no/folder"), &error), &error, RESNET18_ERROR_IO,
               "/no/folder: a file beside it cannot be created");
  assert_error(resnet18_import(weights_path, "/dev/full", &error), &error, RESNET18_ERROR_IO,
               "/dev/full: is not a regular file");
  unsigned char *content = read_file(target, &size);
  assert_int_equal(size, 14);
  assert_memory_equal(content, "what was there", 14);
  free(content);
  assert_int_equal(count_files(), before);
}

/* ---- Sharing -------------------------------------------------------------------------------------------- */

static resnet18_model *load(const char *path) {
  resnet18_model *model = NULL;
  resnet18_error error;
  assert_ok(resnet18_model_load(path, &model, &error), &error);
  return model;
}

static void test_sharing(void **state) {
  (void)state;
  start_change();
  const char *path = write_changed("shared");
  resnet18_model *one = load(path), *two = load(path), *other = load(weights_path);
  assert_ptr_equal(one, two);
  assert_ptr_not_equal(one, other);
  resnet18_model_unref(one);
  assert_ptr_equal(load(path), two); /* a reference too many, which is given back below */
  /* The file is another one. */
  start_change();
  set_float("fc.bias", 0, 5.0f);
  write_changed("shared");
  resnet18_model *newer = load(path);
  assert_ptr_not_equal(newer, two);
  resnet18_model_unref(two);
  resnet18_model_unref(two);
  /* So is its calibration: that of other weights is refused, not passed over because the weights are there already. */
  resnet18_model *wrong = NULL;
  resnet18_error error;
  write_file("shared.calibration", "nonsense", 8);
  assert_error(resnet18_model_load(path, &wrong, &error), &error, RESNET18_ERROR_FORMAT, "shared.calibration");
  assert_int_equal(unlink(in_folder("shared.calibration")), 0);
  assert_ptr_equal(load(path), newer);
  resnet18_model_unref(newer);
  resnet18_model_unref(newer);
  resnet18_model_unref(other);
}

enum { LOADERS = 4, LOADS = 20 };

/* NULL, or `user` if it went wrong. */
static void *load_and_leave(void *user) {
  for (unsigned i = 0; i < LOADS; i++) {
    resnet18_model *model = NULL;
    if (resnet18_model_load(NULL, &model, NULL) != RESNET18_OK || resnet18_model_classes(model) != 1000)
      return user;
    resnet18_model_unref(model);
  }
  return NULL;
}

/* The last user goes while others come. */
static void test_sharing_by_threads(void **state) {
  (void)state;
  pthread_t thread[LOADERS];
  void *wrong;
  for (unsigned i = 0; i < LOADERS; i++)
    assert_int_equal(pthread_create(&thread[i], NULL, load_and_leave, &original), 0);
  for (unsigned i = 0; i < LOADERS; i++) {
    pthread_join(thread[i], &wrong);
    assert_null(wrong);
  }
}

static int set_up(void **state) {
  resnet18_error error;
  if (make_folder(state) || r18_tensors_open(weights_path, &original, &error))
    return -1;
  return 0;
}

static int tear_down(void **state) {
  r18_tensors_clear(&original);
  return remove_folder(state);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_damages),    cmocka_unit_test(test_accepted),
      cmocka_unit_test(test_folding),    cmocka_unit_test(test_linear),
      cmocka_unit_test(test_precisions), cmocka_unit_test(test_file_changes),
      cmocka_unit_test(test_references), cmocka_unit_test(test_default),
      cmocka_unit_test(test_import),     cmocka_unit_test(test_failed_import),
      cmocka_unit_test(test_sharing),    cmocka_unit_test(test_sharing_by_threads),
  };
  if (argc != 2) {
    fprintf(stderr, "test_model WEIGHTS\n");
    return 2;
  }
  weights_path = argv[1];
  return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A model: the tensors of ResNet-18, checked to be exactly those, and their batch norms folded on request. */
#include "model.h"

#include "builtin.h"
#include "calibration.h"
#include "error.h"
#include "expect.h"
#include "file.h"
#include "locate.h"
#include "quantized.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_CLASSES = 100000, MAX_CHANNELS = 512 };

/* torchvision's resnet18: BatchNorm2d's default. */
static const double norm_epsilon = 1e-5;

const float r18_mean[3] = {0.485f, 0.456f, 0.406f}, r18_std[3] = {0.229f, 0.224f, 0.225f};

const r18_conv_shape r18_convs[R18_CONVS] = {
    {"conv1", "bn1", 224, 3, 112, 64, 7, 2, 3},
    {"layer1.0.conv1", "layer1.0.bn1", 56, 64, 56, 64, 3, 1, 1},
    {"layer1.0.conv2", "layer1.0.bn2", 56, 64, 56, 64, 3, 1, 1},
    {"layer1.1.conv1", "layer1.1.bn1", 56, 64, 56, 64, 3, 1, 1},
    {"layer1.1.conv2", "layer1.1.bn2", 56, 64, 56, 64, 3, 1, 1},
    {"layer2.0.conv1", "layer2.0.bn1", 56, 64, 28, 128, 3, 2, 1},
    {"layer2.0.conv2", "layer2.0.bn2", 28, 128, 28, 128, 3, 1, 1},
    {"layer2.0.downsample.0", "layer2.0.downsample.1", 56, 64, 28, 128, 1, 2, 0},
    {"layer2.1.conv1", "layer2.1.bn1", 28, 128, 28, 128, 3, 1, 1},
    {"layer2.1.conv2", "layer2.1.bn2", 28, 128, 28, 128, 3, 1, 1},
    {"layer3.0.conv1", "layer3.0.bn1", 28, 128, 14, 256, 3, 2, 1},
    {"layer3.0.conv2", "layer3.0.bn2", 14, 256, 14, 256, 3, 1, 1},
    {"layer3.0.downsample.0", "layer3.0.downsample.1", 28, 128, 14, 256, 1, 2, 0},
    {"layer3.1.conv1", "layer3.1.bn1", 14, 256, 14, 256, 3, 1, 1},
    {"layer3.1.conv2", "layer3.1.bn2", 14, 256, 14, 256, 3, 1, 1},
    {"layer4.0.conv1", "layer4.0.bn1", 14, 256, 7, 512, 3, 2, 1},
    {"layer4.0.conv2", "layer4.0.bn2", 7, 512, 7, 512, 3, 1, 1},
    {"layer4.0.downsample.0", "layer4.0.downsample.1", 14, 256, 7, 512, 1, 2, 0},
    {"layer4.1.conv1", "layer4.1.bn1", 7, 512, 7, 512, 3, 1, 1},
    {"layer4.1.conv2", "layer4.1.bn2", 7, 512, 7, 512, 3, 1, 1},
};

/* A batch norm's vectors, in this order. */
enum { GAMMA, BETA, MEAN, VARIANCE, NORM_PARTS };
static const char *const norm_part_names[NORM_PARTS] = {"weight", "bias", "running_mean", "running_var"};
static const char counter_name[] = "num_batches_tracked"; /* training's; nobody needs it here */

struct resnet18_model {
  atomic_uint references;
  char *identity;       /* owned; of a model that others may share, which is in the list then */
  resnet18_model *next; /* guarded by shared_lock */
  char *source;         /* owned */
  r18_tensors floats;   /* count 0: there are none */
  const r18_tensor *conv[R18_CONVS], *norm[R18_CONVS][NORM_PARTS]; /* inside `floats` */
  bool checked[3];         /* their values, by resnet18_precision; guarded by packed_lock */
  r18_tensors int8;        /* count 0: int8 is made of the floats */
  r18_quantized quantized; /* inside `int8` */
  const r18_tensor *fc[2]; /* weight, bias; inside `int8` where there is one */
  size_t classes;
  r18_calibration *calibration; /* owned; NULL where there is none */
  pthread_mutex_t packed_lock;
  r18_packed_slots packed;
};

/* ---- Names and shapes ----------------------------------------------------------------------------------- */

enum { FC_WEIGHT, FC_BIAS };

/* The number of classes is what fc.weight says. */
static resnet18_status find_linear(resnet18_model *model, const r18_tensors *tensors, resnet18_error *error) {
  const r18_tensor *weight = r18_tensors_find(tensors, "fc.weight");
  r18_expected expected = {R18_FLOATS, 2, {weight && weight->dims ? weight->shape[0] : 1000, RESNET18_FEATURES}};
  if (expected.shape[0] < 1 || expected.shape[0] > MAX_CLASSES)
    return r18_fail(error, RESNET18_ERROR_FORMAT, "%s: tensor 'fc.weight' is for %ju classes instead of 1 to %d",
                    tensors->source, (uintmax_t)expected.shape[0], MAX_CLASSES);
  resnet18_status status = r18_expect(tensors, "fc", "weight", &expected, &model->fc[FC_WEIGHT], error);
  expected.dims = 1;
  if (!status)
    status = r18_expect(tensors, "fc", "bias", &expected, &model->fc[FC_BIAS], error);
  model->classes = (size_t)expected.shape[0];
  return status;
}

static resnet18_status find_floats(resnet18_model *model, resnet18_error *error) {
  resnet18_status status = RESNET18_OK;
  for (unsigned i = 0; i < R18_CONVS && !status; i++) {
    const r18_conv_shape *conv = &r18_convs[i];
    const r18_expected weight = {R18_FLOATS, 4, {conv->out_channels, conv->in_channels, conv->kernel, conv->kernel}};
    const r18_expected norm = {R18_FLOATS, 1, {conv->out_channels}};
    status = r18_expect(&model->floats, conv->name, "weight", &weight, &model->conv[i], error);
    for (unsigned k = 0; k < NORM_PARTS && !status; k++)
      status = r18_expect(&model->floats, conv->norm, norm_part_names[k], &norm, &model->norm[i][k], error);
  }
  return status ? status : find_linear(model, &model->floats, error);
}

/* Whether `name` is a batch norm's counter. */
static bool is_counter(const char *name) {
  for (unsigned i = 0; i < R18_CONVS; i++) {
    size_t length = strlen(r18_convs[i].norm);
    if (strncmp(name, r18_convs[i].norm, length) == 0 && name[length] == '.' &&
        strcmp(name + length + 1, counter_name) == 0)
      return true;
  }
  return false;
}

static bool is_known(const resnet18_model *model, const r18_tensor *tensor) {
  bool known = tensor == model->fc[FC_WEIGHT] || tensor == model->fc[FC_BIAS];
  for (unsigned i = 0; i < R18_CONVS && !known; i++) {
    known = tensor == model->conv[i];
    for (unsigned k = 0; k < NORM_PARTS && !known; k++)
      known = tensor == model->norm[i][k];
  }
  return known;
}

/* Nothing but the network's tensors and the counters, which are single integers. */
static resnet18_status check_rest(const resnet18_model *model, resnet18_error *error) {
  for (size_t i = 0; i < model->floats.count; i++) {
    const r18_tensor *tensor = &model->floats.tensor[i];
    if (is_known(model, tensor))
      continue;
    if (!is_counter(tensor->name))
      return r18_tensor_fail(&model->floats, tensor->name, "does not belong to ResNet-18", error);
    if (tensor->dtype != R18_I64 || r18_tensor_count(tensor) != 1)
      return r18_tensor_fail(&model->floats, tensor->name, "is not a single I64", error);
  }
  return RESNET18_OK;
}

/* ---- Values --------------------------------------------------------------------------------------------- */

/* Factor and summand that the batch norm of convolution `index` amounts to, of channels [first, first + count). */
static void norm_as_line(const resnet18_model *model, unsigned index, unsigned first, unsigned count, double *factor,
                         double *summand) {
  float part[NORM_PARTS][MAX_CHANNELS];
  for (unsigned k = 0; k < NORM_PARTS; k++)
    r18_tensor_read(model->norm[index][k], first, count, part[k]);
  for (unsigned c = 0; c < count; c++) {
    factor[c] = part[GAMMA][c] / sqrt(part[VARIANCE][c] + norm_epsilon);
    /* fma, so that every machine rounds alike: a calibration knows its weights by a hash of these numbers. */
    summand[c] = fma(-(double)part[MEAN][c], factor[c], part[BETA][c]);
  }
}

static resnet18_status check_variance(const resnet18_model *model, unsigned index, resnet18_error *error) {
  const r18_tensor *tensor = model->norm[index][VARIANCE];
  float variance[MAX_CHANNELS];
  r18_tensor_read(tensor, 0, r18_convs[index].out_channels, variance);
  for (unsigned c = 0; c < r18_convs[index].out_channels; c++)
    if (variance[c] < 0.0f)
      return r18_fail(error, RESNET18_ERROR_FORMAT, "%s: tensor '%s' has the negative variance %g at index %u",
                      model->source, tensor->name, (double)variance[c], c);
  return RESNET18_OK;
}

/* Finite weights and a finite norm can still make an infinite product. `largest` is that of the weights. */
static resnet18_status check_folded(const resnet18_model *model, unsigned index, float largest, resnet18_error *error) {
  double factor[MAX_CHANNELS], summand[MAX_CHANNELS];
  norm_as_line(model, index, 0, r18_convs[index].out_channels, factor, summand);
  for (unsigned c = 0; c < r18_convs[index].out_channels; c++)
    if (!(fabs(factor[c]) <= FLT_MAX && fabs(factor[c]) * largest <= FLT_MAX && fabs(summand[c]) <= FLT_MAX))
      return r18_fail(error, RESNET18_ERROR_FORMAT,
                      "%s: tensor '%s' overflows when channel %u of '%s' is folded into it", model->source,
                      model->conv[index]->name, c, r18_convs[index].norm);
  return RESNET18_OK;
}

static resnet18_status check_floats(const resnet18_model *model, resnet18_error *error) {
  float largest;
  resnet18_status status = RESNET18_OK;
  for (unsigned i = 0; i < R18_CONVS && !status; i++) {
    for (unsigned k = 0; k < NORM_PARTS && !status; k++)
      status = r18_expect_finite(&model->floats, model->norm[i][k], NULL, error);
    if (!status)
      status = check_variance(model, i, error);
    if (!status)
      status = r18_expect_finite(&model->floats, model->conv[i], &largest, error);
    if (!status)
      status = check_folded(model, i, largest, error);
    r18_tensor_release(&model->floats, model->conv[i]);
  }
  return status;
}

static resnet18_status check_linear(const resnet18_model *model, const r18_tensors *tensors, resnet18_error *error) {
  resnet18_status status = RESNET18_OK;
  for (unsigned i = 0; i < 2 && !status; i++)
    status = r18_expect_finite(tensors, model->fc[i], NULL, error);
  r18_tensor_release(tensors, model->fc[FC_WEIGHT]);
  return status;
}

resnet18_status r18_model_check(resnet18_model *model, resnet18_precision precision, resnet18_error *error) {
  if (model->checked[precision])
    return RESNET18_OK;
  const bool int8 = precision == RESNET18_PRECISION_INT8 && model->int8.count;
  resnet18_status status =
      int8 ? r18_quantized_check(&model->int8, &model->quantized, error) : check_floats(model, error);
  model->checked[precision] = !status;
  return status;
}

/* ---- Loading -------------------------------------------------------------------------------------------- */

/* Weights of floats: model->floats is open. */
static resnet18_status adopt_floats(resnet18_model *model, resnet18_error *error) {
  resnet18_status status = find_floats(model, error);
  if (!status)
    status = check_rest(model, error);
  if (!status)
    status = r18_model_check(model, RESNET18_PRECISION_FP32, error);
  model->checked[RESNET18_PRECISION_INT8] = !status;
  return status ? status : check_linear(model, &model->floats, error);
}

/* Weights that are quantised already: model->int8 is open. */
static resnet18_status adopt_int8(resnet18_model *model, resnet18_error *error) {
  model->calibration = malloc(sizeof *model->calibration);
  if (!model->calibration)
    return r18_fail_memory(error, sizeof *model->calibration);
  resnet18_status status = find_linear(model, &model->int8, error);
  if (!status)
    status = r18_quantized_find(&model->int8, model->fc, &model->quantized, model->calibration, error);
  return status ? status : check_linear(model, &model->int8, error);
}

/* ---- Calibration ---------------------------------------------------------------------------------------- */

static resnet18_status adopt_calibration(resnet18_model *model, const char *source, const char *text, size_t size,
                                         resnet18_error *error) {
  uint64_t fingerprint = 0;
  resnet18_status status = r18_fingerprint(model, &fingerprint, error);
  if (status)
    return status;
  model->calibration = malloc(sizeof *model->calibration);
  if (!model->calibration)
    return r18_fail_memory(error, sizeof *model->calibration);
  return r18_calibration_parse(source, text, size, fingerprint, model->calibration, error);
}

static resnet18_status read_calibration(resnet18_model *model, const char *path, resnet18_error *error) {
  int fd;
  size_t size;
  resnet18_status status = r18_file_open(path, R18_CALIBRATION_LIMIT, &fd, &size, error);
  if (status)
    return status;
  char *text = malloc(size);
  status = text ? r18_file_read(fd, path, text, size, 0, error) : r18_fail_memory(error, size);
  close(fd);
  if (!status)
    status = adopt_calibration(model, path, text, size, error);
  free(text);
  return status;
}

/* The file beside the weights, if there is one. */
static resnet18_status find_calibration(resnet18_model *model, const char *weights, resnet18_error *error) {
  static const char ending[] = ".calibration";
  const size_t room = strlen(weights) + sizeof ending;
  char *path = malloc(room);
  if (!path)
    return r18_fail_memory(error, room);
  snprintf(path, room, "%s%s", weights, ending);
  const bool missing = access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG);
  resnet18_status status = missing ? RESNET18_OK : read_calibration(model, path, error);
  free(path);
  return status;
}

/* `calibration` NULL: the file beside the weights. */
static resnet18_status load_file(resnet18_model *model, const char *path, const char *calibration,
                                 resnet18_error *error) {
  resnet18_status status = r18_tensors_open(path, &model->floats, error);
  if (status)
    return status;
  if (r18_is_quantized(&model->floats)) {
    model->int8 = model->floats;
    model->floats = (r18_tensors){0};
    status = adopt_int8(model, error);
    return status ? status : r18_model_check(model, RESNET18_PRECISION_INT8, error);
  }
  status = adopt_floats(model, error);
  if (status)
    return status;
  return calibration ? read_calibration(model, calibration, error) : find_calibration(model, path, error);
}

/* One of the library's own files; tensors->count stays 0 if this build is without it. */
static resnet18_status open_builtin(const unsigned char *begin, const unsigned char *end, r18_tensors *tensors,
                                    resnet18_error *error) {
  if (begin == end)
    return RESNET18_OK;
  resnet18_status status = r18_tensors_from_memory("built-in", begin, (size_t)(end - begin), tensors, error);
  tensors->discardable = !status; /* a read-only mapping of the library's file */
  return status;
}

/* With both forms in the library, the values of each are looked at when they are first wanted. */
static resnet18_status load_builtin(resnet18_model *model, resnet18_error *error) {
  resnet18_status status = open_builtin(r18_builtin_weights, r18_builtin_weights_end, &model->floats, error);
  if (!status)
    status = open_builtin(r18_builtin_int8, r18_builtin_int8_end, &model->int8, error);
  if (status)
    return status;
  if (model->int8.count) {
    status = model->floats.count ? find_floats(model, error) : RESNET18_OK;
    return status ? status : adopt_int8(model, error);
  }
  status = adopt_floats(model, error);
  const size_t size = (size_t)(r18_builtin_calibration_end - r18_builtin_calibration);
  return status ? status
                : adopt_calibration(model, "built-in calibration", (const char *)r18_builtin_calibration, size, error);
}

/* `path` NULL: the built-in weights. */
static resnet18_status load(const char *path, const char *calibration, resnet18_model **model, resnet18_error *error) {
  *model = NULL;
  resnet18_model *m = calloc(1, sizeof *m);
  if (!m)
    return r18_fail_memory(error, sizeof *m);
  atomic_init(&m->references, 1);
  pthread_mutex_init(&m->packed_lock, NULL);
  m->source = strdup(path ? path : "built-in");
  resnet18_status status = m->source ? RESNET18_OK : r18_fail_memory(error, strlen(path ? path : ""));
  if (!status)
    status = path ? load_file(m, path, calibration, error) : load_builtin(m, error);
  if (status) {
    resnet18_model_unref(m);
    return status;
  }
  *model = m;
  return r18_ok(error);
}

/* ---- Sharing -------------------------------------------------------------------------------------------- */

/* The models that are in use: whoever loads what another part of the process has loaded gets the same, with the packed
 * weights that go with it. The list holds no reference. */
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static resnet18_model *shared;

/* What a file's content depends on, as far as the file system tells it; "" if there is none. */
static void append_identity(char *text, size_t room, const char *path) {
  struct stat s;
  if (stat(path, &s) == 0)
    snprintf(text, room, "\n%ju %ju %jd %jd.%09ld %jd.%09ld", (uintmax_t)s.st_dev, (uintmax_t)s.st_ino,
             (intmax_t)s.st_size, (intmax_t)s.st_mtim.tv_sec, s.st_mtim.tv_nsec, (intmax_t)s.st_ctim.tv_sec,
             s.st_ctim.tv_nsec);
}

/* Of the weights and the calibration beside them; `path` NULL: the built-in weights. To be freed; NULL = no memory. */
static char *identity_of(const char *path) {
  enum { ROOM = 2 * 160 };
  static const char ending[] = ".calibration";
  const size_t room = (path ? strlen(path) : 0) + sizeof ending + ROOM;
  char *text = calloc(1, room);
  if (!text || !path)
    return text;
  /* The name of the calibration is made where the identity is to be, and is overwritten by it. */
  snprintf(text, room, "%s%s", path, ending);
  char own[ROOM / 2] = "", beside[ROOM / 2] = "";
  append_identity(own, sizeof own, path);
  append_identity(beside, sizeof beside, text);
  snprintf(text, room, "%s%s%s", path, own, beside);
  return text;
}

/* A reference to the model of this identity. The one whose last user is just going is none. */
static resnet18_model *find_shared(const char *identity) {
  for (resnet18_model *m = shared; m; m = m->next) {
    unsigned users = atomic_load_explicit(&m->references, memory_order_relaxed);
    while (strcmp(m->identity, identity) == 0 && users > 0)
      if (atomic_compare_exchange_weak_explicit(&m->references, &users, users + 1, memory_order_acquire,
                                                memory_order_relaxed))
        return m;
  }
  return NULL;
}

/* Takes `identity`. Whoever wants the same at the same time waits, and then has it. */
static resnet18_status load_shared(const char *path, char *identity, resnet18_model **model, resnet18_error *error) {
  pthread_mutex_lock(&shared_lock);
  *model = find_shared(identity);
  resnet18_status status = *model ? r18_ok(error) : load(path, NULL, model, error);
  if (!status && !(*model)->identity) {
    (*model)->identity = identity;
    (*model)->next = shared;
    shared = *model;
    identity = NULL;
  }
  pthread_mutex_unlock(&shared_lock);
  free(identity);
  return status;
}

static void leave_shared(resnet18_model *model) {
  if (!model->identity)
    return;
  pthread_mutex_lock(&shared_lock);
  resnet18_model **link = &shared;
  while (*link != model)
    link = &(*link)->next;
  *link = model->next;
  pthread_mutex_unlock(&shared_lock);
  free(model->identity);
}

resnet18_status resnet18_model_load(const char *path, resnet18_model **model, resnet18_error *error) {
  char *located = NULL;
  *model = NULL;
  if (path && !*path)
    return r18_fail(error, RESNET18_ERROR_ARGUMENT, "the name of the weights file is empty");
  resnet18_status status = path ? RESNET18_OK : r18_locate_weights(&located, error);
  char *identity = status ? NULL : identity_of(path ? path : located);
  if (identity)
    status = load_shared(path ? path : located, identity, model, error);
  else if (!status)
    status = r18_fail_memory(error, strlen(path ? path : ""));
  free(located);
  return status;
}

resnet18_status r18_model_load_builtin(resnet18_model **model, resnet18_error *error) {
  return load(NULL, NULL, model, error);
}

resnet18_status r18_model_load_calibrated(const char *path, const char *calibration, resnet18_model **model,
                                          resnet18_error *error) {
  return load(path, calibration, model, error);
}

resnet18_model *resnet18_model_ref(resnet18_model *model) {
  atomic_fetch_add_explicit(&model->references, 1, memory_order_relaxed);
  return model;
}

void resnet18_model_unref(resnet18_model *model) {
  if (!model || atomic_fetch_sub_explicit(&model->references, 1, memory_order_acq_rel) != 1)
    return;
  leave_shared(model);
  pthread_mutex_destroy(&model->packed_lock);
  r18_tensors_clear(&model->floats);
  r18_tensors_clear(&model->int8);
  free(model->source);
  free(model->calibration);
  free(model);
}

/* ---- Reading -------------------------------------------------------------------------------------------- */

size_t resnet18_model_classes(const resnet18_model *model) {
  return model->classes;
}

const char *resnet18_model_source(const resnet18_model *model) {
  return model->source;
}

bool resnet18_model_calibrated(const resnet18_model *model) {
  return model->calibration != NULL;
}

bool resnet18_model_supports(const resnet18_model *model, resnet18_precision precision) {
  switch (precision) {
  case RESNET18_PRECISION_FP32:
    return model->floats.count > 0;
  case RESNET18_PRECISION_INT8:
    return model->calibration != NULL;
  default:
    return precision == RESNET18_PRECISION_AUTO;
  }
}

bool resnet18_model_class_row(const resnet18_model *model, size_t index, float *row) {
  if (index >= model->classes)
    return false;
  r18_tensor_read(model->fc[FC_WEIGHT], index * RESNET18_FEATURES, RESNET18_FEATURES, row);
  return true;
}

const r18_tensors *r18_model_tensors(const resnet18_model *model) {
  return model->int8.count ? &model->int8 : &model->floats;
}

void r18_model_conv(const resnet18_model *model, unsigned index, unsigned first, unsigned count, float *weights,
                    float *bias) {
  const r18_conv_shape *conv = &r18_convs[index];
  size_t filter = (size_t)conv->in_channels * conv->kernel * conv->kernel;
  double factor[MAX_CHANNELS], summand[MAX_CHANNELS];
  norm_as_line(model, index, first, count, factor, summand);
  for (unsigned c = 0; c < count; c++) {
    float *w = weights + c * filter, f = (float)factor[c];
    r18_tensor_read(model->conv[index], (first + c) * filter, filter, w);
    for (size_t i = 0; i < filter; i++)
      w[i] *= f;
    bias[c] = (float)summand[c];
  }
}

void r18_model_linear(const resnet18_model *model, unsigned first, unsigned count, float *weights, float *bias) {
  r18_tensor_read(model->fc[FC_WEIGHT], (size_t)first * RESNET18_FEATURES, (size_t)count * RESNET18_FEATURES, weights);
  r18_tensor_read(model->fc[FC_BIAS], first, count, bias);
}

void r18_model_release(const resnet18_model *model, unsigned index) {
  if (index == R18_CONVS) {
    r18_tensor_release(model->int8.count ? &model->int8 : &model->floats, model->fc[FC_WEIGHT]);
    return;
  }
  if (model->floats.count)
    r18_tensor_release(&model->floats, model->conv[index]);
  if (model->int8.count)
    r18_quantized_release(&model->int8, &model->quantized, index);
}

const r18_quantized *r18_model_quantized(const resnet18_model *model) {
  return model->int8.count ? &model->quantized : NULL;
}

const r18_calibration *r18_model_calibration(const resnet18_model *model) {
  return model->calibration;
}

r18_packed_slots *r18_model_lock_packed(resnet18_model *model) {
  pthread_mutex_lock(&model->packed_lock);
  return &model->packed;
}

void r18_model_unlock_packed(resnet18_model *model) {
  pthread_mutex_unlock(&model->packed_lock);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libresnet18: ResNet-18 image classification on the CPU.
 *
 * The way through it:
 *
 *     resnet18_model *model;          the network's weights, shared by everybody
 *     resnet18_session *session;      one forward pass at a time, owned by one thread
 *     resnet18_preprocessor *prepare; a picture's planes -> 224x224 RGB
 *
 *     resnet18_model_load(NULL, &model, &error);
 *     resnet18_session_new(model, NULL, &session, &error);
 *     resnet18_preprocessor_new(&image_info, NULL, &prepare, &error);
 *     resnet18_preprocessor_run(prepare, planes, strides, rgb);
 *     resnet18_session_run(session, rgb, 1, logits, &error);
 *     resnet18_softmax(logits, classes, scores);
 *     resnet18_top_k(scores, classes, 5, 0.0f, best);
 *
 * Every function that can fail returns a status and, where `error` is not NULL, fills it with one sentence
 * that names the file, tensor or argument at fault. Nothing is printed and no signal handler, locale or
 * environment variable is changed. Models and label lists may be used by many threads at once; a session
 * and a preprocessor by one thread at a time. */
#ifndef RESNET18_H
#define RESNET18_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define RESNET18_API __attribute__((visibility("default")))
#else
#define RESNET18_API
#endif

/* Side in pixels of the square picture the network sees. */
#define RESNET18_SIZE 224
/* Bytes of one such picture: RGB, row after row, no padding. */
#define RESNET18_RGB_BYTES (RESNET18_SIZE * RESNET18_SIZE * 3)
/* Numbers in the feature vector before the last layer. */
#define RESNET18_FEATURES 512
/* Largest number of pictures in one call of resnet18_session_run. */
#define RESNET18_MAX_BATCH 16

/* ---- Errors ------------------------------------------------------------------------------------------- */

typedef enum {
  RESNET18_OK = 0,
  RESNET18_ERROR_ARGUMENT,    /* an argument is outside its range */
  RESNET18_ERROR_IO,          /* a file cannot be opened, read or written */
  RESNET18_ERROR_FORMAT,      /* a file is damaged, or not what it should be */
  RESNET18_ERROR_UNSUPPORTED, /* well formed, but this CPU, build or model cannot do it */
  RESNET18_ERROR_MEMORY,      /* out of memory */
  RESNET18_ERROR_SYSTEM       /* the operating system refused (threads, mappings) */
} resnet18_status;

/* `message` is one sentence without a full stop or line break, in UTF-8; "" after success. */
typedef struct {
  resnet18_status status;
  char message[480];
} resnet18_error;

/* ---- Library ------------------------------------------------------------------------------------------ */

/* "MAJOR.MINOR.PATCH" of the library. Never NULL, never freed. */
RESNET18_API const char *resnet18_version(void);

/* The instruction sets that the engine may use here, best first, such as "avx512vnni avx512 avx2 blas c": what the
 * processor and the kernel offer, cut down by the environment variable RESNET18_CPU, which names the best set allowed
 * ("c", "blas" for OpenBLAS, "avx2", "avx2vnni", "avx512", "avx512vnni"; on ARM "c", "neon", "dotprod"). Never NULL,
 * never freed. */
RESNET18_API const char *resnet18_cpu(void);

/* How many threads the affinity mask and the cgroup's CPU quota allow this process; at least 1. */
RESNET18_API unsigned resnet18_cpu_count(void);

/* ---- Model -------------------------------------------------------------------------------------------- */

/* An immutable, checked, reference-counted set of weights. */
typedef struct resnet18_model resnet18_model;

typedef enum {
  RESNET18_PRECISION_AUTO, /* int8 where the CPU has a fast path and the model a calibration, or the model nothing else;
                              else fp32 */
  RESNET18_PRECISION_FP32,
  RESNET18_PRECISION_INT8
} resnet18_precision;

/* Loads weights from a .safetensors file or a PyTorch checkpoint (.pth; read without executing anything).
 * `path` NULL is the default: the file named by the environment variable RESNET18_WEIGHTS, else
 * resnet18/resnet18.safetensors below $XDG_DATA_HOME, else the same below the installation's data directory,
 * else the weights in the library itself. A default that exists but is damaged is an error.
 * On success *model owns one reference, to be given back with resnet18_model_unref; on failure it is NULL. Weights
 * that the process has loaded already, from a file that has not changed since, are the same model again. */
RESNET18_API resnet18_status resnet18_model_load(const char *path, resnet18_model **model, resnet18_error *error);

RESNET18_API resnet18_model *resnet18_model_ref(resnet18_model *model);
/* NULL is allowed. */
RESNET18_API void resnet18_model_unref(resnet18_model *model);

/* Number of classes: length of the logits. 1000 for ImageNet. */
RESNET18_API size_t resnet18_model_classes(const resnet18_model *model);

/* Where the weights came from: the file's path, or "built-in". Lives as long as the model. */
RESNET18_API const char *resnet18_model_source(const resnet18_model *model);

/* Whether an int8 calibration belongs to these weights: built in, the file whose name is the weights' name with
 * ".calibration" appended, or that of weights which are int8 already. */
RESNET18_API bool resnet18_model_calibrated(const resnet18_model *model);

/* Whether a session of this precision can be made: fp32 unless the weights are int8 only, int8 where there is a
 * calibration; AUTO always. */
RESNET18_API bool resnet18_model_supports(const resnet18_model *model, resnet18_precision precision);

/* Row `index` of the last layer: RESNET18_FEATURES floats, copied to `row`; what a class activation map weighs
 * the features with. False if `index` is not a class. */
RESNET18_API bool resnet18_model_class_row(const resnet18_model *model, size_t index, float *row);

/* Reads a PyTorch checkpoint or a safetensors file, checks it as resnet18_model_load does, and writes it as
 * safetensors in the precision it came in. `to` is replaced in one step (written beside it, then renamed), or
 * left as it was on failure. */
RESNET18_API resnet18_status resnet18_import(const char *from, const char *to, resnet18_error *error);

/* The same, quantised for int8 with the calibration that belongs to the weights, which becomes part of the file. The
 * result is an eighth as large again as a byte a weight, loads faster, and can do int8 only, with the same results to
 * the last bit. */
RESNET18_API resnet18_status resnet18_import_int8(const char *from, const char *to, resnet18_error *error);

/* ---- Labels ------------------------------------------------------------------------------------------- */

typedef struct resnet18_labels resnet18_labels;

/* `path`: UTF-8 text, one name a line, or a table with the tab-separated columns index, wnid, name under a header
 * line. NULL: the built-in ImageNet names. It is an error if the file does not name exactly `classes` classes.
 * On success *labels owns one reference. */
RESNET18_API resnet18_status resnet18_labels_load(const char *path, size_t classes, resnet18_labels **labels,
                                                  resnet18_error *error);
RESNET18_API resnet18_labels *resnet18_labels_ref(resnet18_labels *labels);
/* NULL is allowed. */
RESNET18_API void resnet18_labels_unref(resnet18_labels *labels);
RESNET18_API size_t resnet18_labels_count(const resnet18_labels *labels);
/* Lives as long as the list; NULL if `index` is not a class. */
RESNET18_API const char *resnet18_labels_name(const resnet18_labels *labels, size_t index);
/* WordNet id such as "n01440764", or "" where the list has none. NULL if `index` is not a class. */
RESNET18_API const char *resnet18_labels_wnid(const resnet18_labels *labels, size_t index);

/* ---- Preprocessing ------------------------------------------------------------------------------------ */

/* Order of bytes in memory. X is a byte that is not read (alpha formats use the same entries). */
typedef enum {
  RESNET18_FORMAT_RGB,
  RESNET18_FORMAT_BGR,
  RESNET18_FORMAT_RGBX,
  RESNET18_FORMAT_BGRX,
  RESNET18_FORMAT_XRGB,
  RESNET18_FORMAT_XBGR,
  RESNET18_FORMAT_GRAY8,
  RESNET18_FORMAT_I420, /* planes Y, U, V; YV12 is the same with the plane pointers in that order */
  RESNET18_FORMAT_NV12, /* planes Y, UV */
  RESNET18_FORMAT_NV21, /* planes Y, VU */
  RESNET18_FORMAT_YUY2, /* one plane Y U Y V */
  RESNET18_FORMAT_UYVY  /* one plane U Y V Y */
} resnet18_format;

typedef enum { RESNET18_MATRIX_BT601, RESNET18_MATRIX_BT709, RESNET18_MATRIX_BT2020 } resnet18_matrix;

typedef enum {
  RESNET18_CROP_CENTER,   /* torchvision: short side to `resize_short`, centre 224x224 */
  RESNET18_CROP_SQUASH,   /* the whole picture to 224x224, aspect ratio lost */
  RESNET18_CROP_LETTERBOX /* the whole picture inside 224x224, the rest the mean colour */
} resnet18_crop;

/* What a picture looks like in memory. Zero-initialise; RGB fields ignore the YUV ones. */
typedef struct {
  resnet18_format format;
  uint32_t width, height; /* pixels, 1..65535 */
  resnet18_matrix matrix; /* of YUV */
  bool full_range;        /* YUV, GRAY8: 0..255 rather than 16..235 */
  bool chroma_left;       /* subsampled chroma sits on the left luma column (MPEG-2) rather than between two */
  bool chroma_top;        /* ... on the upper luma row rather than between two */
} resnet18_image_info;

/* Zero-initialise for the defaults. */
typedef struct {
  resnet18_crop crop;
  uint32_t resize_short;      /* CENTER: short side in pixels before the crop, 224..1024; 0 = 256 */
  double x, y, width, height; /* the part to classify, in pixels; width 0 = the whole picture. Rounded to whole
                                 pixels and cut to the picture; nothing left is an error */
  bool exact;                 /* RGB formats and full-range GRAY8: equal to Pillow to the last bit rather than within
                                 one level, for scores that are compared with PyTorch's. Slower */
} resnet18_preprocess_options;

/* The tables for one kind of picture; made once, used for each frame. */
typedef struct resnet18_preprocessor resnet18_preprocessor;

/* `options` NULL = defaults. Free with resnet18_preprocessor_free. */
RESNET18_API resnet18_status resnet18_preprocessor_new(const resnet18_image_info *info,
                                                       const resnet18_preprocess_options *options,
                                                       resnet18_preprocessor **preprocessor, resnet18_error *error);
/* NULL is allowed. */
RESNET18_API void resnet18_preprocessor_free(resnet18_preprocessor *preprocessor);

/* Crop, antialiased bilinear resize (equal to Pillow's within one level of 255) and colour conversion in one
 * pass over the planes. `plane` and `stride` (bytes from one row to the next, may be negative) have as many
 * entries as the format has planes; bytes outside the part to classify are not read. `rgb` receives
 * RESNET18_RGB_BYTES. Allocates nothing, cannot fail. */
RESNET18_API void resnet18_preprocessor_run(resnet18_preprocessor *preprocessor, const uint8_t *const *plane,
                                            const ptrdiff_t *stride, uint8_t *rgb);

/* ---- Session ------------------------------------------------------------------------------------------ */

/* Zero-initialise for the defaults. */
typedef struct {
  resnet18_precision precision;
  unsigned threads;   /* threads of one forward pass, the caller's included; 0 = resnet18_cpu_count() */
  unsigned max_batch; /* largest batch of resnet18_session_run; 0 = 1, at most RESNET18_MAX_BATCH */
  bool keep_layers;   /* keep the outputs that resnet18_session_layer can copy; a little more memory */
} resnet18_session_options;

/* One forward pass at a time: the arena and the threads. */
typedef struct resnet18_session resnet18_session;

/* `options` NULL = defaults. The session holds its own reference to `model`. Sessions of one model with the same
 * precision share the packed weights. */
RESNET18_API resnet18_status resnet18_session_new(resnet18_model *model, const resnet18_session_options *options,
                                                  resnet18_session **session, resnet18_error *error);
/* NULL is allowed. */
RESNET18_API void resnet18_session_free(resnet18_session *session);

/* Forward pass. `rgb`: `batch` pictures of RESNET18_RGB_BYTES each, one after the other (NHWC, 0..255; mean and
 * standard deviation of ImageNet are the engine's business). `logits`: batch x classes floats. Fails only on a
 * batch that is 0 or larger than max_batch. No allocation, no lock. */
RESNET18_API resnet18_status resnet18_session_run(resnet18_session *session, const uint8_t *rgb, size_t batch,
                                                  float *logits, resnet18_error *error);

/* The same from normalised floats as torchvision makes them: batch x 3 x 224 x 224 (NCHW), (value / 255 - mean) /
 * std. The int8 precision rounds them back to 0..255 first. */
RESNET18_API resnet18_status resnet18_session_run_normalized(resnet18_session *session, const float *nchw, size_t batch,
                                                             float *logits, resnet18_error *error);

/* The last run's pooled features of picture `image` of the batch: RESNET18_FEATURES floats, valid until the next
 * run. NULL if the last batch had no such picture. */
RESNET18_API const float *resnet18_session_features(const resnet18_session *session, size_t image);

typedef enum {
  RESNET18_LAYER_MAXPOOL, /* 56 x 56 x  64 */
  RESNET18_LAYER_1,       /* 56 x 56 x  64 */
  RESNET18_LAYER_2,       /* 28 x 28 x 128 */
  RESNET18_LAYER_3,       /* 14 x 14 x 256 */
  RESNET18_LAYER_4        /*  7 x  7 x 512 */
} resnet18_layer;

/* Copies a layer's output of the last run as height x width x channels floats (HWC; int8 is converted back).
 * RESNET18_LAYER_4 always works, the others only with keep_layers: false otherwise. */
RESNET18_API bool resnet18_session_layer(const resnet18_session *session, resnet18_layer layer, size_t image,
                                         float *hwc);

/* Precision and number of threads in force; never AUTO, never 0. */
RESNET18_API resnet18_precision resnet18_session_precision(const resnet18_session *session);
RESNET18_API unsigned resnet18_session_threads(const resnet18_session *session);
/* Best instruction set that the plan uses, such as "avx512vnni". Lives as long as the session. */
RESNET18_API const char *resnet18_session_kernels(const resnet18_session *session);
/* A sentence for the user's log where something better was wanted and could not be had, such as an OpenBLAS that
 * computes wrong numbers on this CPU; else "". Lives as long as the session. */
RESNET18_API const char *resnet18_session_warning(const resnet18_session *session);

/* One step of the plan, for display. The strings live as long as the session. */
typedef struct {
  const char *name;                 /* "layer1.0.conv1" */
  const char *kernel;               /* "conv_winograd4" */
  const char *set;                  /* its instruction set: "avx512" */
  unsigned height, width, channels; /* of the output */
  double flop;                      /* of the definition (2 x multiply-adds of the direct convolution), one picture */
  size_t weight_bytes;              /* packed */
  double seconds;                   /* in the last profiled run; 0 before */
} resnet18_step_info;

RESNET18_API size_t resnet18_session_steps(const resnet18_session *session);
/* False if `index` is not a step. */
RESNET18_API bool resnet18_session_step(const resnet18_session *session, size_t index, resnet18_step_info *info);
/* Measure each step in the runs that follow, from the end of the one before to its own on all threads; costs a clock
 * reading a step and thread. */
RESNET18_API void resnet18_session_profile(resnet18_session *session, bool on);

/* ---- Calibration -------------------------------------------------------------------------------------- */

/* Measures what int8 needs to know of a model's activations. A few hundred pictures like those to be classified are
 * enough; the same pictures in the same order make the same file. */
typedef struct resnet18_calibrator resnet18_calibrator;

/* Free with resnet18_calibrator_free. */
RESNET18_API resnet18_status resnet18_calibrator_new(resnet18_model *model, resnet18_calibrator **calibrator,
                                                     resnet18_error *error);
/* NULL is allowed. */
RESNET18_API void resnet18_calibrator_free(resnet18_calibrator *calibrator);

/* `rgb`: one picture of RESNET18_RGB_BYTES, such as resnet18_preprocessor_run makes. */
RESNET18_API resnet18_status resnet18_calibrator_add(resnet18_calibrator *calibrator, const uint8_t *rgb,
                                                     resnet18_error *error);

/* Writes the calibration of the pictures so far. It is found where resnet18_model_calibrated says. `path` is replaced
 * in one step, or left as it was on failure. */
RESNET18_API resnet18_status resnet18_calibrator_write(const resnet18_calibrator *calibrator, const char *path,
                                                       resnet18_error *error);

/* ---- Results ------------------------------------------------------------------------------------------ */

typedef struct {
  uint32_t index;
  float score; /* 0..1 */
} resnet18_class;

/* Scores that sum to 1, stable for logits of any size. -infinity scores 0; infinite logits share the 1 among them, and
 * logits that are all -infinity share it equally. One NaN makes every score NaN. In place is allowed. */
RESNET18_API void resnet18_softmax(const float *logits, size_t classes, float *scores);

/* The `k` best classes with a score of at least `threshold`, best first, equal scores by index. Returns how many
 * were written to `best`; NaN scores are never among them. */
RESNET18_API size_t resnet18_top_k(const float *scores, size_t classes, size_t k, float threshold,
                                   resnet18_class *best);

/* Normalised entropy of the scores: 0 = certain, 1 = all classes alike. 0 for a single class, NaN if a score is. */
RESNET18_API float resnet18_uncertainty(const float *scores, size_t classes);

/* ---- Self-test ---------------------------------------------------------------------------------------- */

/* Called once for each check; `detail` says what was compared or what differs. */
typedef void (*resnet18_selftest_report)(const char *check, bool passed, const char *detail, void *user);

/* Runs made-up pictures through the built-in weights with the kernels in use, in each precision, and compares logits
 * and layers with what torch computed. Returns the number of checks that failed. `report` may be NULL. */
RESNET18_API unsigned resnet18_selftest(resnet18_selftest_report report, void *user);

#ifdef __cplusplus
}
#endif

#endif

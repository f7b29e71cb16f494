/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The operations of a forward pass and the kernels that compute them.
 *
 * Activations lie in the arena as NHWC, each picture with a halo of zeros around it (one pixel for everything that a
 * 3x3 convolution reads, none elsewhere), so that a kernel reads across the edge without asking. The halo is zeroed
 * when the session is made and never written: a kernel writes inside the picture only.
 *
 * A step is cut into `units`, each of which may run on any thread in any order; the session hands out ranges. The
 * kernels of one operation have one signature; X.c is the plain C definition, X_avx2.c and so on override it where
 * cpu.h allows. */
#ifndef RESNET18_KERNELS_H
#define RESNET18_KERNELS_H

#include "../cpu.h"
#include "../resnet18.h"

/* A tensor's place in the arena. Byte offsets. */
typedef struct {
  size_t offset; /* of the first picture's first halo byte; a multiple of 64 */
  unsigned height, width, channels, halo;
  unsigned element; /* bytes: 4 = float, 1 = uint8_t */
  size_t row;       /* bytes from one row to the next, halo included */
  size_t image;     /* bytes from one picture of the batch to the next */
  float scale;      /* uint8_t: real value = scale * (stored - zero) */
  int zero;         /* 0, or 128 where values below zero occur (a downsample's output) */
} r18_place;

/* What a kernel may touch while it runs. */
typedef struct {
  unsigned char *arena;
  unsigned char *scratch; /* this thread's own, step->scratch bytes, 64-byte aligned; contents undefined, unless */
  bool continues;         /* it is as this thread's last call for the same step of the same run left it */
  unsigned batch;         /* pictures in this run, 1..max_batch of the plan */
  const uint8_t *rgb;     /* the input pictures; NULL when normalised floats were put into the arena instead */
  float *logits;          /* batch x classes */
} r18_run;

typedef struct r18_step r18_step;

/* Computes units [begin, end). A unit index counts through the batch: 0 .. units * batch - 1 with picture
 * unit / units, or 0 .. units - 1 where step->spans_batch, each for all pictures. */
typedef void (*r18_kernel)(const r18_step *step, const r18_run *run, unsigned begin, unsigned end);

struct r18_step {
  const char *name;
  const char *kernel;
  r18_cpu_set set;
  r18_kernel run;
  r18_place in, out, residual;  /* residual.element == 0: none */
  r18_place work;               /* what a prepare step hands to the step after it; element == 0: none */
  const unsigned char *weights; /* packed by the kernel's pack(), 64-byte aligned */
  size_t weight_bytes;
  unsigned kernel_size, stride, pad; /* convolution, pooling */
  bool relu;
  unsigned units;
  bool spans_batch;
  size_t scratch;
  unsigned max_batch;
  unsigned classes; /* linear */
  double flop;
};

/* A convolution that is to be planned. */
typedef struct {
  unsigned in_size, in_channels, out_size, out_channels, kernel, stride, pad;
  bool relu, residual;
  unsigned max_batch;
  unsigned threads; /* a hint for the number of units */
  /* int8 only: real value = scale * (stored - zero); the input's zero is 0 */
  float in_scale, out_scale, residual_scale;
  int out_zero, residual_zero;
  const float *position_max; /* largest magnitude of the F(2,3)-transformed input at each of its 16 positions, from the
                                calibration; NULL = unknown */
} r18_conv;

enum { R18_PACK_GROUP = 64 };

/* int8 weights of R18_PACK_GROUP output channels, before any instruction set's packing: [channel][ky][kx][in] with a
 * scale a channel, or, of a kernel with `positions`, the F(2,3)-transformed [channel][16][in] with a scale a channel
 * and position. */
typedef struct {
  const int8_t *weights; /* -127..127 */
  const float *scale;    /* real value = scale * stored */
  const float *bias;     /* real values */
} r18_int8_group;

/* One way to compute a convolution. y = relu(conv(x, w) + bias + residual), ReLU and residual where asked for. */
typedef struct {
  const char *name; /* without the set: "conv_winograd4" */
  r18_cpu_set set;
  unsigned element;   /* of input, output and residual: 4 = float, 1 = uint8_t */
  bool fuses_maxpool; /* the stem: conv1, ReLU and the 3x3/2 max pooling in one step; `out` is the pooled tensor */
  bool reads_rgb;     /* the stem: reads run->rgb; otherwise its input is the normalised float picture, halo 3 */
  bool spans_batch;
  bool (*accepts)(const r18_conv *conv);
  size_t (*packed_bytes)(const r18_conv *conv);
  /* Packs output channels [first, first + R18_PACK_GROUP); every network has a multiple of that many. Groups are packed
   * in any order, several at a time on different threads. weights: those channels' OIHW floats, batch norm folded;
   * bias: [R18_PACK_GROUP]; `packed`: the start of the whole convolution's packed weights, zeroed, 64-byte aligned.
   * False: out of memory. */
  bool (*pack)(const r18_conv *conv, unsigned first, const float *weights, const float *bias, void *packed);
  /* int8 kernels have these two instead. quantize: the weights of pack() to those of an r18_int8_group; false: out of
   * memory. */
  bool positions; /* which of the two forms of an r18_int8_group */
  bool (*quantize)(const r18_conv *conv, const float *weights, int8_t *out, float *scale);
  void (*pack_int8)(const r18_conv *conv, unsigned first, const r18_int8_group *group, void *packed);
  size_t (*scratch_bytes)(const r18_conv *conv); /* a thread; NULL = none */
  unsigned (*units)(const r18_conv *conv);
  r18_kernel run;
  /* A first phase with a barrier behind it, such as a transform that every unit of the second phase reads; all NULL
   * where there is none. work_bytes: of one picture. */
  r18_kernel prepare;
  unsigned (*prepare_units)(const r18_conv *conv);
  size_t (*work_bytes)(const r18_conv *conv);
} r18_conv_kernel;

/* pack() of any kernel: int8 ones quantise first. */
bool r18_pack_floats(const r18_conv_kernel *kernel, const r18_conv *conv, unsigned first, const float *weights,
                     const float *bias, void *packed);

/* Numbers in `weights` of an r18_int8_group, for one channel. */
size_t r18_int8_weights(const r18_conv *conv, bool positions);

/* Best first for each shape; the planner takes the first whose set is allowed and which accepts. NULL at the end. */
extern const r18_conv_kernel *const r18_conv_kernels_f32[];
extern const r18_conv_kernel *const r18_conv_kernels_u8[];

/* The operations around the convolutions: one function a set. */
typedef struct {
  const char *name;
  r18_cpu_set set;
  r18_kernel run;
} r18_plain_kernel;

/* run->rgb -> normalised floats with a halo of 3 pixels; units: rows. */
extern const r18_plain_kernel *const r18_normalize_kernels[];
/* 3x3/2 max pooling with padding 1 of floats >= 0; units: output rows. */
extern const r18_plain_kernel *const r18_maxpool_kernels_f32[];
/* Mean over all pixels -> floats [channels]; units: groups of 64 channels. */
extern const r18_plain_kernel *const r18_avgpool_kernels_f32[];
extern const r18_plain_kernel *const r18_avgpool_kernels_u8[];
/* 512 features -> run->logits; units: groups of R18_LINEAR_GROUP classes; spans the batch. */
enum { R18_LINEAR_GROUP = 64 };
extern const r18_plain_kernel *const r18_linear_kernels[];
/* Packed last layer: groups of R18_LINEAR_GROUP classes, each [512][R18_LINEAR_GROUP] then bias [R18_LINEAR_GROUP];
 * the last group is filled up with zeros. */

static inline unsigned char *r18_at(const r18_run *run, const r18_place *place, unsigned image, int y, int x) {
  return run->arena + place->offset + image * place->image + (size_t)(y + (int)place->halo) * place->row +
         (size_t)(x + (int)place->halo) * place->channels * place->element;
}

static inline float *r18_at_f32(const r18_run *run, const r18_place *place, unsigned image, int y, int x) {
  return (float *)(void *)r18_at(run, place, image, y, x);
}

#endif

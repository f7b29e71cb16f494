/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A convolution kernel with memory to run it on: tensors with their halos, packed weights, scratch. */
#ifndef CONV_CASE_H
#define CONV_CASE_H

#include "kernels/kernels.h"

typedef struct {
  const r18_conv_kernel *kernel;
  r18_conv conv;
  unsigned batch;
  r18_step prepare, step; /* prepare.run == NULL where the kernel has none */
  r18_run run;
  float *weights, *bias; /* OIHW */
  size_t arena_bytes;
  unsigned char *packed;
} conv_case;

/* Fills the input, the weights, the bias and the residual with uniform numbers in [-1, 1), and `out` with its halo with
 * a byte pattern that a kernel must not leave inside the picture and must leave outside. */
conv_case conv_case_new(const r18_conv_kernel *kernel, const r18_conv *conv, unsigned batch, uint32_t seed);
void conv_case_free(conv_case *c);

/* Runs both phases, each cut into ranges of `piece` units, the last first where `backwards`. */
void conv_case_run(const conv_case *c, unsigned piece, bool backwards);

enum { CONV_CASE_UNTOUCHED = 0xa5 };

/* The convolution layers of ResNet-18 by shape, with the number of times each occurs. */
typedef struct {
  const char *name;
  unsigned times;
  r18_conv conv;
} conv_case_layer;
extern const conv_case_layer conv_case_layers[];
extern const unsigned conv_case_layer_count;

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The list of steps of a forward pass, each with its kernel and its places in one arena. */
#ifndef RESNET18_PLAN_H
#define RESNET18_PLAN_H

#include "packed.h"

enum {
  R18_MAX_STEPS = 2 * R18_CONVS + 4, /* each convolution may have a prepare step; normalise, two pools, linear */
  R18_LAYERS = RESNET18_LAYER_4 + 1
};

/* What stays readable after a run. */
typedef enum {
  R18_KEEP_LAST,  /* layer4 and the features, which nothing overwrites */
  R18_KEEP_LAYERS /* every layer of resnet18_layer, and the output of every convolution */
} r18_keep;

typedef struct {
  r18_step step[R18_MAX_STEPS];
  unsigned steps;
  r18_place normalized;        /* the input of a stem that reads floats; element == 0: the stem reads RGB */
  r18_place layer[R18_LAYERS]; /* element == 0: not kept */
  r18_place
      conv_out[R18_CONVS]; /* output of each convolution (after ReLU, residual); that of conv1 is the pooled one */
  r18_place features;
  size_t arena_bytes;
  size_t scratch_bytes; /* of each thread */
} r18_plan;

/* Fills `plan` for up to `max_batch` pictures on `threads` threads. It refers to `packed`, which must outlive it. */
void r18_plan_make(const r18_packed *packed, unsigned max_batch, unsigned threads, r18_keep keep, r18_plan *plan);

#endif

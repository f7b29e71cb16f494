/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A tensor that a file must have: its name, dtype, shape and finite numbers, each with a sentence where it is wrong. */
#ifndef RESNET18_EXPECT_H
#define RESNET18_EXPECT_H

#include "tensors.h"

/* Sets of dtypes: 1 << r18_dtype. */
enum {
  R18_ONLY_F32 = 1 << R18_F32,
  R18_ONLY_I8 = 1 << R18_I8,
  R18_FLOATS = 1 << R18_F32 | 1 << R18_F16 | 1 << R18_BF16
};

typedef struct {
  unsigned dtypes; /* one of the sets above */
  unsigned dims;
  uint64_t shape[R18_MAX_DIMS];
} r18_expected;

/* The tensor name.part. */
resnet18_status r18_expect(const r18_tensors *tensors, const char *name, const char *part, const r18_expected *expected,
                           const r18_tensor **tensor, resnet18_error *error);

/* Its numbers are finite; `largest` (may be NULL) becomes the largest magnitude. Not for integers. */
resnet18_status r18_expect_finite(const r18_tensors *tensors, const r18_tensor *tensor, float *largest,
                                  resnet18_error *error);

/* FILE: tensor 'NAME' WHAT */
resnet18_status r18_tensor_fail(const r18_tensors *tensors, const char *name, const char *what, resnet18_error *error);

#endif

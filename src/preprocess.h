/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tests need to know of the preprocessing. */
#ifndef RESNET18_PREPROCESS_H
#define RESNET18_PREPROCESS_H

#include "kernels/resize.h"
#include "resnet18.h"

/* Uses these kernels instead of the best ones that the processor may use. */
void r18_preprocessor_use(resnet18_preprocessor *preprocessor, const r18_resize_kernels *kernels);

/* The preprocessing's part of resnet18_selftest. */
unsigned r18_preprocess_selftest(resnet18_selftest_report report, void *user);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ranges of the activations, from which the int8 scales follow. */
#ifndef RESNET18_CALIBRATION_H
#define RESNET18_CALIBRATION_H

#include "kernels/kernels.h"
#include "model.h"

enum { R18_CALIBRATION_POSITIONS = 16, R18_CALIBRATION_LIMIT = 64 << 10 };

/* Between these is every range. */
#define R18_RANGE_LEAST 1e-6f
#define R18_RANGE_MOST 1e6f

/* Real values, all above 0. */
struct r18_calibration {
  uint64_t weights;       /* r18_fingerprint of the weights that it belongs to */
  float range[R18_CONVS]; /* largest value worth representing of each convolution's output, after residual, ReLU and
                             pooling; largest magnitude where there is no ReLU (downsample) */
  /* The same of the 16 positions of the F(2,3)-transformed input; of convolutions with r18_has_positions only. */
  float position[R18_CONVS][R18_CALIBRATION_POSITIONS];
};

/* Tells weights apart, however they are stored: a hash of the folded biases and of every eighth filter. */
resnet18_status r18_fingerprint(const resnet18_model *model, uint64_t *fingerprint, resnet18_error *error);

/* The convolution that writes the input of convolution `index` (not 0). */
unsigned r18_conv_input(unsigned index);

/* Whether convolution `index` may be computed by Winograd's method, and so needs the ranges of its transformed input.
 */
bool r18_has_positions(unsigned index);

/* Reads the text format:
 *   resnet18-calibration <tab> 1 <tab> fingerprint, 16 hexadecimal digits
 *   convolution <tab> range [<tab> 16 positions]      a line for each convolution, in the order of r18_convs
 * Numbers are decimal, with a point in every locale. `source` is for messages; the text must belong to `fingerprint`.
 */
resnet18_status r18_calibration_parse(const char *source, const char *text, size_t size, uint64_t fingerprint,
                                      r18_calibration *calibration, resnet18_error *error);

/* Fills the int8 members of `conv`, convolution `index` of r18_convs. `calibration` must outlive it. */
void r18_calibration_apply(const r18_calibration *calibration, unsigned index, r18_conv *conv);

/* The text format, to be freed. NULL = out of memory. */
char *r18_calibration_text(const r18_calibration *calibration);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Weights that were quantised for int8 before: what a file of them holds.
 *
 * Of each convolution NAME of r18_convs:
 *   NAME.weight     I8 [out, kernel, kernel, in], or [out, 16, in] where r18_has_positions: the F(2,3)-transformed
 * weights NAME.scale      F32 [out], or [out, 16]: real value = scale * weight NAME.bias       F32 [out]: the batch
 * norm's summand NAME.range      F32 [1]: the calibration's range of the output NAME.positions  F32 [16]: the
 * calibration's ranges of the transformed input, where r18_has_positions and fc.weight and fc.bias as in any other
 * weights. The numbers are those that a model of floats would be quantised to on any processor, so that results are the
 * same to the last bit. */
#ifndef RESNET18_QUANTIZED_H
#define RESNET18_QUANTIZED_H

#include "calibration.h"
#include "kernels/kernels.h"
#include "tensors.h"

enum { R18_QUANTIZED_PARTS = 5 };

/* Inside an r18_tensors that outlives it. */
struct r18_quantized {
  const r18_tensor *part[R18_CONVS][R18_QUANTIZED_PARTS]; /* in the order above; NULL: no positions */
};

/* Whether the tensors are of such a file, rather than of floats. */
bool r18_is_quantized(const r18_tensors *tensors);

/* Finds everything but the last layer, whose two tensors are `fc`, and nothing else; reads the calibration. */
resnet18_status r18_quantized_find(const r18_tensors *tensors, const r18_tensor *const fc[2], r18_quantized *quantized,
                                   r18_calibration *calibration, resnet18_error *error);

/* Looks at the weights' values. */
resnet18_status r18_quantized_check(const r18_tensors *tensors, const r18_quantized *quantized, resnet18_error *error);

/* Room for the numbers of a group that may lie unaligned in the file. */
typedef struct {
  float scale[R18_PACK_GROUP * R18_CALIBRATION_POSITIONS], bias[R18_PACK_GROUP];
} r18_group_floats;

/* Output channels [first, first + R18_PACK_GROUP) of convolution `index`. */
r18_int8_group r18_quantized_group(const r18_quantized *quantized, unsigned index, unsigned first,
                                   r18_group_floats *room);

/* The file's pages of this convolution's weights may leave memory. */
void r18_quantized_release(const r18_tensors *tensors, const r18_quantized *quantized, unsigned index);

/* Quantises a model of floats that has a calibration, and writes the file. */
resnet18_status r18_quantized_write(const resnet18_model *model, const char *path, resnet18_error *error);

#endif

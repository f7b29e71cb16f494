/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The network's shape, and a model's weights as the planner wants them. */
#ifndef RESNET18_MODEL_H
#define RESNET18_MODEL_H

#include "tensors.h"

enum { R18_CONVS = 20 };

/* One convolution of ResNet-18 (He et al., "Deep Residual Learning for Image Recognition", 2015; torchvision's
 * names). Sizes are those of a 224x224 picture. */
typedef struct {
  const char *name; /* "layer2.0.conv1", "layer2.0.downsample.0" */
  const char *norm; /* the batch norm that follows it: "layer2.0.bn1" */
  unsigned in_size, in_channels, out_size, out_channels, kernel, stride, pad;
} r18_conv_shape;

/* In the order of execution: conv1; then for each block conv1, conv2 and, where there is one, downsample.0. */
extern const r18_conv_shape r18_convs[R18_CONVS];

/* ImageNet's mean and standard deviation for R, G, B in units of 1 (0..1). */
extern const float r18_mean[3], r18_std[3];

/* One activation tensor's range for int8: the plan knows the tensor by the name of the step that writes it. */
typedef struct r18_calibration r18_calibration;

/* The weights in the library itself, whatever the default is. */
resnet18_status r18_model_load_builtin(resnet18_model **model, resnet18_error *error);

/* Weights of a file with the calibration of another. */
resnet18_status r18_model_load_calibrated(const char *path, const char *calibration, resnet18_model **model,
                                          resnet18_error *error);

/* Weights that are quantised already: NULL where int8 has to be made of the floats. */
typedef struct r18_quantized r18_quantized;
const r18_quantized *r18_model_quantized(const resnet18_model *model);

/* The values of the weights that `precision` (not AUTO) uses are looked at once: those of a file when it is loaded,
 * built-in ones here, by whoever holds the lock of the packed weights. */
resnet18_status r18_model_check(resnet18_model *model, resnet18_precision precision, resnet18_error *error);

/* All that the file has, the batch norms' counters included; of a model with both forms, the quantised one. */
const r18_tensors *r18_model_tensors(const resnet18_model *model);

/* Of a model of floats: output channels [first, first + count) of convolution `index` of r18_convs, its batch norm
 * folded in: weights [count][in_channels][kernel][kernel] (OIHW), w * gamma / sqrt(var + 1e-5); bias [count], beta -
 * mean * gamma / sqrt(var + 1e-5). */
void r18_model_conv(const resnet18_model *model, unsigned index, unsigned first, unsigned count, float *weights,
                    float *bias);

/* Rows [first, first + count) of the last layer: weights [count][512], bias [count]. */
void r18_model_linear(const resnet18_model *model, unsigned first, unsigned count, float *weights, float *bias);

/* The file's pages of this convolution (R18_CONVS: of the last layer) may leave memory; call after packing. */
void r18_model_release(const resnet18_model *model, unsigned index);

/* NULL where the model has none. */
const r18_calibration *r18_model_calibration(const resnet18_model *model);

/* Packed weights are kept with the model, so that all its sessions share them: a slot for each precision, guarded by
 * the lock. packed.c is the only user. Not references: packed weights leave their slot when their last user goes. */
struct r18_packed;
typedef struct {
  struct r18_packed *packed[3]; /* by resnet18_precision */
} r18_packed_slots;
r18_packed_slots *r18_model_lock_packed(resnet18_model *model);
void r18_model_unlock_packed(resnet18_model *model);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A model's weights, packed for the kernels that were chosen for this CPU and one precision. */
#ifndef RESNET18_PACKED_H
#define RESNET18_PACKED_H

#include "kernels/kernels.h"
#include "model.h"
#include "threads.h"

typedef struct {
  const r18_conv_kernel *kernel;
  r18_conv conv;
  const unsigned char *weights;
  size_t bytes;
} r18_packed_conv;

typedef struct r18_packed {
  unsigned users; /* guarded by the model's lock */
  resnet18_precision precision;
  unsigned classes;
  r18_packed_conv conv[R18_CONVS];
  const unsigned char *linear;
  size_t linear_bytes;
  unsigned char *block; /* all of the above, one mapping */
  size_t block_bytes;
} r18_packed;

/* The packed weights of `model` in `precision` (not AUTO): those that another session has, or new ones, made by all
 * members of the team. To be given back with r18_packed_put before the model goes. */
resnet18_status r18_packed_get(resnet18_model *model, resnet18_precision precision, r18_team *team,
                               const r18_packed **packed, resnet18_error *error);
void r18_packed_put(resnet18_model *model, const r18_packed *packed);

/* A zeroed mapping, 64-byte aligned, in huge pages where the kernel has them. NULL = out of memory. */
unsigned char *r18_map(size_t bytes);
void r18_unmap(unsigned char *block, size_t bytes);

#endif

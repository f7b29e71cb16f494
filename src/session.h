/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What other parts of the library may see of a session. */
#ifndef RESNET18_SESSION_H
#define RESNET18_SESSION_H

#include "kernels/kernels.h"

/* The output of convolution `index` of r18_convs in the last run of a session with keep_layers (after residual, ReLU
 * and, of conv1, pooling), to be read through *run. */
const r18_place *r18_session_conv_out(const resnet18_session *session, unsigned index, r18_run *run);

#endif

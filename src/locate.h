/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the default weights are. */
#ifndef RESNET18_LOCATE_H
#define RESNET18_LOCATE_H

#include "resnet18.h"

/* The file that stands for resnet18_model_load's NULL, to be freed; *path is NULL if the built-in weights do. */
resnet18_status r18_locate_weights(char **path, resnet18_error *error);

#endif

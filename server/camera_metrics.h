/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The cameras as Prometheus reads them. */
#ifndef RESNET18_SERVER_CAMERA_METRICS_H
#define RESNET18_SERVER_CAMERA_METRICS_H

#include "camera.h"

/* `cameras`: a list of camera; names are unique. Appends nothing where there are none. */
void camera_metrics_append(const GPtrArray *cameras, GString *text);

#endif

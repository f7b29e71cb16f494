/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pipeline of a camera: decoded, classified, written to its targets, and encoded as JPEG while somebody looks. */
#ifndef RESNET18_SERVER_CAMERA_PIPELINE_H
#define RESNET18_SERVER_CAMERA_PIPELINE_H

#include "spec.h"

#include <gst/gst.h>

/* How a network camera is asked this time. */
typedef struct {
  double answer; /* seconds that it may take */
  bool tcp;      /* unless the specification names a transport */
} camera_approach;

/* Has elements named "classify", "valve" (open:
 * drop=false), "sink" (an appsink of JPEGs) and, of target i, "target-i". NULL with *error on failure. */
GstElement *camera_pipeline_new(const camera_spec *spec, camera_approach approach, GError **error);
/* Whether a warning says that nothing comes by UDP. */
gboolean camera_pipeline_misses_udp(GstMessage *warning);
/* "target-0" and so on. Free with g_free. */
char *camera_pipeline_target_name(guint i);

#endif

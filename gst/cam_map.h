/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Class activation maps (Zhou et al., "Learning Deep Features for Discriminative Localization", 2016): where in the
 * picture the network sees a class. */
#ifndef GST_RESNET18_CAM_MAP_H
#define GST_RESNET18_CAM_MAP_H

#include "resnet18.h"

#include <glib.h>

G_BEGIN_DECLS

/* Rows and columns of a class activation map. */
#define GST_RESNET18_CAM_SIDE 7
#define GST_RESNET18_CAM_CELLS (GST_RESNET18_CAM_SIDE * GST_RESNET18_CAM_SIDE)

/* `features`: the last stage's output, 7 x 7 x RESNET18_FEATURES (HWC). `cam` receives GST_RESNET18_CAM_CELLS numbers
 * of 0..1, the largest 1 unless nothing speaks for the class. */
void gst_resnet18_cam(resnet18_model *model, guint32 class_index, const gfloat *features, gfloat *cam);

G_END_DECLS

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Class activation maps. */
#include "cam_map.h"

#include <string.h>

void gst_resnet18_cam(resnet18_model *model, guint32 class_index, const gfloat *features, gfloat *cam) {
  gfloat row[RESNET18_FEATURES], most = 0;
  if (!resnet18_model_class_row(model, class_index, row))
    memset(row, 0, sizeof row);
  for (guint i = 0; i < GST_RESNET18_CAM_CELLS; i++) {
    gfloat sum = 0;
    for (guint c = 0; c < RESNET18_FEATURES; c++)
      sum += features[i * RESNET18_FEATURES + c] * row[c];
    cam[i] = MAX(sum, 0.0f);
    most = MAX(most, cam[i]);
  }
  for (guint i = 0; i < GST_RESNET18_CAM_CELLS; i++)
    cam[i] = most > 0 ? cam[i] / most : 0;
}

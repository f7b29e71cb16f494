/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Class activation maps. */
#include "cam.h"

#include <math.h>
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

static GstVideoRectangle centered(const GstVideoRectangle *region, gdouble width, gdouble height) {
  const gint w = (gint)lround(width), h = (gint)lround(height);
  return (GstVideoRectangle){region->x + (region->w - w) / 2, region->y + (region->h - h) / 2, w, h};
}

GstVideoRectangle gst_resnet18_cam_area(const GstVideoRectangle *region, resnet18_crop crop) {
  const gdouble shorter = MIN(region->w, region->h), longer = MAX(region->w, region->h);
  if (crop == RESNET18_CROP_CENTER)
    return centered(region, shorter * RESNET18_SIZE / 256, shorter * RESNET18_SIZE / 256);
  if (crop == RESNET18_CROP_LETTERBOX)
    return centered(region, longer, longer);
  return *region;
}

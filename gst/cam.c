/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Drawing class activation maps. */
#include "cam.h"

#include <math.h>

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

/* ---- Drawing ------------------------------------------------------------------------------------------- */

#define SHADES 512

/* From clear over violet and red to yellow; alpha multiplied in. */
static guint32 heat(gdouble v) {
  const gdouble alpha = 0.6 * MIN(1.0, v * 1.4);
  const gdouble r = MIN(1.0, 0.25 + 1.4 * v), g = CLAMP(1.9 * v - 0.95, 0.0, 0.92),
                b = CLAMP(0.75 - 1.1 * v, 0.0, 0.75);
  return (guint32)(alpha * 255 + 0.5) << 24 | (guint32)(r * alpha * 255 + 0.5) << 16 |
         (guint32)(g * alpha * 255 + 0.5) << 8 | (guint32)(b * alpha * 255 + 0.5);
}

/* Between the middles of two cells. */
typedef struct {
  gint cell;    /* the first of them */
  gfloat share; /* of the second */
} Between;

/* The place of pixel `i` of `n` that cover `size` from `at`, on the side of a map that covers `area_size` from
 * `area_at`. */
static Between between(gint i, gint n, gint at, gint size, gint area_at, gint area_size) {
  const gdouble place = (at + (i + 0.5) * size / n - area_at) / area_size * GST_RESNET18_CAM_SIDE - 0.5;
  const gdouble inside = CLAMP(place, 0, GST_RESNET18_CAM_SIDE - 1);
  const gint cell = MIN((gint)inside, GST_RESNET18_CAM_SIDE - 2);
  return (Between){cell, (gfloat)(inside - cell)};
}

/* The map's values from its least on, in shades. */
static void to_shades(const gfloat *cam, gfloat *shades) {
  gfloat least = 1;
  for (guint i = 0; i < GST_RESNET18_CAM_CELLS; i++)
    least = MIN(least, cam[i]);
  for (guint i = 0; i < GST_RESNET18_CAM_CELLS; i++)
    shades[i] = least < 1 ? (cam[i] - least) / (1 - least) * (SHADES - 1) : 0;
}

static void draw_row(const gfloat *shades, const Between *down, const Between *across, gint width,
                     const guint32 *colours, guint32 *to) {
  const gfloat *upper = shades + down->cell * GST_RESNET18_CAM_SIDE, *lower = upper + GST_RESNET18_CAM_SIDE;
  gfloat line[GST_RESNET18_CAM_SIDE];
  for (guint i = 0; i < GST_RESNET18_CAM_SIDE; i++)
    line[i] = upper[i] + (lower[i] - upper[i]) * down->share;
  for (gint x = 0; x < width; x++) {
    const gfloat *c = line + across[x].cell;
    to[x] = colours[(gint)(c[0] + (c[1] - c[0]) * across[x].share + 0.5f)];
  }
}

void gst_resnet18_cam_draw(const gfloat *cam, const GstVideoRectangle *area, const GstVideoRectangle *part, gint width,
                           gint height, guint8 *argb, gsize stride) {
  Between *across = g_new(Between, width);
  gfloat shades[GST_RESNET18_CAM_CELLS];
  guint32 colours[SHADES];
  for (guint i = 0; i < SHADES; i++)
    colours[i] = heat((gdouble)i / (SHADES - 1));
  to_shades(cam, shades);
  for (gint x = 0; x < width; x++)
    across[x] = between(x, width, part->x, part->w, area->x, area->w);
  for (gint y = 0; y < height; y++) {
    const Between down = between(y, height, part->y, part->h, area->y, area->h);
    draw_row(shades, &down, across, width, colours, (guint32 *)(gpointer)(argb + (gsize)y * stride));
  }
  g_free(across);
}

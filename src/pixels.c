/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pixel formats and colour matrices. */
#include "pixels.h"

#include <math.h>
#include <string.h>

static const r18_pixel_layout layouts[] = {
    [RESNET18_FORMAT_RGB] = {1, 3, false, {{0, 0, 3, false}, {0, 1, 3, false}, {0, 2, 3, false}}},
    [RESNET18_FORMAT_BGR] = {1, 3, false, {{0, 2, 3, false}, {0, 1, 3, false}, {0, 0, 3, false}}},
    [RESNET18_FORMAT_RGBX] = {1, 3, false, {{0, 0, 4, false}, {0, 1, 4, false}, {0, 2, 4, false}}},
    [RESNET18_FORMAT_BGRX] = {1, 3, false, {{0, 2, 4, false}, {0, 1, 4, false}, {0, 0, 4, false}}},
    [RESNET18_FORMAT_XRGB] = {1, 3, false, {{0, 1, 4, false}, {0, 2, 4, false}, {0, 3, 4, false}}},
    [RESNET18_FORMAT_XBGR] = {1, 3, false, {{0, 3, 4, false}, {0, 2, 4, false}, {0, 1, 4, false}}},
    [RESNET18_FORMAT_GRAY8] = {1, 1, false, {{0, 0, 1, false}}},
    [RESNET18_FORMAT_I420] = {3, 3, true, {{0, 0, 1, false}, {1, 0, 1, true}, {2, 0, 1, true}}},
    [RESNET18_FORMAT_NV12] = {2, 3, true, {{0, 0, 1, false}, {1, 0, 2, true}, {1, 1, 2, true}}},
    [RESNET18_FORMAT_NV21] = {2, 3, true, {{0, 0, 1, false}, {1, 1, 2, true}, {1, 0, 2, true}}},
    [RESNET18_FORMAT_YUY2] = {1, 3, false, {{0, 0, 2, false}, {0, 1, 4, true}, {0, 3, 4, true}}},
    [RESNET18_FORMAT_UYVY] = {1, 3, false, {{0, 1, 2, false}, {0, 0, 4, true}, {0, 2, 4, true}}},
};

const r18_pixel_layout *r18_pixel_layout_of(resnet18_format format) {
  return (unsigned)format < sizeof layouts / sizeof *layouts ? &layouts[format] : NULL;
}

/* Red and blue weight of luma: ITU-R BT.601-7, BT.709-6 and BT.2020-2 (non-constant luminance). */
static const double luma_weights[][2] = {
    [RESNET18_MATRIX_BT601] = {0.299, 0.114},
    [RESNET18_MATRIX_BT709] = {0.2126, 0.0722},
    [RESNET18_MATRIX_BT2020] = {0.2627, 0.0593},
};

static int32_t fixed(double value) {
  return (int32_t)lrint(value * (1 << R18_COLOR_BITS));
}

/* The offset makes (luma 0, chroma 0) exactly 0 and rounds to the nearest. */
static int32_t offset(const int32_t *m, unsigned black) {
  return (1 << (R18_COLOR_SHIFT - 1)) - 256 * ((int32_t)black * m[0] + 128 * (m[1] + m[2]));
}

bool r18_pixel_color(const resnet18_image_info *info, r18_color *color) {
  bool gray = info->format == RESNET18_FORMAT_GRAY8;
  if ((!gray && info->format < RESNET18_FORMAT_GRAY8) || (gray && info->full_range))
    return false;
  double red = luma_weights[info->matrix][0], blue = luma_weights[info->matrix][1], green = 1 - red - blue;
  double luma = info->full_range ? 1 : 255.0 / 219;
  double chroma = gray ? 0 : info->full_range ? 1 : 255.0 / 224;
  memset(color, 0, sizeof *color);
  for (unsigned c = 0; c < 3; c++)
    color->m[c][0] = fixed(luma);
  color->m[0][2] = fixed(chroma * 2 * (1 - red));
  color->m[1][1] = fixed(chroma * -2 * (1 - blue) * blue / green);
  color->m[1][2] = fixed(chroma * -2 * (1 - red) * red / green);
  color->m[2][1] = fixed(chroma * 2 * (1 - blue));
  for (unsigned c = 0; c < 3; c++)
    color->offset[c] = offset(color->m[c], info->full_range ? 0 : 16);
  return true;
}

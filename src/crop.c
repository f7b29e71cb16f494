/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Crops. */
#include "crop.h"

#include "error.h"

#include <math.h>

enum { SIDE = RESNET18_SIZE, SHORT_DEFAULT = 256, SHORT_MAX = 1024 };

/* Rounds to the nearest whole pixel, halves up, so that adjoining parts stay adjoining; then cuts. */
static uint32_t round_and_cut(double value, uint32_t limit) {
  value = floor(value + 0.5);
  return value < 0 ? 0 : value > limit ? limit : (uint32_t)value;
}

static resnet18_status check_options(const resnet18_preprocess_options *options, resnet18_error *error) {
  if ((unsigned)options->crop > RESNET18_CROP_LETTERBOX)
    return r18_fail(error, RESNET18_ERROR_ARGUMENT, "crop %d is not one of center, squash and letterbox",
                    (int)options->crop);
  if (options->resize_short != 0 && (options->resize_short < SIDE || options->resize_short > SHORT_MAX))
    return r18_fail(error, RESNET18_ERROR_ARGUMENT, "the short side to resize to is %u pixels, not %d to %d",
                    options->resize_short, SIDE, SHORT_MAX);
  if (!isfinite(options->x) || !isfinite(options->y) || !isfinite(options->width) || !isfinite(options->height))
    return r18_fail(error, RESNET18_ERROR_ARGUMENT,
                    "the part to classify (x %g, y %g, width %g, height %g) is not finite", options->x, options->y,
                    options->width, options->height);
  return RESNET18_OK;
}

resnet18_status r18_crop_part(const resnet18_image_info *info, const resnet18_preprocess_options *options,
                              r18_part *part, resnet18_error *error) {
  resnet18_status status = check_options(options, error);
  if (status != RESNET18_OK)
    return status;
  if (options->width == 0) {
    *part = (r18_part){0, 0, info->width, info->height};
    return RESNET18_OK;
  }
  uint32_t left = round_and_cut(options->x, info->width), top = round_and_cut(options->y, info->height);
  uint32_t right = round_and_cut(options->x + options->width, info->width);
  uint32_t bottom = round_and_cut(options->y + options->height, info->height);
  if (right <= left || bottom <= top)
    return r18_fail(error, RESNET18_ERROR_ARGUMENT,
                    "the part to classify (x %g, y %g, width %g, height %g) covers no pixel of the %ux%u picture",
                    options->x, options->y, options->width, options->height, info->width, info->height);
  *part = (r18_part){left, top, right - left, bottom - top};
  return RESNET18_OK;
}

/* int(round((size - 224) / 2.0)) in Python: halves to even. */
static uint32_t center_offset(uint32_t size) {
  uint32_t spare = size - SIDE, half = spare / 2;
  return half + (spare & half & 1);
}

static r18_axis cropped_axis(uint32_t in, uint32_t size) {
  return (r18_axis){in, size, center_offset(size), SIDE};
}

/* torchvision.transforms.Resize(target), CenterCrop(224). */
static void place_center(const r18_part *part, uint32_t target, r18_placement *placement) {
  uint64_t width = part->width, height = part->height;
  bool wide = width > height;
  uint32_t resized_width = wide ? (uint32_t)(target * width / height) : target;
  uint32_t resized_height = wide ? target : (uint32_t)(target * height / width);
  placement->across = cropped_axis(part->width, resized_width);
  placement->down = cropped_axis(part->height, resized_height);
  placement->left = placement->top = 0;
}

/* The long side becomes 224, the short side what keeps the ratio, to the nearest pixel but at least 1. */
static void place_letterbox(const r18_part *part, r18_placement *placement) {
  uint32_t longest = part->width > part->height ? part->width : part->height;
  uint32_t width = (2 * SIDE * part->width + longest) / (2 * longest);
  uint32_t height = (2 * SIDE * part->height + longest) / (2 * longest);
  width = width ? width : 1;
  height = height ? height : 1;
  placement->across = (r18_axis){part->width, width, 0, width};
  placement->down = (r18_axis){part->height, height, 0, height};
  placement->left = (SIDE - width) / 2;
  placement->top = (SIDE - height) / 2;
}

void r18_crop_place(const r18_part *part, const resnet18_preprocess_options *options, r18_placement *placement) {
  switch (options->crop) {
  case RESNET18_CROP_CENTER:
    place_center(part, options->resize_short ? options->resize_short : SHORT_DEFAULT, placement);
    break;
  case RESNET18_CROP_SQUASH:
    placement->across = (r18_axis){part->width, SIDE, 0, SIDE};
    placement->down = (r18_axis){part->height, SIDE, 0, SIDE};
    placement->left = placement->top = 0;
    break;
  case RESNET18_CROP_LETTERBOX:
    place_letterbox(part, placement);
    break;
  }
}

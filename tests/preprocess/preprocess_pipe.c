/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The preprocessing as a filter for scripts. Reads requests until the end of the input, each a line
 *     FORMAT WIDTH HEIGHT RESIZE_SHORT CROP X Y W H EXACT
 * (FORMAT and CROP as the numbers of their enumerations; RGB formats and GRAY8 only) followed by the picture's rows
 * without padding, and answers each with RESNET18_RGB_BYTES. GRAY8 is full range. */
#include "resnet18.h"

#include <stdio.h>
#include <stdlib.h>

static size_t pixel_bytes(int format) {
  return format == RESNET18_FORMAT_GRAY8 ? 1 : format <= RESNET18_FORMAT_BGR ? 3 : 4;
}

static bool read_picture(uint8_t **picture, size_t bytes) {
  *picture = malloc(bytes);
  return *picture && fread(*picture, 1, bytes, stdin) == bytes;
}

static bool answer(const resnet18_image_info *info, const resnet18_preprocess_options *options, uint8_t *picture) {
  static uint8_t rgb[RESNET18_RGB_BYTES];
  resnet18_preprocessor *preprocessor;
  resnet18_error error;
  const uint8_t *planes[] = {picture};
  ptrdiff_t strides[] = {(ptrdiff_t)(info->width * pixel_bytes((int)info->format))};
  if (resnet18_preprocessor_new(info, options, &preprocessor, &error) != RESNET18_OK) {
    fprintf(stderr, "%s\n", error.message);
    return false;
  }
  resnet18_preprocessor_run(preprocessor, planes, strides, rgb);
  resnet18_preprocessor_free(preprocessor);
  return fwrite(rgb, 1, sizeof rgb, stdout) == sizeof rgb && fflush(stdout) == 0;
}

int main(void) {
  int format, crop, exact;
  unsigned width, height, resize_short;
  resnet18_preprocess_options options = {0};
  char line[256];
  while (fgets(line, sizeof line, stdin)) {
    if (sscanf(line, "%d %u %u %u %d %lf %lf %lf %lf %d", &format, &width, &height, &resize_short, &crop, &options.x,
               &options.y, &options.width, &options.height, &exact) != 10)
      return 2;
    resnet18_image_info info = {.format = format, .width = width, .height = height, .full_range = true};
    options.crop = crop;
    options.exact = exact;
    options.resize_short = resize_short;
    uint8_t *picture;
    bool done =
        read_picture(&picture, (size_t)width * height * pixel_bytes(format)) && answer(&info, &options, picture);
    free(picture);
    if (!done)
      return 1;
  }
  return 0;
}

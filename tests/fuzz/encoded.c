/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is read of an encoded picture before a decoder sees it. */
#include "fuzz.h"

#include "encoded.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint8_t *exif = NULL;
  size_t exif_size = 0;
  uint32_t width = 0, height = 0;
  uint8_t *copy = malloc(size ? size : 1);
  if (copy == NULL)
    return 0;
  memcpy(copy, data, size);
  (void)encoded_jpeg_is_whole(copy, size);
  (void)encoded_png_is_whole(copy, size);
  fuzz_expect(encoded_gif_first_frame(copy, size) <= size, "a frame that ends behind the picture");
  (void)encoded_png_size(copy, size, &width, &height);
  if (encoded_jpeg_exif(copy, size, &exif, &exif_size))
    fuzz_expect(exif >= copy && exif_size <= size && (size_t)(exif - copy) <= size - exif_size,
                "an EXIF segment outside the picture");
  free(copy);
  return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a decoder's process does with a picture, without its sandbox: as in the server, only what the header's check
 * lets through. */
#include "fuzz.h"

#include "encoded.h"
#include "picture.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_PIXELS = 1 << 18 };

/* The server's check of the header (classify_check). */
static bool is_read(encoded_kind kind, const uint8_t *data, size_t size, uint32_t *width, uint32_t *height) {
  return kind != ENCODED_NOTHING && kind != ENCODED_OTHER && encoded_size(kind, data, size, width, height) && *width &&
         *height && (uint64_t)*width * *height <= MOST_PIXELS;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static uint8_t rgb[RESNET18_RGB_BYTES];
  uint32_t width = 0, height = 0;
  uint8_t *copy = malloc(size ? size : 1); /* a byte behind the end is found */
  memcpy(copy, data, size);
  const encoded_kind kind = encoded_look(copy, size);
  if (is_read(kind, copy, size, &width, &height)) {
    const decoder_order order = {.kind = kind, .size = (uint32_t)size};
    decoder_reply reply = {0};
    picture_maker maker = {0};
    picture_make(&maker, &order, copy, rgb, &reply);
    if (reply.status)
      fuzz_expect(reply.reason[0] != '\0' && memchr(reply.reason, 0, sizeof reply.reason),
                  "a refusal without a reason");
    else if (kind != ENCODED_GIF) /* whose first frame may be larger than its screen; memory has a limit of its own */
      fuzz_expect((uint64_t)reply.width * reply.height == (uint64_t)width * height,
                  "another size than the header says");
    picture_maker_clear(&maker);
  }
  free(copy);
  return 0;
}

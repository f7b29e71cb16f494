/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be seen of an encoded picture without decoding it: whether all of it is there, and how it is turned. The
 * decoders take a file that is cut short for a picture whose lower part is grey. */
#ifndef RESNET18_MEDIA_ENCODED_H
#define RESNET18_MEDIA_ENCODED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From the start-of-image to the end-of-image marker (ITU-T T.81 annex B). What follows is not looked at. */
bool encoded_jpeg_is_whole(const uint8_t *data, size_t size);

/* From the signature to the IEND chunk (ISO/IEC 15948). */
bool encoded_png_is_whole(const uint8_t *data, size_t size);

/* Width and height in pixels as the header says. False if there is none. */
bool encoded_png_size(const uint8_t *data, size_t size, uint32_t *width, uint32_t *height);

/* Bytes up to the end of the first frame (GIF89a), 0 if not all of it is there. */
size_t encoded_gif_first_frame(const uint8_t *data, size_t size);

/* What the first bytes are the beginning of. */
typedef enum {
  ENCODED_NOTHING, /* nothing that is known */
  ENCODED_OTHER,   /* a picture of a kind that is not read here, such as TIFF or AVIF */
  ENCODED_JPEG,
  ENCODED_PNG,
  ENCODED_GIF,
  ENCODED_BMP,
  ENCODED_WEBP
} encoded_kind;
encoded_kind encoded_look(const uint8_t *data, size_t size);

/* "JPEG" and so on. Never NULL. */
const char *encoded_name(encoded_kind kind);

/* Width and height in pixels of the picture that a decoder makes room for, as the header says: of GIF and WebP the
 * canvas or the first frame, whichever is larger. False if the header is damaged or not there. */
bool encoded_size(encoded_kind kind, const uint8_t *data, size_t size, uint32_t *width, uint32_t *height);

/* Whether all of the picture is there. Run-length coded BMP counts as whole: its decoder looks itself. */
bool encoded_is_whole(encoded_kind kind, const uint8_t *data, size_t size);

/* The EXIF segment of a JPEG picture: *exif points into `data` at its TIFF header. False if there is none. */
bool encoded_jpeg_exif(const uint8_t *data, size_t size, const uint8_t **exif, size_t *exif_size);

#endif

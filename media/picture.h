/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A still picture's bytes -> its pixels, by GStreamer's decoders. */
#ifndef RESNET18_MEDIA_PICTURE_H
#define RESNET18_MEDIA_PICTURE_H

#include <gst/gst.h>
#include <stdbool.h>

/* Errors of reading and decoding; their messages do not name the input. */
#define MEDIA_ERROR (media_error_quark())
GQuark media_error_quark(void);
typedef enum {
  MEDIA_ERROR_OPEN,    /* cannot be opened or read */
  MEDIA_ERROR_UNKNOWN, /* not a picture or video, or no decoder for it */
  MEDIA_ERROR_DAMAGED, /* cannot be decoded */
} media_error;

/* What the bytes are, by their looks: "image/jpeg" and so on; NULL if nothing is known that looks like it. */
GstCaps *picture_type(GBytes *bytes);

/* Whether a type is a picture that picture_decode decodes; of an animation, the first frame. */
bool picture_is_still(const GstCaps *type);

/* The decoded picture in a format that frame.h reads. JPEG and PNG give exactly what libjpeg and libpng give, as
 * other programs that use them see it. `upright`: turned as its EXIF orientation says. NULL with *error on failure. */
GstSample *picture_decode(GBytes *bytes, const GstCaps *type, bool upright, GError **error);

#endif

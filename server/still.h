/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A still picture's bytes -> its pixels, upright. By gdk-pixbuf and libwebp, which is what the elements gdkpixbufdec
 * and webpdec call: a file has the scores that the command gives it. Without the elements no pipeline is made for a
 * picture, and the process that decodes has neither GStreamer nor the database of file types in it. */
#ifndef RESNET18_SERVER_STILL_H
#define RESNET18_SERVER_STILL_H

#include "encoded.h"

#include <glib.h>

typedef struct {
  const guint8 *pixels; /* RGB or RGBA */
  guint width, height, channels;
  gsize stride; /* bytes from one row to the next */
  void (*release)(gpointer owner);
  gpointer owner;
} still;

/* STILL_UNSUPPORTED: a kind of picture for which there is no decoder; STILL_DAMAGED: all else. */
#define STILL_ERROR (still_error_quark())
GQuark still_error_quark(void);
typedef enum { STILL_UNSUPPORTED, STILL_DAMAGED } still_error;

/* Of an animation, the first frame. `data` is read during the call only. False with *error on failure. */
bool still_decode(encoded_kind kind, const guint8 *data, gsize size, still *picture, GError **error);
void still_clear(still *picture);

/* Decodes a tiny picture of each kind, so that whatever is loaded lazily is loaded. False with *error. */
bool still_warm_up(GError **error);

#endif

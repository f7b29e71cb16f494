/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A still picture's bytes -> its pixels, upright. */
#include "still.h"

#include "samples.h"

#include <gdk-pixbuf/gdk-pixbuf.h>
#include <string.h>
#include <webp/decode.h>

G_DEFINE_QUARK(resnet18 - still - error, still_error)

static bool fail(GError **error, still_error code, const char *sentence) {
  g_set_error_literal(error, STILL_ERROR, (gint)code, sentence);
  return false;
}

/* ---- gdk-pixbuf ---------------------------------------------------------------------------------------- */

/* The loader is named, so that nothing is guessed from the bytes by a list of all kinds that gdk-pixbuf knows. The
 * picture is `data` and, behind it, the string `end`. */
static GdkPixbuf *load(const char *type, const guint8 *data, gsize size, const char *end, GError **error) {
  GdkPixbufLoader *loader = gdk_pixbuf_loader_new_with_type(type, error);
  if (loader == NULL) {
    g_prefix_error(error, "gdk-pixbuf has no loader for it: ");
    return NULL;
  }
  /* A loader must be closed in any case, and the first error is the one that says why. */
  bool ok = gdk_pixbuf_loader_write(loader, data, size, error) &&
            gdk_pixbuf_loader_write(loader, (const guchar *)end, strlen(end), error);
  ok = gdk_pixbuf_loader_close(loader, ok ? error : NULL) && ok;
  GdkPixbuf *found = ok ? gdk_pixbuf_loader_get_pixbuf(loader) : NULL;
  if (found)
    g_object_ref(found);
  else if (error && *error == NULL)
    fail(error, STILL_DAMAGED, "no picture could be decoded from it");
  g_object_unref(loader);
  return found;
}

static bool decode_pixbuf(const char *type, const guint8 *data, gsize size, const char *end, still *picture,
                          GError **error) {
  GdkPixbuf *stored = load(type, data, size, end, error);
  GdkPixbuf *pixbuf = stored ? gdk_pixbuf_apply_embedded_orientation(stored) : NULL;
  g_clear_object(&stored);
  if (pixbuf == NULL)
    return error && *error ? false : fail(error, STILL_DAMAGED, "there is not enough memory to turn it");
  *picture = (still){.pixels = gdk_pixbuf_read_pixels(pixbuf),
                     .width = (guint)gdk_pixbuf_get_width(pixbuf),
                     .height = (guint)gdk_pixbuf_get_height(pixbuf),
                     .channels = (guint)gdk_pixbuf_get_n_channels(pixbuf),
                     .stride = (gsize)gdk_pixbuf_get_rowstride(pixbuf),
                     .release = g_object_unref,
                     .owner = pixbuf};
  return true;
}

/* ---- WebP ---------------------------------------------------------------------------------------------- */

static bool decode_webp(const guint8 *data, gsize size, still *picture, GError **error) {
  WebPBitstreamFeatures about;
  int width = 0, height = 0;
  if (WebPGetFeatures(data, size, &about) != VP8_STATUS_OK)
    return fail(error, STILL_DAMAGED, "the WebP picture is damaged");
  if (about.has_animation)
    return fail(error, STILL_UNSUPPORTED, "animated WebP pictures are not read");
  guint8 *pixels =
      about.has_alpha ? WebPDecodeRGBA(data, size, &width, &height) : WebPDecodeRGB(data, size, &width, &height);
  if (pixels == NULL)
    return fail(error, STILL_DAMAGED, "the WebP picture is damaged");
  const guint channels = about.has_alpha ? 4 : 3;
  *picture = (still){.pixels = pixels,
                     .width = (guint)width,
                     .height = (guint)height,
                     .channels = channels,
                     .stride = (gsize)width * channels,
                     .release = WebPFree,
                     .owner = pixels};
  return true;
}

/* ---- All kinds ----------------------------------------------------------------------------------------- */

static bool decode(encoded_kind kind, const guint8 *data, gsize size, still *picture, GError **error) {
  switch (kind) {
  case ENCODED_JPEG:
    return decode_pixbuf("jpeg", data, size, "", picture, error);
  case ENCODED_PNG:
    return decode_pixbuf("png", data, size, "", picture, error);
  case ENCODED_GIF:
    /* The first frame and the trailer: gdk-pixbuf would decode all frames, which may be thousands, or too large. */
    return decode_pixbuf("gif", data, encoded_gif_first_frame(data, size), ";", picture, error);
  case ENCODED_BMP:
    return decode_pixbuf("bmp", data, size, "", picture, error);
  case ENCODED_WEBP:
    return decode_webp(data, size, picture, error);
  default:
    return fail(error, STILL_UNSUPPORTED, "pictures of this kind are not read");
  }
}

bool still_decode(encoded_kind kind, const guint8 *data, gsize size, still *picture, GError **error) {
  GError *reason = NULL;
  if (!encoded_is_whole(kind, data, size)) {
    g_set_error(error, STILL_ERROR, STILL_DAMAGED, "the %s picture is cut short", encoded_name(kind));
    return false;
  }
  if (decode(kind, data, size, picture, &reason))
    return true;
  const bool unsupported = g_error_matches(reason, STILL_ERROR, STILL_UNSUPPORTED) ||
                           g_error_matches(reason, GDK_PIXBUF_ERROR, GDK_PIXBUF_ERROR_UNKNOWN_TYPE) ||
                           g_error_matches(reason, GDK_PIXBUF_ERROR, GDK_PIXBUF_ERROR_UNSUPPORTED_OPERATION);
  g_set_error_literal(error, STILL_ERROR, unsupported ? STILL_UNSUPPORTED : STILL_DAMAGED, reason->message);
  g_error_free(reason);
  return false;
}

void still_clear(still *picture) {
  if (picture->release)
    picture->release(picture->owner);
  *picture = (still){0};
}

bool still_warm_up(GError **error) {
  for (size_t i = 0; i < G_N_ELEMENTS(samples); i++) {
    still picture;
    if (!still_decode(samples[i].kind, samples[i].data, samples[i].size, &picture, error)) {
      g_prefix_error(error, "%s pictures: ", encoded_name(samples[i].kind));
      return false;
    }
    still_clear(&picture);
  }
  return true;
}

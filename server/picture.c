/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decoding and scaling one picture, as the decoder's process does it. */
#include "picture.h"

#include "still.h"

#include <string.h>

static bool prepare(picture_maker *m, const still *picture, uint8_t *rgb, resnet18_error *error) {
  static const resnet18_preprocess_options exact = {.exact = true};
  const ptrdiff_t stride = (ptrdiff_t)picture->stride;
  resnet18_image_info info;
  memset(&info, 0, sizeof info); /* compared as bytes */
  info.format = picture->channels == 4 ? RESNET18_FORMAT_RGBX : RESNET18_FORMAT_RGB;
  info.width = picture->width;
  info.height = picture->height;
  /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c): its gaps are zero */
  if (m->tables == NULL || memcmp(&info, &m->info, sizeof info) != 0) {
    resnet18_preprocessor_free(m->tables);
    m->tables = NULL;
    m->info = info;
    if (resnet18_preprocessor_new(&info, &exact, &m->tables, error) != RESNET18_OK)
      return false;
  }
  resnet18_preprocessor_run(m->tables, &picture->pixels, &stride, rgb);
  return true;
}

void picture_make(picture_maker *m, const decoder_order *order, const uint8_t *encoded, uint8_t *rgb,
                  decoder_reply *reply) {
  GError *error = NULL;
  resnet18_error reason;
  still picture = {0};
  if (!still_decode((encoded_kind)order->kind, encoded, order->size, &picture, &error)) {
    reply->status = g_error_matches(error, STILL_ERROR, STILL_UNSUPPORTED) ? 415 : 400;
    g_strlcpy(reply->reason, error->message, sizeof reply->reason);
    g_error_free(error);
  } else if (prepare(m, &picture, rgb, &reason)) {
    reply->width = picture.width;
    reply->height = picture.height;
  } else {
    reply->status = 400;
    g_strlcpy(reply->reason, reason.message, sizeof reply->reason);
  }
  still_clear(&picture);
}

void picture_maker_clear(picture_maker *m) {
  resnet18_preprocessor_free(m->tables);
  m->tables = NULL;
}

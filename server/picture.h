/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A decoder's work: what a client sent -> the picture that the network sees. */
#ifndef RESNET18_SERVER_PICTURE_H
#define RESNET18_SERVER_PICTURE_H

#include "decoder_child.h"

/* The preprocessor's tables for the size that came last. All zero at first. */
typedef struct {
  resnet18_image_info info;
  resnet18_preprocessor *tables;
} picture_maker;

/* Decodes order->size bytes to RESNET18_RGB_BYTES at `rgb`; `reply`, all zero before, says what became of it. */
void picture_make(picture_maker *m, const decoder_order *order, const uint8_t *encoded, uint8_t *rgb,
                  decoder_reply *reply);
void picture_maker_clear(picture_maker *m);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a register tile of the u8 convolutions works on. */
#ifndef RESNET18_U8_TILE_H
#define RESNET18_U8_TILE_H

#include <stddef.h>
#include <stdint.h>

/* Pixels at x[0] + i * step (the first seven or eight) and x[1] + i * step (the second seven; x[1] is the eighth pixel
 * of a tile of eight). Each is the start of `rows` rows, `row` bytes apart, of channels to be multiplied; a row is
 * `pairs` pairs of quads, `pair` bytes apart, a quad being four channels. Weights follow each other in that order. */
typedef struct {
  const uint8_t *x[2];
  size_t step, row, pair;
  unsigned rows, pairs;
} tile_source;

/* A tile's header has BLOCK, the output channels of a tile; and TAKEN_OFF: activations are multiplied less that, for
 * which the sums have to start with as many times the weights' sum. */

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be seen of an encoded picture without decoding it. */
#include "encoded.h"

#include <string.h>

enum { SOI = 0xd8, EOI = 0xd9, SOS = 0xda, APP1 = 0xe1, RST0 = 0xd0, RST7 = 0xd7, TEM = 0x01 };

typedef struct {
  const uint8_t *data;
  size_t size, at;
} reader;

/* One marker with its segment: payload 0 bytes long for the markers that stand alone. */
typedef struct {
  uint8_t code;
  const uint8_t *payload;
  size_t length;
} segment;

/* The entropy-coded data after a start of scan ends at the next marker that is neither a stuffed 0 nor a restart. */
static void skip_scan(reader *r) {
  while (r->at + 1 < r->size) {
    const uint8_t *p = memchr(r->data + r->at, 0xff, r->size - r->at - 1);
    if (p == NULL)
      break;
    r->at = (size_t)(p - r->data);
    if (p[1] != 0 && p[1] != 0xff && !(p[1] >= RST0 && p[1] <= RST7))
      return;
    r->at += p[1] == 0xff ? 1 : 2;
  }
  r->at = r->size;
}

/* False at the end of the data. */
static bool next_segment(reader *r, segment *s) {
  while (r->at < r->size && r->data[r->at] != 0xff) /* libjpeg skips stray bytes too */
    r->at++;
  while (r->at < r->size && r->data[r->at] == 0xff)
    r->at++;
  if (r->at >= r->size)
    return false;
  *s = (segment){.code = r->data[r->at++]};
  if (s->code == TEM || (s->code >= RST0 && s->code <= EOI))
    return true;
  if (r->size - r->at < 2)
    return false;
  size_t length = (size_t)r->data[r->at] << 8 | r->data[r->at + 1];
  if (length < 2 || length > r->size - r->at)
    return false;
  s->payload = r->data + r->at + 2;
  s->length = length - 2;
  r->at += length;
  if (s->code == SOS)
    skip_scan(r);
  return true;
}

bool encoded_jpeg_is_whole(const uint8_t *data, size_t size) {
  reader r = {data, size, 0};
  segment s;
  while (next_segment(&r, &s))
    if (s.code == EOI)
      return true;
  return false;
}

bool encoded_jpeg_exif(const uint8_t *data, size_t size, const uint8_t **exif, size_t *exif_size) {
  static const uint8_t name[6] = "Exif\0";
  reader r = {data, size, 0};
  segment s;
  while (next_segment(&r, &s) && s.code != SOS)
    if (s.code == APP1 && s.length > sizeof name && memcmp(s.payload, name, sizeof name) == 0) {
      *exif = s.payload + sizeof name;
      *exif_size = s.length - sizeof name;
      return true;
    }
  return false;
}

static uint32_t big_endian(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

bool encoded_png_size(const uint8_t *data, size_t size, uint32_t *width, uint32_t *height) {
  if (size < 24 || memcmp(data + 12, "IHDR", 4) != 0)
    return false;
  *width = big_endian(data + 16);
  *height = big_endian(data + 20);
  return true;
}

bool encoded_png_is_whole(const uint8_t *data, size_t size) {
  enum { SIGNATURE = 8, FRAME = 12 }; /* a chunk is its length, name and check sum around the data */
  size_t at = SIGNATURE;
  while (at <= size && size - at >= FRAME) {
    const uint8_t *p = data + at;
    const size_t length = big_endian(p);
    if (length > size - at - FRAME)
      return false;
    if (memcmp(p + 4, "IEND", 4) == 0)
      return true;
    at += FRAME + length;
  }
  return false;
}

/* ---- GIF ----------------------------------------------------------------------------------------------- */

/* Skips blocks of 1 to 255 bytes up to the empty one. False if the data ends before it. */
static bool skip_blocks(reader *r) {
  while (r->at < r->size) {
    const size_t length = r->data[r->at++];
    if (length == 0)
      return true;
    if (length > r->size - r->at)
      return false;
    r->at += length;
  }
  return false;
}

/* Bytes of the colour table that a packed field announces. */
static size_t color_table(uint8_t packed) {
  return packed & 0x80 ? 3u << ((packed & 7) + 1) : 0;
}

bool encoded_gif_is_whole(const uint8_t *data, size_t size) {
  enum { HEADER = 13, HEADER_PACKED = 10, DESCRIPTOR = 9, DESCRIPTOR_PACKED = 8 };
  if (size < HEADER)
    return false;
  reader r = {data, size, HEADER + color_table(data[HEADER_PACKED])};
  while (r.at < size) {
    const uint8_t kind = data[r.at++];
    if (kind == 0x2c) { /* a frame: descriptor, colours, size of the codes, data */
      if (size - r.at < DESCRIPTOR)
        return false;
      r.at += DESCRIPTOR + color_table(data[r.at + DESCRIPTOR_PACKED]) + 1;
      return skip_blocks(&r);
    }
    if (kind != 0x21) /* an extension: kind, data */
      return false;
    r.at++;
    if (!skip_blocks(&r))
      return false;
  }
  return false;
}

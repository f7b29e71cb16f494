/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be seen of an encoded picture without decoding it. */
#include "encoded.h"

#include <string.h>

enum {
  SOF0 = 0xc0,
  DHT = 0xc4,
  JPG = 0xc8,
  DAC = 0xcc,
  SOF15 = 0xcf,
  SOI = 0xd8,
  EOI = 0xd9,
  SOS = 0xda,
  APP1 = 0xe1,
  RST0 = 0xd0,
  RST7 = 0xd7,
  TEM = 0x01
};

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

enum { GIF_DESCRIPTOR = 9 };

/* Where the descriptor of the first frame begins, all of which is there; 0 if there is none. */
static size_t gif_descriptor(const uint8_t *data, size_t size) {
  enum { HEADER = 13, HEADER_PACKED = 10, EXTENSION = 0x21, FRAME = 0x2c };
  if (size < HEADER)
    return 0;
  reader r = {data, size, HEADER + color_table(data[HEADER_PACKED])};
  while (r.at < size && data[r.at] == EXTENSION) {
    r.at += 2; /* with its kind */
    if (!skip_blocks(&r))
      return 0;
  }
  return r.at < size && data[r.at] == FRAME && size - r.at > GIF_DESCRIPTOR ? r.at + 1 : 0;
}

size_t encoded_gif_first_frame(const uint8_t *data, size_t size) {
  enum { PACKED = 8 };
  const size_t at = gif_descriptor(data, size);
  if (at == 0)
    return 0;
  /* Descriptor, colours, size of the codes, data. */
  reader r = {data, size, at + GIF_DESCRIPTOR + color_table(data[at + PACKED]) + 1};
  return skip_blocks(&r) ? r.at : 0;
}

/* ---- All kinds ----------------------------------------------------------------------------------------- */

static uint32_t little_endian(const uint8_t *p, int bytes) {
  uint32_t value = 0;
  for (int i = 0; i < bytes; i++)
    value |= (uint32_t)p[i] << 8 * i;
  return value;
}

static bool has(const uint8_t *data, size_t size, size_t at, const char *text, size_t length) {
  return at <= size && size - at >= length && memcmp(data + at, text, length) == 0;
}

encoded_kind encoded_look(const uint8_t *data, size_t size) {
  static const struct {
    size_t at, length;
    const char *text;
    encoded_kind kind;
  } signs[] = {
      {0, 3, "\xff\xd8\xff", ENCODED_JPEG},
      {0, 8, "\x89PNG\r\n\x1a\n", ENCODED_PNG},
      {0, 6, "GIF87a", ENCODED_GIF},
      {0, 6, "GIF89a", ENCODED_GIF},
      {8, 4, "WEBP", ENCODED_WEBP},
      {0, 4, "II*\0", ENCODED_OTHER},          /* TIFF */
      {0, 4, "MM\0*", ENCODED_OTHER},          /* TIFF */
      {4, 8, "ftypavif", ENCODED_OTHER},       /* AVIF */
      {4, 7, "ftyphei", ENCODED_OTHER},        /* HEIF */
      {4, 8, "ftypmif1", ENCODED_OTHER},       /* HEIF */
      {4, 8, "jP  \r\n\x87\n", ENCODED_OTHER}, /* JPEG 2000 */
      {4, 8, "JXL \r\n\x87\n", ENCODED_OTHER}, /* JPEG XL */
      {0, 2, "\xff\x0a", ENCODED_OTHER},       /* JPEG XL */
      {0, 4, "\0\0\1\0", ENCODED_OTHER},       /* icon */
      {0, 4, "<svg", ENCODED_OTHER},
  };
  for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
    if (has(data, size, signs[i].at, signs[i].text, signs[i].length) &&
        (signs[i].kind != ENCODED_WEBP || has(data, size, 0, "RIFF", 4)))
      return signs[i].kind;
  }
  /* "BM" alone is also the beginning of words: the two reserved fields are 0, and the header has a known size. */
  if (has(data, size, 0, "BM", 2) && size >= 18 && little_endian(data + 6, 4) == 0 &&
      little_endian(data + 14, 4) <= 124)
    return ENCODED_BMP;
  return ENCODED_NOTHING;
}

const char *encoded_name(encoded_kind kind) {
  static const char *const names[] = {"unknown", "other", "JPEG", "PNG", "GIF", "BMP", "WebP"};
  return names[kind];
}

static bool jpeg_size(const uint8_t *data, size_t size, uint32_t *width, uint32_t *height) {
  reader r = {data, size, 0};
  segment s;
  while (next_segment(&r, &s) && s.code != SOS)
    if (s.code >= SOF0 && s.code <= SOF15 && s.code != DHT && s.code != JPG && s.code != DAC && s.length >= 5) {
      *height = (uint32_t)s.payload[1] << 8 | s.payload[2];
      *width = (uint32_t)s.payload[3] << 8 | s.payload[4];
      return true;
    }
  return false;
}

static void at_least(uint32_t *value, uint32_t least) {
  if (*value < least)
    *value = least;
}

static bool gif_size(const uint8_t *data, size_t size, uint32_t *width, uint32_t *height) {
  const size_t at = gif_descriptor(data, size);
  if (at == 0)
    return false;
  const uint8_t *frame = data + at;
  const uint32_t frame_width = little_endian(frame + 4, 2), frame_height = little_endian(frame + 6, 2);
  if (frame_width == 0 || frame_height == 0)
    return false;
  *width = little_endian(data + 6, 2);
  *height = little_endian(data + 8, 2);
  at_least(width, little_endian(frame, 2) + frame_width);
  at_least(height, little_endian(frame + 2, 2) + frame_height);
  return true;
}

static bool bmp_size(const uint8_t *data, size_t size, uint32_t *width, uint32_t *height) {
  enum { CORE = 12 };
  if (size < 26)
    return false;
  if (little_endian(data + 14, 4) == CORE) {
    *width = little_endian(data + 18, 2);
    *height = little_endian(data + 20, 2);
    return true;
  }
  const int32_t w = (int32_t)little_endian(data + 18, 4), h = (int32_t)little_endian(data + 22, 4);
  *width = (uint32_t)w;
  *height = h < 0 ? 0u - (uint32_t)h : (uint32_t)h; /* negative: from top to bottom */
  return w > 0;
}

/* One chunk of WebP (RFC 9649): VP8 in a frame, VP8L without loss, VP8X before others. */
static bool webp_size(const uint8_t *data, size_t size, uint32_t *width, uint32_t *height) {
  bool found = false;
  *width = *height = 0;
  for (size_t at = 12; size - at >= 8;) {
    const uint8_t *p = data + at + 8;
    const size_t left = size - at - 8, length = little_endian(data + at + 4, 4);
    if (has(data, size, at, "VP8X", 4) && left >= 10) {
      at_least(width, little_endian(p + 4, 3) + 1);
      at_least(height, little_endian(p + 7, 3) + 1);
      found = true;
    } else if (has(data, size, at, "VP8 ", 4) && left >= 10) {
      at_least(width, little_endian(p + 6, 2) & 0x3fff);
      at_least(height, little_endian(p + 8, 2) & 0x3fff);
      return true;
    } else if (has(data, size, at, "VP8L", 4) && left >= 5) {
      const uint32_t bits = little_endian(p + 1, 4);
      at_least(width, (bits & 0x3fff) + 1);
      at_least(height, (bits >> 14 & 0x3fff) + 1);
      return true;
    }
    if (length > left || left - length < (length & 1))
      break;
    at += 8 + length + (length & 1);
  }
  return found;
}

bool encoded_size(encoded_kind kind, const uint8_t *data, size_t size, uint32_t *width, uint32_t *height) {
  switch (kind) {
  case ENCODED_JPEG:
    return jpeg_size(data, size, width, height);
  case ENCODED_PNG:
    return encoded_png_size(data, size, width, height);
  case ENCODED_GIF:
    return gif_size(data, size, width, height);
  case ENCODED_BMP:
    return bmp_size(data, size, width, height);
  case ENCODED_WEBP:
    return webp_size(data, size, width, height);
  default:
    return false;
  }
}

/* All rows, each of whole 32-bit words. How long run-length coded ones are only the decoder finds. */
static bool bmp_is_whole(const uint8_t *data, size_t size) {
  enum { CORE = 12, RGB = 0, BIT_FIELDS = 3 };
  uint32_t width, height;
  if (!bmp_size(data, size, &width, &height) || size < 34)
    return false;
  const bool core = little_endian(data + 14, 4) == CORE;
  const uint32_t bits = little_endian(data + (core ? 24 : 28), 2), coding = core ? RGB : little_endian(data + 30, 4);
  if (coding != RGB && coding != BIT_FIELDS)
    return true;
  const uint64_t row = ((uint64_t)width * bits + 31) / 32 * 4;
  const size_t start = little_endian(data + 10, 4);
  return start <= size && (row == 0 || (size - start) / row >= height);
}

bool encoded_is_whole(encoded_kind kind, const uint8_t *data, size_t size) {
  switch (kind) {
  case ENCODED_JPEG:
    return encoded_jpeg_is_whole(data, size);
  case ENCODED_PNG:
    return encoded_png_is_whole(data, size);
  case ENCODED_GIF:
    return encoded_gif_first_frame(data, size) != 0;
  case ENCODED_BMP:
    return bmp_is_whole(data, size);
  case ENCODED_WEBP:
    return size >= 12 && little_endian(data + 4, 4) <= size - 8;
  default:
    return true;
  }
}

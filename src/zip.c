/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Zip archives with stored entries (PKWARE's APPNOTE 6.3.10, sections 4.3 to 4.5), zip64 included. */
#include "zip.h"

#include "error.h"
#include "text.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
  END_BYTES = 22,
  END64_BYTES = 56,
  LOCATOR_BYTES = 20,
  CENTRAL_BYTES = 46,
  LOCAL_BYTES = 30,
  MAX_ENTRIES = 4096,
  MAX_ENTRY_NAME = 512,
  FLAG_ENCRYPTED = 1 << 0,
  FLAG_DESCRIPTOR = 1 << 3, /* checksum and sizes follow the data; the local header has zeros */
  FLAG_MASKED = 1 << 13,    /* central directory encryption */
  ZIP64_EXTRA = 1
};

/* The archive, and where its directory is. */
typedef struct {
  const char *source;
  const unsigned char *base;
  size_t size;
  uint64_t directory, directory_size, count;
  resnet18_error *error;
} archive;

static uint32_t u16(const unsigned char *p) {
  return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t u32(const unsigned char *p) {
  return u16(p) | u16(p + 2) << 16;
}

static uint64_t u64(const unsigned char *p) {
  return u32(p) | (uint64_t)u32(p + 4) << 32;
}

static bool has_mark(const unsigned char *p, unsigned char third, unsigned char fourth) {
  return p[0] == 'P' && p[1] == 'K' && p[2] == third && p[3] == fourth;
}

static resnet18_status zip_fail(const archive *a, const char *what) {
  return r18_fail(a->error, RESNET18_ERROR_FORMAT, "%s: %s", a->source, what);
}

static resnet18_status entry_fail(const archive *a, const r18_zip_entry *entry, const char *what) {
  int length = entry->name_length < 200 ? (int)entry->name_length : 200;
  return r18_fail(a->error, RESNET18_ERROR_FORMAT, "%s: zip entry '%.*s' %s", a->source, length,
                  (const char *)entry->name, what);
}

/* ---- The end of the directory --------------------------------------------------------------------------- */

/* The end record: at the file's end, or before a comment that reaches exactly to there. */
static const unsigned char *find_end(const archive *a) {
  const size_t longest = UINT16_MAX + END_BYTES;
  for (size_t back = END_BYTES; back <= a->size && back <= longest; back++) {
    const unsigned char *p = a->base + (a->size - back);
    if (has_mark(p, 5, 6) && u16(p + 20) == back - END_BYTES)
      return p;
  }
  return NULL;
}

/* The zip64 end record, found by the locator before the end record. A field of `end` that is not all ones says the same
 * there. */
static resnet18_status read_end64(archive *a, const unsigned char *end, const unsigned char **start) {
  const unsigned char *locator = end - LOCATOR_BYTES;
  uint64_t offset = u64(locator + 8), place = (uint64_t)(locator - a->base);
  if (u32(locator + 4) != 0 || u32(locator + 16) > 1)
    return zip_fail(a, "is one part of a split zip archive");
  if (offset > place || place - offset < END64_BYTES || !has_mark(a->base + offset, 6, 6))
    return zip_fail(a, "the zip64 locator does not point to the zip64 end record");
  const unsigned char *record = a->base + offset;
  if (u64(record + 4) != place - offset - 12)
    return zip_fail(a, "the zip64 end record has the wrong size");
  if (u32(record + 16) != 0 || u32(record + 20) != 0 || u64(record + 24) != u64(record + 32))
    return zip_fail(a, "is one part of a split zip archive");
  a->count = u64(record + 32);
  a->directory_size = u64(record + 40);
  a->directory = u64(record + 48);
  if ((u16(end + 10) != UINT16_MAX && u16(end + 10) != a->count) ||
      (u32(end + 12) != UINT32_MAX && u32(end + 12) != a->directory_size) ||
      (u32(end + 16) != UINT32_MAX && u32(end + 16) != a->directory))
    return zip_fail(a, "the two end records of the zip directory disagree");
  *start = record;
  return RESNET18_OK;
}

static resnet18_status read_end(archive *a) {
  const unsigned char *end = find_end(a), *start = end;
  if (!end)
    return zip_fail(a, "the zip directory is missing: the file is incomplete or damaged");
  if (u16(end + 4) != 0 || u16(end + 6) != 0 || u16(end + 8) != u16(end + 10))
    return zip_fail(a, "is one part of a split zip archive");
  a->count = u16(end + 10);
  a->directory_size = u32(end + 12);
  a->directory = u32(end + 16);
  if (end - a->base >= LOCATOR_BYTES && has_mark(end - LOCATOR_BYTES, 6, 7)) {
    resnet18_status status = read_end64(a, end, &start);
    if (status)
      return status;
  }
  const uint64_t place = (uint64_t)(start - a->base);
  if (a->directory > place || place - a->directory != a->directory_size)
    return zip_fail(a, "the zip directory is not where its end record says");
  if (a->count == 0 || a->count > MAX_ENTRIES)
    return r18_fail(a->error, RESNET18_ERROR_FORMAT, "%s: the zip directory has %ju entries instead of 1 to %d",
                    a->source, (uintmax_t)a->count, MAX_ENTRIES);
  return RESNET18_OK;
}

/* ---- Entries -------------------------------------------------------------------------------------------- */

/* A name is a relative path with '/' between its parts, none of them "." or "..". */
static bool good_name(const unsigned char *name, size_t length) {
  size_t part = 0;
  if (length == 0 || length > MAX_ENTRY_NAME)
    return false;
  for (size_t i = 0, step; i < length; i += step) {
    step = r18_utf8_length(name + i, length - i);
    if (step == 0 || name[i] < 0x20 || name[i] == 0x7f || name[i] == '\\')
      return false;
    if (name[i] != '/')
      continue;
    if (i == part || (i - part <= 2 && memcmp(name + part, "..", i - part) == 0))
      return false;
    part = i + 1;
  }
  return part < length && !(length - part <= 2 && memcmp(name + part, "..", length - part) == 0);
}

/* Takes the next 64-bit value of a zip64 extra field. */
static bool take64(const unsigned char **field, size_t *left, uint64_t *value) {
  if (*left < 8)
    return false;
  *value = u64(*field);
  *field += 8;
  *left -= 8;
  return true;
}

/* Reads sizes and place; those that are all ones stand in the zip64 extra field, in this order. */
static bool read_sizes(const unsigned char *record, const unsigned char *extra, size_t extra_length, uint64_t *size,
                       uint64_t *stored, uint64_t *start) {
  const unsigned char *field = NULL;
  size_t left = 0;
  while (extra_length >= 4) {
    size_t length = u16(extra + 2);
    if (length > extra_length - 4)
      return false;
    if (u16(extra) == ZIP64_EXTRA && !field) {
      field = extra + 4;
      left = length;
    }
    extra += 4 + length;
    extra_length -= 4 + length;
  }
  *stored = u32(record + 20);
  *size = u32(record + 24);
  *start = u32(record + 42);
  return (*size != UINT32_MAX || take64(&field, &left, size)) &&
         (*stored != UINT32_MAX || take64(&field, &left, stored)) &&
         (*start != UINT32_MAX || take64(&field, &left, start));
}

/* The entry's local header must tell the same; finds the data behind it. */
static resnet18_status read_local(const archive *a, const unsigned char *central, r18_zip_entry *entry) {
  const unsigned char *local = a->base + entry->start;
  if (entry->start > a->directory || a->directory - entry->start < LOCAL_BYTES || !has_mark(local, 3, 4))
    return entry_fail(a, entry, "has no header where the zip directory says");
  const size_t name_length = u16(local + 26), before = LOCAL_BYTES + name_length + u16(local + 28);
  const uint64_t room = a->directory - entry->start;
  if (before > room || entry->size > room - before)
    return entry_fail(a, entry, "reaches into the zip directory");
  if (u16(local + 6) != u16(central + 8) || u16(local + 8) != u16(central + 10) || name_length != entry->name_length ||
      memcmp(local + LOCAL_BYTES, entry->name, name_length) != 0)
    return entry_fail(a, entry, "has a header that disagrees with the zip directory");
  if (!(u16(local + 6) & FLAG_DESCRIPTOR) &&
      (u32(local + 14) != entry->crc || (u32(local + 18) != UINT32_MAX && u32(local + 18) != entry->size) ||
       (u32(local + 22) != UINT32_MAX && u32(local + 22) != entry->size)))
    return entry_fail(a, entry, "has a header that disagrees with the zip directory");
  entry->data = local + before;
  return RESNET18_OK;
}

/* Reads the directory's record at *at, and moves *at behind it. */
static resnet18_status read_entry(const archive *a, const unsigned char **at, const unsigned char *end,
                                  r18_zip_entry *entry) {
  const unsigned char *record = *at;
  uint64_t size, stored;
  if (end - record < CENTRAL_BYTES || !has_mark(record, 1, 2))
    return zip_fail(a, "the zip directory ends too early");
  const size_t name_length = u16(record + 28), extra_length = u16(record + 30), comment_length = u16(record + 32);
  if ((size_t)(end - record) < CENTRAL_BYTES + name_length + extra_length + comment_length)
    return zip_fail(a, "the zip directory ends too early");
  *entry = (r18_zip_entry){.name = record + CENTRAL_BYTES, .name_length = name_length, .crc = u32(record + 16)};
  *at = entry->name + name_length + extra_length + comment_length;
  if (!good_name(entry->name, name_length))
    return entry_fail(a, entry, "has a name that is not allowed");
  if (u16(record + 8) & (FLAG_ENCRYPTED | FLAG_MASKED))
    return entry_fail(a, entry, "is encrypted");
  if (u16(record + 10) != 0)
    return entry_fail(a, entry, "is compressed; checkpoints are stored");
  if (!read_sizes(record, entry->name + name_length, extra_length, &size, &stored, &entry->start))
    return entry_fail(a, entry, "has a damaged extra field");
  if (size != stored)
    return entry_fail(a, entry, "has two different sizes");
  if (u16(record + 34) != 0)
    return zip_fail(a, "is one part of a split zip archive");
  if (size > a->size)
    return entry_fail(a, entry, "is larger than the file");
  entry->size = (size_t)size;
  return read_local(a, record, entry);
}

static int by_start(const void *a, const void *b) {
  const r18_zip_entry *x = a, *y = b;
  return (x->start > y->start) - (x->start < y->start);
}

static int compare_names(const r18_zip_entry *x, const r18_zip_entry *y) {
  size_t shorter = x->name_length < y->name_length ? x->name_length : y->name_length;
  int order = memcmp(x->name, y->name, shorter);
  return order ? order : (x->name_length > y->name_length) - (x->name_length < y->name_length);
}

static int by_name(const void *a, const void *b) {
  return compare_names(a, b);
}

static resnet18_status check_entries(const archive *a, r18_zip *zip) {
  qsort(zip->entry, zip->count, sizeof *zip->entry, by_name);
  for (size_t i = 1; i < zip->count; i++)
    if (compare_names(&zip->entry[i - 1], &zip->entry[i]) == 0)
      return entry_fail(a, &zip->entry[i], "occurs twice");
  qsort(zip->entry, zip->count, sizeof *zip->entry, by_start);
  for (size_t i = 1; i < zip->count; i++)
    if (zip->entry[i - 1].data + zip->entry[i - 1].size > a->base + zip->entry[i].start)
      return entry_fail(a, &zip->entry[i], "overlaps the one before it");
  return RESNET18_OK;
}

resnet18_status r18_zip_read(const char *source, const unsigned char *base, size_t size, r18_zip *zip,
                             resnet18_error *error) {
  archive a = {.source = source, .base = base, .size = size, .error = error};
  *zip = (r18_zip){0};
  resnet18_status status = read_end(&a);
  if (status)
    return status;
  zip->entry = calloc((size_t)a.count, sizeof *zip->entry);
  if (!zip->entry)
    return r18_fail_memory(error, (size_t)a.count * sizeof *zip->entry);
  const unsigned char *at = base + a.directory, *end = at + a.directory_size;
  while (!status && zip->count < a.count) {
    status = read_entry(&a, &at, end, &zip->entry[zip->count]);
    zip->count += !status;
  }
  if (!status && at != end)
    status = zip_fail(&a, "the zip directory has more entries than its end record says");
  if (!status)
    status = check_entries(&a, zip);
  return status;
}

void r18_zip_clear(r18_zip *zip) {
  free(zip->entry);
  *zip = (r18_zip){0};
}

const r18_zip_entry *r18_zip_find(const r18_zip *zip, const unsigned char *folder, size_t folder_length,
                                  const char *name) {
  size_t length = strlen(name);
  for (size_t i = 0; i < zip->count; i++) {
    const r18_zip_entry *entry = &zip->entry[i];
    if (entry->name_length == folder_length + 1 + length && memcmp(entry->name, folder, folder_length) == 0 &&
        entry->name[folder_length] == '/' && memcmp(entry->name + folder_length + 1, name, length) == 0)
      return entry;
  }
  return NULL;
}

/* ---- Checksum ------------------------------------------------------------------------------------------- */

/* CRC-32 eight bytes at a time (Kounavis and Berry, "A systematic approach to building high performance software-based
 * CRC generators", 2005): table[k] advances a byte over k zero bytes. */
static uint32_t crc_table[8][256];
static pthread_once_t crc_table_once = PTHREAD_ONCE_INIT;

static void make_crc_table(void) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; bit++)
      crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    crc_table[0][i] = crc;
  }
  for (int k = 1; k < 8; k++)
    for (uint32_t i = 0; i < 256; i++)
      crc_table[k][i] = crc_table[k - 1][i] >> 8 ^ crc_table[0][crc_table[k - 1][i] & 0xff];
}

static uint32_t crc32_of(const unsigned char *p, size_t count) {
  uint32_t crc = UINT32_MAX;
  pthread_once(&crc_table_once, make_crc_table);
  for (; count >= 8; count -= 8, p += 8) {
    uint32_t low = crc ^ u32(p), high = u32(p + 4);
    crc = crc_table[7][low & 0xff] ^ crc_table[6][low >> 8 & 0xff] ^ crc_table[5][low >> 16 & 0xff] ^
          crc_table[4][low >> 24] ^ crc_table[3][high & 0xff] ^ crc_table[2][high >> 8 & 0xff] ^
          crc_table[1][high >> 16 & 0xff] ^ crc_table[0][high >> 24];
  }
  for (; count > 0; count--, p++)
    crc = crc >> 8 ^ crc_table[0][(crc ^ *p) & 0xff];
  return ~crc;
}

resnet18_status r18_zip_check(const char *source, const r18_zip_entry *entry, resnet18_error *error) {
  const archive a = {.source = source, .error = error};
  if (crc32_of(entry->data, entry->size) != entry->crc)
    return entry_fail(&a, entry, "does not have the checksum that the zip directory says");
  return RESNET18_OK;
}

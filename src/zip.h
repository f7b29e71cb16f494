/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Zip archives whose entries are stored, not compressed: what torch.save writes. */
#ifndef RESNET18_ZIP_H
#define RESNET18_ZIP_H

#include "resnet18.h"

/* `name` has no 0 at its end; `name` and `data` point into the archive. */
typedef struct {
  const unsigned char *name, *data;
  size_t name_length, size;
  uint64_t start; /* of its local header, from the archive's first byte */
  uint32_t crc;
} r18_zip_entry;

typedef struct {
  r18_zip_entry *entry; /* owned array of `count`, in the order of their places */
  size_t count;
} r18_zip;

/* Reads and checks the directory of an archive in memory: every entry is stored, lies before the directory, agrees with
 * its own header and overlaps no other. `source` is for messages. r18_zip_clear frees it, after failure too. */
resnet18_status r18_zip_read(const char *source, const unsigned char *base, size_t size, r18_zip *zip,
                             resnet18_error *error);
void r18_zip_clear(r18_zip *zip);

/* The entry folder/name; NULL if there is none. `folder` has `folder_length` bytes. */
const r18_zip_entry *r18_zip_find(const r18_zip *zip, const unsigned char *folder, size_t folder_length,
                                  const char *name);

/* Whether the entry's bytes have the checksum that the directory says. */
resnet18_status r18_zip_check(const char *source, const r18_zip_entry *entry, resnet18_error *error);

#endif

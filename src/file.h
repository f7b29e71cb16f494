/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading files that are not trusted, and replacing files in one step. */
#ifndef RESNET18_FILE_H
#define RESNET18_FILE_H

#include "resnet18.h"

/* Opens a regular file of at most `limit` bytes; *fd is -1 on failure. */
resnet18_status r18_file_open(const char *path, size_t limit, int *fd, size_t *size, resnet18_error *error);

/* Reads exactly `count` bytes from `offset` on. `path` is for the message. */
resnet18_status r18_file_read(int fd, const char *path, void *out, size_t count, size_t offset, resnet18_error *error);

/* A file that is written beside `path` and takes its place when it is complete. */
typedef struct {
  const char *path; /* the caller's */
  char *target;     /* owned; the file itself where `path` is a symbolic link */
  char *temporary;  /* owned; NULL once it has been renamed or removed */
  int fd;
} r18_new_file;

/* After any of these fails, and after success too, r18_file_abandon frees what is left. */
resnet18_status r18_file_create(const char *path, r18_new_file *file, resnet18_error *error);
resnet18_status r18_file_write(r18_new_file *file, const void *data, size_t count, resnet18_error *error);
/* Renames it to its path after its bytes are on the disk. */
resnet18_status r18_file_commit(r18_new_file *file, resnet18_error *error);
void r18_file_abandon(r18_new_file *file);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing a file of results. */
#include "output.h"

#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool fail(const char *path) {
  command_fail("%s: %s", path, g_strerror(errno));
  return false;
}

/* The file behind `path`, which need not exist; to be freed. NULL with errno on failure, such as a symbolic link to
 * nothing. */
static char *resolve(const char *path) {
  struct stat info;
  char *real = realpath(path, NULL);
  if (real == NULL && errno == ENOENT && lstat(path, &info) != 0 && errno == ENOENT)
    real = strdup(path);
  return real;
}

static bool is_same_file(const char *a, const char *b) {
  struct stat one, other;
  return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

static bool can_be_made(const char *path) {
  char *real = resolve(path);
  char *folder = real ? g_path_get_dirname(real) : NULL;
  const bool ok = folder && access(folder, W_OK | X_OK) == 0;
  if (!ok)
    fail(path);
  g_free(folder);
  free(real);
  return ok;
}

bool output_check(const char *path, const char *input) {
  struct stat info;
  const bool exists = stat(path, &info) == 0;
  if (is_same_file(path, input)) {
    command_fail("%s: it is the list itself and would be overwritten", path);
    return false;
  }
  if (exists && S_ISDIR(info.st_mode)) {
    command_fail("%s: it is a directory", path);
    return false;
  }
  if (exists && !S_ISREG(info.st_mode))
    return access(path, W_OK) == 0 || fail(path);
  return can_be_made(path);
}

/* errno on failure. */
static bool write_all(int file, const char *data, size_t size) {
  while (size) {
    const ssize_t put = write(file, data, size);
    if (put < 0 && errno == EINTR)
      continue;
    if (put < 0)
      return false;
    data += put;
    size -= (size_t)put;
  }
  return true;
}

/* Of the rights that any new file gets, or those of the file in whose place it comes. */
static int create_beside(const char *real, char **temporary) {
  struct stat info;
  int file = -1;
  for (int attempt = 0; attempt < 100 && file < 0 && (attempt == 0 || errno == EEXIST); attempt++) {
    g_free(*temporary);
    *temporary = g_strdup_printf("%s.%08x.part", real, g_random_int());
    file = open(*temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  }
  if (file >= 0 && stat(real, &info) == 0)
    (void)fchmod(file, info.st_mode & 0777);
  return file;
}

bool output_replace(const char *path, bool (*write)(FILE *out, void *user), void *user) {
  char *real = resolve(path), *temporary = NULL;
  const int file = real ? create_beside(real, &temporary) : -1;
  FILE *out = file >= 0 ? fdopen(file, "w") : NULL;
  bool ok = out && write(out, user) && fflush(out) == 0 && !ferror(out) && fsync(file) == 0;
  ok = ok && rename(temporary, real) == 0;
  if (!ok)
    fail(path);
  if (out)
    fclose(out);
  else if (file >= 0)
    close(file);
  if (!ok && file >= 0)
    unlink(temporary);
  g_free(temporary);
  free(real);
  return ok;
}

typedef struct {
  const char *data;
  size_t size;
} block;

static bool write_block(FILE *out, void *user) {
  const block *b = user;
  return fwrite(b->data, 1, b->size, out) == b->size;
}

static bool send(const char *path, const char *data, size_t size) {
  const int file = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
  bool ok = file >= 0 && write_all(file, data, size);
  if (!ok)
    fail(path);
  if (file >= 0)
    close(file);
  return ok;
}

bool output_write(const char *path, const char *data, size_t size) {
  struct stat info;
  block b = {data, size};
  if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
    return send(path, data, size);
  return output_replace(path, write_block, &b);
}

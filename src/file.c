/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading files that are not trusted, and replacing files in one step. */
#include "file.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Reading -------------------------------------------------------------------------------------------- */

static resnet18_status fail_errno(resnet18_error *error, const char *path, const char *what) {
  char reason[128];
  /* _GNU_SOURCE's strerror_r: the text may be elsewhere than in `reason`. */
  return r18_fail(error, RESNET18_ERROR_IO, "%s: %s: %s", path, what, strerror_r(errno, reason, sizeof reason));
}

static resnet18_status check_file(int fd, const char *path, size_t limit, size_t *size, resnet18_error *error) {
  struct stat info;
  if (fstat(fd, &info) != 0)
    return fail_errno(error, path, "cannot be examined");
  if (S_ISDIR(info.st_mode))
    return r18_fail(error, RESNET18_ERROR_IO, "%s: is a directory", path);
  if (!S_ISREG(info.st_mode))
    return r18_fail(error, RESNET18_ERROR_IO, "%s: is not a regular file", path);
  if (info.st_size == 0)
    return r18_fail(error, RESNET18_ERROR_FORMAT, "%s: is empty", path);
  if ((uintmax_t)info.st_size > limit)
    return r18_fail(error, RESNET18_ERROR_FORMAT, "%s: has %ju bytes, more than the %zu allowed", path,
                    (uintmax_t)info.st_size, limit);
  *size = (size_t)info.st_size;
  return RESNET18_OK;
}

resnet18_status r18_file_open(const char *path, size_t limit, int *fd, size_t *size, resnet18_error *error) {
  *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* a FIFO without a writer must not block */
  if (*fd < 0)
    return fail_errno(error, path, "cannot be opened");
  resnet18_status status = check_file(*fd, path, limit, size, error);
  if (status) {
    close(*fd);
    *fd = -1;
  }
  return status;
}

resnet18_status r18_file_read(int fd, const char *path, void *out, size_t count, size_t offset, resnet18_error *error) {
  for (size_t done = 0; done < count;) {
    ssize_t got = pread(fd, (char *)out + done, count - done, (off_t)(offset + done));
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return fail_errno(error, path, "cannot be read");
    if (got == 0)
      return r18_fail(error, RESNET18_ERROR_IO, "%s: became shorter while it was read", path);
    done += (size_t)got;
  }
  return RESNET18_OK;
}

/* ---- Replacing ------------------------------------------------------------------------------------------ */

/* The file behind `path`, so that a symbolic link stays one; to be freed. It need not exist. */
static resnet18_status find_target(const char *path, char **target, resnet18_error *error) {
  struct stat info;
  if (stat(path, &info) == 0) {
    /* A rename would put a file in the place of a device or a directory. */
    if (!S_ISREG(info.st_mode))
      return r18_fail(error, RESNET18_ERROR_IO, "%s: is %s", path,
                      S_ISDIR(info.st_mode) ? "a directory" : "not a regular file");
    *target = realpath(path, NULL);
  } else if (lstat(path, &info) == 0) {
    return r18_fail(error, RESNET18_ERROR_IO, "%s: is a symbolic link to nothing", path);
  } else {
    *target = strdup(path);
  }
  return *target ? RESNET18_OK : fail_errno(error, path, "cannot be resolved");
}

resnet18_status r18_file_create(const char *path, r18_new_file *file, resnet18_error *error) {
  *file = (r18_new_file){.path = path, .fd = -1};
  resnet18_status status = find_target(path, &file->target, error);
  if (status)
    return status;
  size_t room = strlen(file->target) + 32;
  file->temporary = malloc(room);
  if (!file->temporary)
    return r18_fail_memory(error, room);
  for (int attempt = 0; attempt < 100 && file->fd < 0; attempt++) {
    uint64_t random = 0;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
      random = (uint64_t)getpid() + ((uint64_t)attempt << 32);
    snprintf(file->temporary, room, "%s.%016jx.part", file->target, (uintmax_t)random);
    /* Not mkstemp: the file gets the rights that any new file gets. */
    file->fd = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file->fd < 0 && errno != EEXIST)
      break;
  }
  if (file->fd >= 0)
    return RESNET18_OK;
  status = fail_errno(error, path, "a file beside it cannot be created");
  free(file->temporary);
  file->temporary = NULL;
  return status;
}

resnet18_status r18_file_write(r18_new_file *file, const void *data, size_t count, resnet18_error *error) {
  for (size_t done = 0; done < count;) {
    ssize_t put = write(file->fd, (const char *)data + done, count - done);
    if (put < 0 && errno == EINTR)
      continue;
    if (put < 0)
      return fail_errno(error, file->path, "cannot be written");
    done += (size_t)put;
  }
  return RESNET18_OK;
}

/* The folder that holds `path`, to be freed. */
static char *folder_of(const char *path) {
  const char *slash = strrchr(path, '/');
  if (!slash)
    return strdup(".");
  return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* Makes the rename last; a file system that cannot has done what it could. */
static void sync_folder(const char *path) {
  char *folder = folder_of(path);
  int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  if (fd >= 0) {
    (void)fsync(fd);
    close(fd);
  }
  free(folder);
}

resnet18_status r18_file_commit(r18_new_file *file, resnet18_error *error) {
  int synced = fsync(file->fd);
  if (synced != 0)
    return fail_errno(error, file->path, "cannot be written");
  int closed = close(file->fd);
  file->fd = -1;
  if (closed != 0)
    return fail_errno(error, file->path, "cannot be written");
  if (rename(file->temporary, file->target) != 0)
    return fail_errno(error, file->path, "cannot be replaced");
  free(file->temporary);
  file->temporary = NULL;
  sync_folder(file->target);
  return RESNET18_OK;
}

void r18_file_abandon(r18_new_file *file) {
  if (file->fd >= 0)
    close(file->fd);
  if (file->temporary)
    unlink(file->temporary);
  free(file->temporary);
  free(file->target);
  *file = (r18_new_file){.fd = -1};
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the user named. */
#include "input.h"

#include "picture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* So many bytes tell what a file is. */
enum { HEAD_BYTES = 64 * 1024 };
static const off_t max_picture_bytes = 1 << 30;

static bool fail(GError **error, media_error code, const char *format, ...) G_GNUC_PRINTF(3, 4);
static bool fail(GError **error, media_error code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_propagate_error(error, g_error_new_valist(MEDIA_ERROR, (gint)code, format, arguments));
  va_end(arguments);
  return false;
}

static bool fail_errno(GError **error) {
  return fail(error, MEDIA_ERROR_OPEN, "%s", g_strerror(errno));
}

/* Up to `size` bytes from the start. NULL on failure; errno says which. */
static GBytes *read_start(int file, size_t size) {
  guint8 *data = g_try_malloc(size + 1);
  size_t got = 0;
  if (data == NULL) {
    errno = ENOMEM;
    return NULL;
  }
  while (got < size) {
    ssize_t n = pread(file, data + got, size - got, (off_t)got);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0) {
      g_free(data);
      return NULL;
    }
    if (n == 0)
      break;
    got += (size_t)n;
  }
  return g_bytes_new_take(data, got);
}

static bool decode_still(int file, off_t size, bool upright, GstSample **picture, GError **error) {
  if (size > max_picture_bytes)
    return fail(error, MEDIA_ERROR_DAMAGED, "the picture's file is larger than 1 GiB");
  GBytes *bytes = read_start(file, (size_t)size);
  if (bytes == NULL)
    return fail_errno(error);
  GstCaps *type = picture_type(bytes); /* of the whole, which may say more, such as the size in pixels */
  if (type)
    *picture = picture_decode(bytes, type, upright, error);
  else
    fail(error, MEDIA_ERROR_UNKNOWN, "it is not a picture or video that GStreamer recognises");
  g_clear_pointer(&type, gst_caps_unref);
  g_bytes_unref(bytes);
  return *picture != NULL;
}

static bool check_kind(const struct stat *about, GError **error) {
  if (S_ISDIR(about->st_mode))
    return fail(error, MEDIA_ERROR_OPEN, "it is a directory; name the files in it");
  if (!S_ISREG(about->st_mode))
    return fail(error, MEDIA_ERROR_OPEN,
                "it is not a regular file; - reads standard input, and cameras have URIs such "
                "as v4l2:///dev/video0");
  if (about->st_size == 0)
    return fail(error, MEDIA_ERROR_UNKNOWN, "the file is empty");
  return true;
}

/* By its first bytes: 1 = a still picture, 0 = something else that may have video in it, -1 = neither (*error). */
static int recognise(GBytes *head, GError **error) {
  GstCaps *type = picture_type(head);
  const char *name = type ? gst_structure_get_name(gst_caps_get_structure(type, 0)) : NULL;
  int still = type && picture_is_still(type);
  if (name == NULL || strcmp(name, "text/plain") == 0 || strcmp(name, "text/html") == 0) {
    fail(error, MEDIA_ERROR_UNKNOWN,
         name ? "it is text, not a picture or video" : "it is not a picture or video that GStreamer recognises");
    still = -1;
  }
  g_clear_pointer(&type, gst_caps_unref);
  return still;
}

static bool open_file(const char *name, bool upright, GstSample **picture, char **uri, GError **error) {
  struct stat about;
  GBytes *head = NULL;
  bool ok = false;
  int file = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0 || fstat(file, &about) != 0) {
    fail_errno(error);
    goto out;
  }
  if (!check_kind(&about, error))
    goto out;
  head = read_start(file, (size_t)MIN(about.st_size, HEAD_BYTES));
  if (head == NULL) {
    fail_errno(error);
    goto out;
  }
  int still = recognise(head, error);
  if (still == 1)
    ok = decode_still(file, about.st_size, upright, picture, error);
  else if (still == 0)
    ok = (*uri = gst_filename_to_uri(name, error)) != NULL;
out:
  if (head)
    g_bytes_unref(head);
  if (file >= 0)
    close(file);
  return ok;
}

bool input_open(const char *name, bool upright, GstSample **picture, char **uri, GError **error) {
  *picture = NULL;
  *uri = NULL;
  if (*name == '\0')
    return fail(error, MEDIA_ERROR_OPEN, "the name is empty");
  if (strcmp(name, "-") == 0) {
    *uri = g_strdup("fd://0");
    return true;
  }
  if (g_str_has_prefix(name, "file://")) {
    char *path = g_filename_from_uri(name, NULL, NULL);
    bool ok = path ? open_file(path, upright, picture, uri, error)
                   : fail(error, MEDIA_ERROR_OPEN, "the URI does not name a file here");
    g_free(path);
    return ok;
  }
  if (gst_uri_is_valid(name) && access(name, F_OK) != 0) {
    *uri = g_strdup(name);
    return true;
  }
  return open_file(name, upright, picture, uri, error);
}

bool input_is_picture(const char *path) {
  struct stat about;
  const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  GBytes *head = NULL;
  if (file >= 0 && fstat(file, &about) == 0 && S_ISREG(about.st_mode))
    head = read_start(file, (size_t)MIN(about.st_size, HEAD_BYTES));
  const bool still = head && recognise(head, NULL) == 1;
  if (head)
    g_bytes_unref(head);
  if (file >= 0)
    close(file);
  return still;
}

bool input_wait_standard(GError **error) {
  struct pollfd wait = {.fd = STDIN_FILENO, .events = POLLIN};
  struct stat about;
  int left = 0;
  if (fstat(STDIN_FILENO, &about) != 0 || (fcntl(STDIN_FILENO, F_GETFL) & O_ACCMODE) == O_WRONLY)
    return fail(error, MEDIA_ERROR_OPEN, "standard input is closed");
  if (S_ISDIR(about.st_mode))
    return fail(error, MEDIA_ERROR_OPEN, "standard input is a directory");
  while (poll(&wait, 1, -1) < 0)
    if (errno != EINTR)
      return fail_errno(error);
  const bool is_null = S_ISCHR(about.st_mode) && about.st_rdev == makedev(1, 3); /* Documentation/admin-guide/devices */
  if (is_null || (!S_ISCHR(about.st_mode) && ioctl(STDIN_FILENO, FIONREAD, &left) == 0 && left == 0))
    return fail(error, MEDIA_ERROR_UNKNOWN, "standard input is empty");
  return true;
}

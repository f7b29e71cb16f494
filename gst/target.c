/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Targets that are a file descriptor: a file, a FIFO, standard output, a Unix socket. */
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct {
  GstResnet18Target parent;
  gint fd; /* -1 = closed */
  gboolean is_socket, append;
  gchar *path; /* NULL = standard output */
  gchar *name; /* for sentences */
  struct sockaddr_un address;
} FdTarget;

static GstResnet18TargetStatus fail(const FdTarget *target, const gchar *doing, gint number, GError **error) {
  g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(number), "cannot %s %s: %s", doing, target->name,
              g_strerror(number));
  switch (number) {
  case EPIPE:
  case ECONNRESET:
    return GST_RESNET18_TARGET_AWAY;
  default:
    return GST_RESNET18_TARGET_FAILED;
  }
}

/* ---- Opening ------------------------------------------------------------------------------------------- */

/* O_NONBLOCK: opening a FIFO that nobody reads fails instead of waiting. */
static GstResnet18TargetStatus open_file(GstResnet18Target *base, gboolean again, GError **error) {
  FdTarget *target = (FdTarget *)base;
  const int truncate = target->append || again ? 0 : O_TRUNC;
  if (!target->path)
    target->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
  else
    target->fd = open(target->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | truncate, 0666);
  if (target->fd >= 0)
    return GST_RESNET18_TARGET_OK;
  if (errno == ENXIO) {
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NXIO, "nobody reads from %s", target->name);
    return GST_RESNET18_TARGET_AWAY;
  }
  return fail(target, "open", errno, error);
}

/* EAGAIN: the listener's queue is full. */
static gboolean may_listen_later(gint number) {
  return number == ENOENT || number == ECONNREFUSED || number == EAGAIN;
}

static void close_fd(GstResnet18Target *base) {
  FdTarget *target = (FdTarget *)base;
  if (target->fd >= 0)
    close(target->fd);
  target->fd = -1;
}

static GstResnet18TargetStatus open_socket(GstResnet18Target *base, gboolean again, GError **error) {
  FdTarget *target = (FdTarget *)base;
  GstResnet18TargetStatus status;
  target->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (target->fd < 0)
    return fail(target, "make a socket for", errno, error);
  if (connect(target->fd, (const struct sockaddr *)&target->address, sizeof target->address) == 0)
    return GST_RESNET18_TARGET_OK;
  status = fail(target, "connect to", errno, error);
  if (may_listen_later(errno))
    status = GST_RESNET18_TARGET_AWAY;
  close_fd(base);
  return status;
}

/* ---- Writing ------------------------------------------------------------------------------------------- */

static GstResnet18TargetStatus wait_for_room(const FdTarget *target, gint cancel_fd, GError **error) {
  struct pollfd fds[] = {{.fd = target->fd, .events = POLLOUT}, {.fd = cancel_fd, .events = POLLIN}};
  while (poll(fds, G_N_ELEMENTS(fds), -1) < 0)
    if (errno != EINTR)
      return fail(target, "wait for", errno, error);
  return fds[1].revents ? GST_RESNET18_TARGET_CANCELLED : GST_RESNET18_TARGET_OK;
}

/* At most PIPE_BUF bytes at a time: where poll found room, so many go into a pipe without waiting, also when the
 * descriptor is shared with other programs and therefore must not be made non-blocking. */
static ssize_t write_some(const FdTarget *target, const gchar *data, gsize length) {
  if (target->is_socket)
    return send(target->fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
  return write(target->fd, data, MIN(length, PIPE_BUF));
}

/* Of a regular file, if nobody has written after it. */
static void take_back(const FdTarget *target, gsize written) {
  struct stat status;
  off_t end;
  if (written == 0 || fstat(target->fd, &status) != 0 || !S_ISREG(status.st_mode))
    return;
  end = lseek(target->fd, 0, SEEK_CUR);
  if (end == status.st_size && end >= (off_t)written && ftruncate(target->fd, end - (off_t)written) == 0)
    lseek(target->fd, end - (off_t)written, SEEK_SET);
}

static GstResnet18TargetStatus write_fd(GstResnet18Target *base, const gchar *line, gsize length, gint cancel_fd,
                                        GError **error) {
  FdTarget *target = (FdTarget *)base;
  GstResnet18TargetStatus status = GST_RESNET18_TARGET_OK;
  gsize written = 0;
  while (written < length && status == GST_RESNET18_TARGET_OK) {
    ssize_t n;
    status = wait_for_room(target, cancel_fd, error);
    if (status != GST_RESNET18_TARGET_OK)
      break;
    n = write_some(target, line + written, length - written);
    if (n >= 0)
      written += (gsize)n;
    else if (errno != EAGAIN && errno != EINTR)
      status = fail(target, "write to", errno, error);
  }
  if (status != GST_RESNET18_TARGET_OK)
    take_back(target, written);
  return status;
}

/* ---- Making -------------------------------------------------------------------------------------------- */

static void free_fd(GstResnet18Target *base) {
  FdTarget *target = (FdTarget *)base;
  close_fd(base);
  g_free(target->path);
  g_free(target->name);
  g_free(target);
}

static gboolean set_address(FdTarget *target, GError **error) {
  target->address.sun_family = AF_UNIX;
  const gsize length = strlen(target->path);
  if (length > 0 && length < sizeof target->address.sun_path) {
    memcpy(target->address.sun_path, target->path, length + 1);
    return TRUE;
  }
  g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NAMETOOLONG,
              "the path of %s has %" G_GSIZE_FORMAT " bytes; a socket's has 1 to %" G_GSIZE_FORMAT, target->name,
              length, sizeof target->address.sun_path - 1);
  return FALSE;
}

void gst_resnet18_target_block_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  sigaddset(&set, SIGXFSZ);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
}

GstResnet18Target *gst_resnet18_target_new(const gchar *location, gboolean append, GError **error) {
  FdTarget *target;
  if (!location || !*location) {
    g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                        "it is empty; a path, \"-\" or \"unix:PATH\" is wanted");
    return NULL;
  }
  target = g_new0(FdTarget, 1);
  target->parent = (GstResnet18Target){open_file, write_fd, close_fd, free_fd};
  target->fd = -1;
  target->append = append;
  if (strcmp(location, "-") == 0) {
    target->name = g_strdup("standard output");
  } else if (g_str_has_prefix(location, "unix:")) {
    target->is_socket = TRUE;
    target->parent.open = open_socket;
    target->path = g_strdup(location + strlen("unix:"));
    target->name = g_strdup_printf("the socket \"%s\"", target->path);
  } else {
    target->path = g_strdup(location);
    target->name = g_strdup_printf("\"%s\"", target->path);
  }
  if (!target->is_socket || set_address(target, error))
    return &target->parent;
  free_fd(&target->parent);
  return NULL;
}

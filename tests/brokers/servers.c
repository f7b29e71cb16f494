/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting and stopping programs that listen. */
#include "servers.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static gint with_port(guint *port, gint (*what)(gint, const struct sockaddr *, socklen_t)) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((guint16)*port)};
  socklen_t length = sizeof address;
  const gint fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  gint result;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  result = what(fd, (struct sockaddr *)&address, sizeof address);
  if (result == 0 && getsockname(fd, (struct sockaddr *)&address, &length) == 0 && *port == 0)
    *port = ntohs(address.sin_port);
  close(fd);
  return result;
}

guint server_free_port(void) {
  guint port = 0;
  g_assert_cmpint(with_port(&port, bind), ==, 0);
  return port;
}

/* Debian has servers in /usr/sbin, which is not in everybody's PATH. */
static gchar *find_program(const gchar *program) {
  gchar *path = g_find_program_in_path(program);
  gchar *other = g_build_filename("/usr/sbin", program, NULL);
  if (!path && g_file_test(other, G_FILE_TEST_IS_EXECUTABLE))
    return other;
  g_free(other);
  return path;
}

gchar *server_missing(const gchar *program) {
  gchar *path = find_program(program);
  const gboolean found = path != NULL;
  g_free(path);
  return found ? NULL : g_strdup_printf("%s is not installed", program);
}

GPid server_start(gchar **argv, const gchar *log) {
  gchar *path = find_program(argv[0]);
  const pid_t parent = getpid(), pid = fork();
  if (pid == 0) {
    const gint fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
      _exit(1);
    execv(path, argv);
    _exit(127);
  }
  g_free(path);
  return pid;
}

/* A server that never listens ends in the test's timeout. */
void server_await(guint port) {
  while (with_port(&port, connect) != 0)
    g_usleep(10000);
}

void server_stop(GPid *pid, gint number) {
  if (*pid <= 0)
    return;
  kill(*pid, number);
  waitpid(*pid, NULL, 0);
  *pid = 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One line on the terminal that says how far long work has come. */
#include "progress.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static const gint64 interval = G_USEC_PER_SEC / 5;
static gint64 last;
static bool shown;

void progress_show(const char *format, ...) {
  va_list arguments;
  const gint64 now = g_get_monotonic_time();
  if ((last && now - last < interval) || !isatty(STDERR_FILENO) || isatty(STDOUT_FILENO))
    return;
  last = now;
  shown = true;
  fputs("\r\033[K", stderr);
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fflush(stderr);
}

void progress_clear(void) {
  if (shown)
    fputs("\r\033[K", stderr);
  shown = false;
}

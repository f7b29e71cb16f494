/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Error sentences. */
#include "error.h"

#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Length of the well-formed UTF-8 sequence at `s`, 0 if there is none or it is a control character. The 0 at the end of
 * a string ends a sequence, too. */
static size_t printable_sequence(const unsigned char *s) {
  const size_t length = r18_utf8_length(s, 4);
  if (length == 1)
    return s[0] >= 0x20 && s[0] != 0x7f;
  return length == 2 && s[0] == 0xc2 && s[1] < 0xa0 ? 0 : length; /* C1 controls: terminals obey them */
}

static void make_printable(char *message) {
  unsigned char *s = (unsigned char *)message;
  while (*s) {
    size_t length = printable_sequence(s);
    if (length == 0)
      *s++ = '?';
    else
      s += length;
  }
}

/* What does not fit loses its beginning: that is a path's, and the reason stands at the end. */
static void keep_end(char *out, size_t room, const char *message) {
  const size_t length = strlen(message);
  if (length < room) {
    memcpy(out, message, length + 1);
    return;
  }
  const char *end = message + length - (room - sizeof "...");
  while (((unsigned char)*end & 0xc0) == 0x80)
    end++; /* not in the middle of a character */
  snprintf(out, room, "...%s", end);
}

resnet18_status(r18_fail)(resnet18_error *error, resnet18_status status, const char *format, ...) {
  if (error) {
    char message[4096 + sizeof error->message]; /* PATH_MAX and a sentence */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    make_printable(message);
    keep_end(error->message, sizeof error->message, message);
    error->status = status;
  }
  return status;
}

resnet18_status(r18_fail_memory)(resnet18_error *error, size_t bytes) {
  return r18_fail(error, RESNET18_ERROR_MEMORY, "out of memory: %zu bytes could not be allocated", bytes);
}

resnet18_status r18_ok(resnet18_error *error) {
  if (error) {
    error->status = RESNET18_OK;
    error->message[0] = '\0';
  }
  return RESNET18_OK;
}

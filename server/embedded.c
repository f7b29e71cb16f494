/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding the files in the program. */
#include "embedded.h"

#include <string.h>

const embedded_file *embedded_find(const char *name) {
  for (const embedded_file *file = embedded_files; file->name; file++)
    if (strcmp(file->name, name) == 0)
      return file;
  return NULL;
}

const char *embedded_type(const embedded_file *file) {
  static const struct {
    const char *end, *type;
  } types[] = {
      {".html", "text/html; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".json", "application/json"},
      {".svg", "image/svg+xml"},
  };
  size_t length = strlen(file->name);
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    size_t end = strlen(types[i].end);
    if (length > end && strcmp(file->name + length - end, types[i].end) == 0)
      return types[i].type;
  }
  return "application/octet-stream";
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A list of labelled pictures: tab-separated text with the header "file<TAB>class", file names relative to the list's
 * directory. */
#ifndef RESNET18_TOOLS_TABLE_H
#define RESNET18_TOOLS_TABLE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
  char **file;        /* as written in the list */
  char **path;        /* where that is */
  unsigned *expected; /* class */
  size_t rows;
} table;

/* Rows `first` to `last` (from 1; last 0 = to the end). False, after a sentence that names the file and line, if the
 * list cannot be read, holds a class that is not below `classes`, or has no such rows. */
bool table_read(table *t, const char *path, size_t classes, size_t first, size_t last);

/* The same for pictures whose classes do not matter (`expected` is 0): `path` is a directory, of which all files are
 * taken in the order of their names, a list as above, or text with a file name a line. */
bool table_read_pictures(table *t, const char *path, size_t first, size_t last);

void table_clear(table *t);

#endif

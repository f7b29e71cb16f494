/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing a file of results. */
#ifndef RESNET18_TOOLS_OUTPUT_H
#define RESNET18_TOOLS_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Whether `path` can be written and is not the file `input`; to be asked before the work is done. False after a
 * sentence. */
bool output_check(const char *path, const char *input);

/* A regular file is replaced in one step or left as it was, behind symbolic links too; a device or a FIFO is written
 * to. False after a sentence. */
bool output_write(const char *path, const char *data, size_t size);

/* Replaces a regular file, or makes it, in one step with what `write` puts into `out`; leaves it as it was if that
 * fails or `write` returns false with errno. Behind symbolic links too. False after a sentence. */
bool output_replace(const char *path, bool (*write)(FILE *out, void *user), void *user);

#endif

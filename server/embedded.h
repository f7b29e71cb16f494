/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files in the program itself: the page and the description of the interface. embed.sh makes the table. */
#ifndef RESNET18_SERVER_EMBEDDED_H
#define RESNET18_SERVER_EMBEDDED_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
  const char *name; /* without a folder */
  const char *etag; /* with its quotes */
  const uint8_t *data;
  size_t size;
} embedded_file;

/* Ended by one without a name. */
extern const embedded_file embedded_files[];

/* NULL if there is none. */
const embedded_file *embedded_find(const char *name);
/* The media type, by the end of the name. */
const char *embedded_type(const embedded_file *file);

#endif

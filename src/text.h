/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* UTF-8. */
#ifndef RESNET18_TEXT_H
#define RESNET18_TEXT_H

#include <stddef.h>

/* Length of the well-formed UTF-8 sequence (Unicode 15, table 3-7) at `s` with `left` bytes after it, 0 if there is
 * none. */
size_t r18_utf8_length(const unsigned char *s, size_t left);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is wrong with a file: all of it, one line a problem, in the order of the file's lines. */
#ifndef RESNET18_SERVER_PROBLEMS_H
#define RESNET18_SERVER_PROBLEMS_H

#include <glib.h>
#include <stdbool.h>

typedef struct problems problems;

/* `file`: what the lines begin with. Free with problems_free, which takes NULL too. */
problems *problems_new(const char *file);
void problems_free(problems *p);

/* `line` 0: the file as a whole. `key` may be NULL. The first hundred are kept. */
void problems_add(problems *p, unsigned line, const char *key, const char *format, ...) G_GNUC_PRINTF(4, 5);

bool problems_any(const problems *p);
/* "FILE:LINE: KEY: what is wrong\n" of each, by line. Free with g_free. */
char *problems_text(problems *p);

#endif

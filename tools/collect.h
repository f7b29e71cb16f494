/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The inputs of a submission and their lines on the disk. */
#ifndef RESNET18_TOOLS_COLLECT_H
#define RESNET18_TOOLS_COLLECT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct collection collection;

/* Reads the inputs (a directory's files, or a list's lines), and OUTPUT.part if an earlier call left it. NULL after a
 * sentence, such as that the inputs are not those of OUTPUT.part. */
collection *collection_open(const char *inputs, const char *output);
void collection_close(collection *c); /* NULL is allowed */
/* Removes OUTPUT.part if this call has made it and it has no line. */
void collection_discard(collection *c);

size_t collection_count(const collection *c);
size_t collection_done(const collection *c);
size_t collection_errors(const collection *c); /* lines among them that say why there is no result */
const char *collection_input(const collection *c, size_t index);
/* The submission's name: the same when it is called again. */
const char *collection_run(const collection *c);
bool collection_has(const collection *c, size_t index);

/* The line of input `index`, one JSON object without a line's end. False after a sentence if it cannot be written. */
bool collection_add(collection *c, size_t index, const char *json, size_t size);
bool collection_add_error(collection *c, size_t index, const char *reason);
bool collection_flush(collection *c);

/* Makes OUTPUT of OUTPUT.part, in one step. */
bool collection_finish(collection *c);

#endif

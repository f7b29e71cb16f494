/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A request's body: collected within limits, whatever the client says about its length. */
#ifndef RESNET18_SERVER_BODY_H
#define RESNET18_SERVER_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What all bodies together may take. */
typedef struct {
  size_t most;
  size_t used; /* atomic */
} body_budget;

typedef enum { BODY_OK, BODY_TOO_LARGE, BODY_NO_ROOM } body_state;

typedef struct {
  body_budget *budget;
  uint8_t *data;
  size_t size, room, most;
  size_t received; /* counts what was thrown away, too */
  body_state state;
} body;

void body_init(body *b, body_budget *budget, size_t most);
/* Appends; once a limit is passed, all is thrown away and `state` says why. */
void body_append(body *b, const void *data, size_t size);
void body_clear(body *b);

/* ---- multipart/form-data (RFC 7578) -------------------------------------------------------------------- */

/* The part named `name` of a body of this Content-Type; the result points into `data`. NULL, or a sentence about what
 * is wrong: not well formed, cut short, without that part, or with more than one of them. */
const char *multipart_find(const char *content_type, const uint8_t *data, size_t size, const char *name,
                           const uint8_t **part, size_t *part_size);

/* Whether a Content-Type is `type`, whatever its case and parameters. */
bool media_type_is(const char *content_type, const char *type);

#endif

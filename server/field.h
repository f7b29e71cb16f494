/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a key of the configuration may hold. */
#ifndef RESNET18_SERVER_FIELD_H
#define RESNET18_SERVER_FIELD_H

#include "toml.h"

typedef enum {
  FIELD_BOOLEAN,
  FIELD_INTEGER,
  FIELD_NUMBER, /* an integer will do */
  FIELD_STRING, /* not empty */
  FIELD_PATH,   /* relative to the file that names it */
  FIELD_CHOICE, /* a string of `choices` */
  FIELD_LIST    /* an array of strings, none twice */
} field_kind;

typedef struct {
  const char *name; /* of the key; NULL ends a table of fields */
  field_kind kind;
  double least, most;         /* of numbers */
  const char *const *choices; /* NULL-terminated */
} field_rule;

/* Whether the value may be in the field; tells what is wrong. */
bool field_check(const field_rule *f, const toml_value *value, problems *p);
/* A problem with a key. */
void field_refuse(const toml_value *value, problems *p, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* "; did you mean 'port'?" if one of the names is like `name`, else "". Free with g_free. */
char *field_similar(const char *name, GPtrArray *names);

#endif

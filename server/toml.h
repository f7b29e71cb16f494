/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads TOML 1.0 (toml.io/en/v1.0.0): all of it but dates and times, which are refused by name, as are NUL characters
 * in strings, names of more than 128 bytes, nesting of more than 16 levels and files of more than 1 MiB. What is wrong
 * in one line does not keep what is wrong in others from being told. */
#ifndef RESNET18_SERVER_TOML_H
#define RESNET18_SERVER_TOML_H

#include "problems.h"

enum { TOML_MOST_BYTES = 1 << 20 };

typedef enum { TOML_STRING, TOML_INTEGER, TOML_FLOAT, TOML_BOOLEAN, TOML_ARRAY, TOML_TABLE } toml_kind;

typedef struct toml_value toml_value;
struct toml_value {
  toml_kind kind;
  unsigned line;            /* where it begins, from 1 */
  char *name;               /* its key; NULL in an array and of the whole */
  const toml_value *parent; /* NULL of the whole */

  char *string; /* each of these for its kind */
  gint64 integer;
  double number;
  bool boolean;
  GPtrArray *items; /* toml_value, of arrays and tables, in the file's order */

  GHashTable *keys;               /* of a table: the items by name */
  bool header, dotted, of_tables; /* made by [header]; by a key with dots; an array by [[header]] */
  bool damaged;                   /* a value of the table could not be read */
  bool closed;                    /* written out in one place: nothing can be added */
};

/* Always a table, which holds what could be read. Free with toml_free. */
toml_value *toml_read(const char *text, size_t size, problems *p);
void toml_free(toml_value *value);

/* "camera.door.uri", as it would be written. Free with g_free. */
char *toml_path(const toml_value *value);
/* "a string", "an integer" and so on. */
const char *toml_kind_name(toml_kind kind);
/* NULL where there is none. */
toml_value *toml_get(const toml_value *table, const char *name);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checking the values of the configuration. */
#include "field.h"

#include <string.h>

enum { MOST_ITEMS = 64 }; /* of a list */

void field_refuse(const toml_value *value, problems *p, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char *text = g_strdup_vprintf(format, arguments), *path = toml_path(value);
  va_end(arguments);
  problems_add(p, value->line, path, "%s", text);
  g_free(text);
  g_free(path);
}

static bool refuse_kind(const char *wanted, const toml_value *v, problems *p) {
  field_refuse(v, p, "%s is wanted, not %s", wanted, toml_kind_name(v->kind));
  return false;
}

static bool check_number(const field_rule *f, const toml_value *v, problems *p) {
  const bool is_integer = v->kind == TOML_INTEGER;
  if (!is_integer && (f->kind == FIELD_INTEGER || v->kind != TOML_FLOAT))
    return refuse_kind(f->kind == FIELD_INTEGER ? "an integer" : "a number", v, p);
  const double number = is_integer ? (double)v->integer : v->number;
  if (number >= f->least && number <= f->most)
    return true;
  if (is_integer)
    field_refuse(v, p, "must be %.12g to %.12g, not %" G_GINT64_FORMAT, f->least, f->most, v->integer);
  else
    field_refuse(v, p, "must be %.12g to %.12g, not %.12g", f->least, f->most, number);
  return false;
}

static bool check_text(const toml_value *v, problems *p) {
  if (v->kind != TOML_STRING)
    return refuse_kind("a string", v, p);
  if (*v->string == '\0')
    field_refuse(v, p, "must not be empty");
  return *v->string != '\0';
}

static bool check_choice(const field_rule *f, const toml_value *v, problems *p) {
  if (!check_text(v, p))
    return false;
  if (g_strv_contains(f->choices, v->string))
    return true;
  GString *all = g_string_new(NULL);
  for (guint i = 0; f->choices[i]; i++)
    g_string_append_printf(all, "%s%s", i == 0 ? "" : f->choices[i + 1] ? ", " : " or ", f->choices[i]);
  field_refuse(v, p, "must be %s, not '%.40s'", all->str, v->string);
  g_string_free(all, TRUE);
  return false;
}

static bool check_list(const toml_value *v, problems *p) {
  if (v->kind != TOML_ARRAY)
    return refuse_kind("an array of strings", v, p);
  bool good = v->items->len <= MOST_ITEMS;
  if (!good)
    field_refuse(v, p, "has more than %d entries", MOST_ITEMS);
  for (guint i = 0; i < MIN(v->items->len, MOST_ITEMS); i++) {
    const toml_value *item = v->items->pdata[i];
    if (!check_text(item, p)) {
      good = false;
      continue;
    }
    for (guint j = 0; j < i; j++) {
      const toml_value *other = v->items->pdata[j];
      if (other->kind == TOML_STRING && strcmp(other->string, item->string) == 0) {
        field_refuse(item, p, "'%.40s' is named twice", item->string);
        good = false;
        break;
      }
    }
  }
  return good;
}

bool field_check(const field_rule *f, const toml_value *v, problems *p) {
  switch (f->kind) {
  case FIELD_BOOLEAN:
    return v->kind == TOML_BOOLEAN || refuse_kind("true or false", v, p);
  case FIELD_INTEGER:
  case FIELD_NUMBER:
    return check_number(f, v, p);
  case FIELD_CHOICE:
    return check_choice(f, v, p);
  case FIELD_LIST:
    return check_list(v, p);
  default:
    return check_text(v, p);
  }
}

/* ---- Names that are nearly right ----------------------------------------------------------------------- */

enum { LONGEST = 40, NEAR = 2 };

/* Changes of one character that make one word of the other (Levenshtein). */
static unsigned distance(const char *a, const char *b) {
  unsigned row[LONGEST + 1];
  const size_t la = strlen(a), lb = strlen(b);
  if (la > LONGEST || lb > LONGEST)
    return LONGEST;
  for (unsigned j = 0; j <= lb; j++)
    row[j] = j;
  for (unsigned i = 1; i <= la; i++) {
    unsigned before = row[0];
    row[0] = i;
    for (unsigned j = 1; j <= lb; j++) {
      const unsigned same = before + (a[i - 1] != b[j - 1]);
      before = row[j];
      row[j] = MIN(same, MIN(row[j], row[j - 1]) + 1);
    }
  }
  return row[lb];
}

char *field_similar(const char *name, GPtrArray *names) {
  const char *best = NULL;
  unsigned least = NEAR + 1;
  for (guint i = 0; i < names->len; i++) {
    const unsigned d = distance(name, names->pdata[i]);
    if (d < least && d < strlen(name)) {
      least = d;
      best = names->pdata[i];
    }
  }
  return best ? g_strdup_printf("; did you mean '%s'?", best) : g_strdup("");
}

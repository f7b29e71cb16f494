/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A reader of TOML. */
#include "toml.h"

#include <errno.h>
#include <math.h>
#include <string.h>

enum { LONGEST_NAME = 128, DEEPEST = 16 };

typedef struct {
  const char *at, *end;
  unsigned line;
  problems *problems;
  toml_value *table; /* of the last [header] */
  const char *key;   /* whose value is being read, for sentences; NULL = none */
  unsigned depth;    /* of what may go on in the next line */
} reader;

/* ---- Values -------------------------------------------------------------------------------------------- */

static void free_value(gpointer value) {
  toml_free(value);
}

static toml_value *make(toml_kind kind, unsigned line) {
  toml_value *v = g_new0(toml_value, 1);
  v->kind = kind;
  v->line = line;
  if (kind == TOML_ARRAY || kind == TOML_TABLE)
    v->items = g_ptr_array_new_with_free_func(free_value);
  if (kind == TOML_TABLE)
    v->keys = g_hash_table_new(g_str_hash, g_str_equal);
  return v;
}

void toml_free(toml_value *v) {
  if (v == NULL)
    return;
  if (v->keys)
    g_hash_table_destroy(v->keys);
  if (v->items)
    g_ptr_array_free(v->items, TRUE);
  g_free(v->name);
  g_free(v->string);
  g_free(v);
}

toml_value *toml_get(const toml_value *table, const char *name) {
  return g_hash_table_lookup(table->keys, name);
}

/* Takes `value`. */
static void put(toml_value *table, const char *name, toml_value *value) {
  value->name = g_strdup(name);
  value->parent = table;
  g_ptr_array_add(table->items, value);
  g_hash_table_insert(table->keys, value->name, value);
}

static void append(toml_value *array, toml_value *value) {
  value->parent = array;
  g_ptr_array_add(array->items, value);
}

static bool is_bare(char c) {
  return g_ascii_isalnum(c) || c == '_' || c == '-';
}

static bool is_bare_name(const char *name) {
  bool bare = *name != '\0';
  for (; *name; name++)
    bare &= is_bare(*name);
  return bare;
}

char *toml_path(const toml_value *value) {
  GString *path = g_string_new(NULL);
  for (const toml_value *v = value; v; v = v->parent) {
    if (v->name == NULL)
      continue;
    if (path->len)
      g_string_prepend_c(path, '.');
    char *quoted = is_bare_name(v->name) ? g_strdup(v->name) : g_strescape(v->name, NULL);
    char *part = is_bare_name(v->name) ? g_strdup(quoted) : g_strdup_printf("\"%s\"", quoted);
    g_string_prepend(path, part);
    g_free(part);
    g_free(quoted);
  }
  return g_string_free(path, FALSE);
}

const char *toml_kind_name(toml_kind kind) {
  static const char *const names[] = {"a string", "an integer", "a number", "true or false", "an array", "a table"};
  return names[kind];
}

/* ---- Characters ---------------------------------------------------------------------------------------- */

/* '\0' at the end; the text itself has none. */
static char peek(const reader *r, size_t ahead) {
  return (size_t)(r->end - r->at) > ahead ? r->at[ahead] : '\0';
}

static bool next_is(const reader *r, const char *text) {
  const size_t length = strlen(text);
  return (size_t)(r->end - r->at) >= length && memcmp(r->at, text, length) == 0;
}

static void skip_blanks(reader *r) {
  while (peek(r, 0) == ' ' || peek(r, 0) == '\t')
    r->at++;
}

static bool at_newline(const reader *r) {
  return peek(r, 0) == '\n' || next_is(r, "\r\n");
}

static void take_newline(reader *r) {
  r->at += *r->at == '\r' ? 2 : 1;
  r->line++;
}

static bool fail(reader *r, const char *format, ...) G_GNUC_PRINTF(2, 3);
static bool fail(reader *r, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  problems_add(r->problems, r->line, r->key, "%s", text);
  g_free(text);
  return false;
}

/* For sentences: what stands here. Free with g_free. */
static char *here(const reader *r) {
  if (r->at == r->end)
    return g_strdup("the end of the file");
  if (at_newline(r))
    return g_strdup("the end of the line");
  const gunichar c = g_utf8_get_char(r->at);
  if (!g_unichar_isprint(c))
    return g_strdup_printf("U+%04X", c);
  char text[8] = "";
  g_unichar_to_utf8(c, text);
  return g_strdup_printf("'%s'", text);
}

static bool unexpected(reader *r, const char *wanted) {
  char *found = here(r);
  fail(r, "%s is wanted, not %s", wanted, found);
  g_free(found);
  return false;
}

static bool is_control(char c) {
  return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

static bool skip_comment(reader *r) {
  if (peek(r, 0) != '#')
    return true;
  for (; r->at < r->end && !at_newline(r); r->at++)
    if (is_control(*r->at))
      return unexpected(r, "a visible character");
  return true;
}

/* Blanks, comments and ends of lines, where a value may go on in the next line. */
static bool skip_lines(reader *r) {
  for (;;) {
    skip_blanks(r);
    if (!skip_comment(r))
      return false;
    if (!at_newline(r))
      return true;
    take_newline(r);
  }
}

/* ---- Strings ------------------------------------------------------------------------------------------- */

static bool take_code(reader *r, GString *to, unsigned digits) {
  gunichar code = 0;
  for (unsigned i = 0; i < digits; i++, r->at++) {
    const int digit = g_ascii_xdigit_value(peek(r, 0));
    if (digit < 0)
      return unexpected(r, "a hexadecimal digit");
    code = code << 4 | (gunichar)digit;
  }
  if (code == 0 || !g_unichar_validate(code))
    return fail(r, "U+%04X cannot be in a string", code);
  g_string_append_unichar(to, code);
  return true;
}

/* After the backslash. */
static bool take_escape(reader *r, GString *to) {
  static const char names[] = "btnfr\"\\", meanings[] = "\b\t\n\f\r\"\\";
  const char c = peek(r, 0), *name = c ? strchr(names, c) : NULL;
  if (name == NULL && c != 'u' && c != 'U')
    return unexpected(r, "one of b t n f r \" \\ u U after a backslash");
  r->at++;
  if (name == NULL)
    return take_code(r, to, c == 'u' ? 4 : 8);
  g_string_append_c(to, meanings[name - names]);
  return true;
}

/* A backslash at the end of a line takes away all blanks up to the next word. */
static bool take_line_end(reader *r) {
  const char *at = r->at;
  skip_blanks(r);
  if (!at_newline(r)) {
    r->at = at;
    return false;
  }
  while (at_newline(r)) {
    take_newline(r);
    skip_blanks(r);
  }
  return true;
}

/* Up to the end of a string of one line. */
static bool take_short(reader *r, char quote, GString *to) {
  r->at++;
  while (peek(r, 0) != quote) {
    if (r->at == r->end || is_control(*r->at))
      return unexpected(r, quote == '"' ? "a closing \"" : "a closing '");
    if (quote == '"' && *r->at == '\\') {
      r->at++;
      if (!take_escape(r, to))
        return false;
    } else {
      g_string_append_c(to, *r->at++);
    }
  }
  r->at++;
  return true;
}

static bool take_long(reader *r, char quote, GString *to) {
  const char three[] = {quote, quote, quote, '\0'};
  const unsigned begun = r->line;
  r->depth++;
  r->at += 3;
  if (at_newline(r))
    take_newline(r);
  while (!next_is(r, three)) {
    if (r->at == r->end) {
      r->line = begun;
      return fail(r, "%s is never closed", three);
    }
    if (at_newline(r)) {
      take_newline(r);
      g_string_append_c(to, '\n');
    } else if (is_control(*r->at)) {
      return unexpected(r, "a visible character");
    } else if (quote == '"' && *r->at == '\\') {
      r->at++;
      if (!take_line_end(r) && !take_escape(r, to))
        return false;
    } else {
      g_string_append_c(to, *r->at++);
    }
  }
  r->at += 3;
  r->depth--;
  for (int more = 0; more < 2 && peek(r, 0) == quote; more++) /* up to two quotes belong to the text */
    g_string_append_c(to, *r->at++);
  return true;
}

static toml_value *read_string(reader *r) {
  const char quote = *r->at;
  const unsigned line = r->line;
  GString *text = g_string_new(NULL);
  const bool is_long = peek(r, 1) == quote && peek(r, 2) == quote;
  if (!(is_long ? take_long(r, quote, text) : take_short(r, quote, text))) {
    g_string_free(text, TRUE);
    return NULL;
  }
  toml_value *v = make(TOML_STRING, line);
  v->string = g_string_free(text, FALSE);
  return v;
}

/* ---- Numbers and words --------------------------------------------------------------------------------- */

static bool is_digit_of(char c, unsigned base) {
  const int digit = g_ascii_xdigit_value(c);
  return digit >= 0 && digit < (int)base;
}

/* Digits, with single underscores between them: how many characters; 0 if there are none, or misplaced underscores. */
static size_t digits_length(const char *text, unsigned base) {
  size_t n = 0;
  while (is_digit_of(text[n], base) ||
         (text[n] == '_' && n > 0 && text[n - 1] != '_' && is_digit_of(text[n + 1], base)))
    n++;
  return n;
}

static bool has_leading_zero(const char *digits, size_t length) {
  return digits[0] == '0' && length > 1;
}

/* The exponent and the part after the point of a float; NULL if the text goes on otherwise. */
static const char *float_tail(const char *text) {
  if (*text == '.') {
    const size_t n = digits_length(text + 1, 10);
    if (n == 0)
      return NULL;
    text += 1 + n;
  }
  if (*text == 'e' || *text == 'E') {
    text++;
    text += *text == '+' || *text == '-';
    const size_t n = digits_length(text, 10);
    if (n == 0)
      return NULL;
    text += n;
  }
  return text;
}

static char *without_underscores(const char *text) {
  char **parts = g_strsplit(text, "_", -1), *joined = g_strjoinv(NULL, parts);
  g_strfreev(parts);
  return joined;
}

static bool looks_like_date(const char *word) {
  unsigned digits = 0;
  while (g_ascii_isdigit(word[digits]))
    digits++;
  return (digits == 4 && word[4] == '-' && g_ascii_isdigit(word[5])) || (digits == 2 && word[2] == ':');
}

static bool read_prefixed(const char *word, toml_value *v) {
  const unsigned base = word[1] == 'x' ? 16 : word[1] == 'o' ? 8 : 2;
  char *end, *plain = without_underscores(word + 2);
  errno = 0;
  const guint64 number = g_ascii_strtoull(plain, &end, base);
  const bool good = digits_length(word + 2, base) == strlen(word + 2) && *plain && errno == 0 && number <= G_MAXINT64;
  v->integer = (gint64)number;
  g_free(plain);
  return good;
}

static bool read_special(const char *word, toml_value *v) {
  const bool is_negative = *word == '-';
  const char *rest = word + (is_negative || *word == '+');
  if (strcmp(rest, "inf") != 0 && strcmp(rest, "nan") != 0)
    return false;
  v->kind = TOML_FLOAT;
  v->number = *rest == 'i' ? INFINITY : NAN;
  if (is_negative)
    v->number = -v->number;
  return true;
}

static bool read_decimal(const char *word, toml_value *v) {
  const char *digits = word + (*word == '+' || *word == '-');
  const size_t length = digits_length(digits, 10);
  if (length == 0 || has_leading_zero(digits, length))
    return false;
  const char *tail = float_tail(digits + length);
  if (tail == NULL || *tail)
    return false;
  char *plain = without_underscores(*word == '+' ? word + 1 : word), *end;
  errno = 0;
  if (digits[length] == '\0')
    v->integer = g_ascii_strtoll(plain, &end, 10);
  else {
    v->kind = TOML_FLOAT;
    v->number = g_ascii_strtod(plain, &end);
  }
  g_free(plain);
  return errno == 0 || (v->kind == TOML_FLOAT && isfinite(v->number));
}

static bool read_word(const char *word, toml_value *v) {
  if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0) {
    v->kind = TOML_BOOLEAN;
    v->boolean = *word == 't';
    return true;
  }
  if (word[0] == '0' && word[1] && strchr("xob", word[1]))
    return read_prefixed(word, v);
  return read_special(word, v) || read_decimal(word, v);
}

static toml_value *read_plain(reader *r) {
  size_t n = 0;
  while (is_bare(peek(r, n)) || (peek(r, n) && strchr("+.:", peek(r, n))))
    n++;
  if (n == 0) {
    unexpected(r, "a value");
    return NULL;
  }
  char *word = g_strndup(r->at, n);
  toml_value *v = make(TOML_INTEGER, r->line);
  r->at += n;
  if (!read_word(word, v)) {
    if (looks_like_date(word))
      fail(r, "'%.40s': dates and times are not used here", word);
    else
      fail(r, "'%.40s' is no value; a string needs quotes", word);
    g_clear_pointer(&v, toml_free);
  }
  g_free(word);
  return v;
}

/* ---- Keys ---------------------------------------------------------------------------------------------- */

/* One part of a key. NULL after a problem; free with g_free. */
static char *read_name(reader *r) {
  const char quote = peek(r, 0);
  GString *name = g_string_new(NULL);
  bool good = true;
  if (quote == '"' || quote == '\'') {
    good = take_short(r, quote, name);
  } else {
    while (is_bare(peek(r, 0)))
      g_string_append_c(name, *r->at++);
    if (name->len == 0)
      good = unexpected(r, "a name");
  }
  if (good && name->len > LONGEST_NAME)
    good = fail(r, "a name has %u bytes at most", LONGEST_NAME);
  return g_string_free(name, !good);
}

/* Names with dots between them: NULL-terminated, or NULL after a problem. */
static char **read_key(reader *r) {
  GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
  for (;;) {
    char *name = read_name(r);
    if (name == NULL)
      break;
    g_ptr_array_add(names, name);
    skip_blanks(r);
    if (peek(r, 0) != '.') {
      g_ptr_array_add(names, NULL);
      return (char **)g_ptr_array_free(names, FALSE);
    }
    if (names->len == DEEPEST) {
      fail(r, "a key has %u names at most", DEEPEST);
      break;
    }
    r->at++;
    skip_blanks(r);
  }
  g_ptr_array_free(names, TRUE);
  return NULL;
}

/* A key that cannot be where it is: not a mistake of spelling, so that the line is read on. */
static void refuse(reader *r, const toml_value *there, const char *what) {
  char *path = toml_path(there);
  problems_add(r->problems, r->line, path, "%s on line %u", what, there->line);
  g_free(path);
}

/* ---- Key and value ------------------------------------------------------------------------------------- */

static toml_value *read_value(reader *r);

/* The table that all names of a key but the last lead to. NULL after a problem. */
static toml_value *descend(reader *r, toml_value *table, char **names) {
  for (; names[1]; names++) {
    toml_value *next = toml_get(table, *names);
    if (next == NULL) {
      next = make(TOML_TABLE, r->line);
      next->dotted = true;
      put(table, *names, next);
    } else if (next->kind != TOML_TABLE || !next->dotted) {
      refuse(r, next, "nothing can be added to what was set");
      return NULL;
    }
    table = next;
  }
  return table;
}

static void set(reader *r, toml_value *table, char **names, toml_value *value) {
  toml_value *owner = descend(r, table, names);
  const char *last = names[g_strv_length(names) - 1];
  const toml_value *there = owner ? toml_get(owner, last) : NULL;
  if (there)
    refuse(r, there, "is set already");
  if (owner && !there)
    put(owner, last, value);
  else
    toml_free(value);
}

/* As toml_path, of a key that has no value yet. */
static char *path_to(toml_value *table, char **names) {
  char *owner = toml_path(table), *rest = g_strjoinv(".", names), *path;
  path = *owner ? g_strconcat(owner, ".", rest, NULL) : g_strdup(rest);
  g_free(owner);
  g_free(rest);
  return path;
}

/* After the key. */
static bool read_assigned(reader *r, toml_value *table, char **names) {
  if (peek(r, 0) != '=')
    return unexpected(r, "'='");
  r->at++;
  skip_blanks(r);
  const unsigned line = r->line;
  toml_value *value = read_value(r);
  if (value == NULL)
    return false;
  const unsigned now = r->line;
  r->line = line; /* of a problem with the key */
  set(r, table, names, value);
  r->line = now;
  return true;
}

static bool read_pair(reader *r, toml_value *table) {
  const char *outer = r->key;
  char **names = read_key(r);
  if (names == NULL)
    return false;
  char *path = r->depth == 0 ? path_to(table, names) : NULL; /* of the whole value */
  if (path)
    r->key = path;
  const bool good = read_assigned(r, table, names);
  table->damaged |= !good;
  r->key = outer;
  g_free(path);
  g_strfreev(names);
  return good;
}

/* ---- Arrays and tables that are values ----------------------------------------------------------------- */

static bool read_items(reader *r, toml_value *array) {
  r->at++;
  for (;;) {
    if (!skip_lines(r))
      return false;
    if (peek(r, 0) == ']')
      return true;
    toml_value *item = read_value(r);
    if (item == NULL)
      return false;
    append(array, item);
    if (!skip_lines(r))
      return false;
    if (peek(r, 0) == ',')
      r->at++;
    else if (peek(r, 0) != ']')
      return unexpected(r, "',' or ']'");
  }
}

static bool read_members(reader *r, toml_value *table) {
  r->at++;
  skip_blanks(r);
  if (peek(r, 0) == '}')
    return true;
  for (;;) {
    skip_blanks(r);
    if (!read_pair(r, table))
      return false;
    skip_blanks(r);
    if (peek(r, 0) == '}')
      return true;
    if (peek(r, 0) != ',')
      return unexpected(r, "',' or '}'");
    r->at++;
  }
}

/* Dotted keys of an inline table make tables that are closed with it. */
static void close_all(toml_value *v) {
  v->closed = true;
  v->dotted = false;
  for (guint i = 0; v->items && i < v->items->len; i++)
    close_all(v->items->pdata[i]);
}

static toml_value *read_nested(reader *r) {
  const bool is_array = *r->at == '[';
  if (r->depth == DEEPEST) {
    fail(r, "values are nested more than %u deep", DEEPEST);
    return NULL;
  }
  toml_value *v = make(is_array ? TOML_ARRAY : TOML_TABLE, r->line);
  r->depth++;
  if (!(is_array ? read_items(r, v) : read_members(r, v))) {
    toml_free(v);
    return NULL;
  }
  r->depth--;
  r->at++; /* the closing bracket */
  if (r->depth == 0)
    close_all(v);
  return v;
}

static toml_value *read_value(reader *r) {
  switch (peek(r, 0)) {
  case '"':
  case '\'':
    return read_string(r);
  case '[':
  case '{':
    return read_nested(r);
  default:
    return read_plain(r);
  }
}

/* ---- Headers ------------------------------------------------------------------------------------------- */

/* What a header's name but the last leads to. NULL after a problem. */
static toml_value *enter(reader *r, toml_value *table, const char *name) {
  toml_value *next = toml_get(table, name);
  if (next == NULL) {
    next = make(TOML_TABLE, r->line);
    put(table, name, next);
  }
  if (next->kind == TOML_ARRAY && next->of_tables)
    next = next->items->pdata[next->items->len - 1];
  if (next->kind == TOML_TABLE && !next->closed)
    return next;
  refuse(r, next, "nothing can be added to what was set");
  return NULL;
}

static toml_value *open_table(reader *r, toml_value *owner, const char *name) {
  toml_value *there = toml_get(owner, name);
  if (there == NULL) {
    there = make(TOML_TABLE, r->line);
    put(owner, name, there);
  } else if (there->kind != TOML_TABLE || there->header || there->dotted || there->closed) {
    refuse(r, there, "is set already");
    return NULL;
  }
  there->header = true;
  there->line = r->line;
  return there;
}

static toml_value *open_item(reader *r, toml_value *owner, const char *name) {
  toml_value *there = toml_get(owner, name);
  if (there == NULL) {
    there = make(TOML_ARRAY, r->line);
    there->of_tables = true;
    put(owner, name, there);
  } else if (!there->of_tables) {
    refuse(r, there, "is set already");
    return NULL;
  }
  toml_value *item = make(TOML_TABLE, r->line);
  item->header = true;
  append(there, item);
  return item;
}

/* The table of what follows; after a problem one that nobody looks into. */
static toml_value *open_header(reader *r, toml_value *root, toml_value *lost, char **names, bool is_item) {
  toml_value *owner = root;
  for (; owner && names[1]; names++)
    owner = enter(r, owner, *names);
  toml_value *table = owner ? (is_item ? open_item(r, owner, *names) : open_table(r, owner, *names)) : NULL;
  return table ? table : lost;
}

static bool read_header(reader *r, toml_value *root, toml_value *lost) {
  const bool is_item = next_is(r, "[[");
  const char *close = is_item ? "]]" : "]";
  r->table = lost;
  r->at += is_item ? 2 : 1;
  skip_blanks(r);
  char **names = read_key(r);
  bool good = names != NULL;
  if (good && !next_is(r, close))
    good = unexpected(r, is_item ? "']]'" : "']'");
  if (good) {
    r->at += strlen(close);
    r->table = open_header(r, root, lost, names, is_item);
  }
  g_strfreev(names);
  return good;
}

/* ---- The file ------------------------------------------------------------------------------------------ */

/* Whether a line can be the beginning of something; else it is the rest of a value that could not be read. */
static bool is_beginning(const reader *r) {
  reader ahead = *r;
  skip_blanks(&ahead);
  if (ahead.at == ahead.end || at_newline(&ahead) || *ahead.at == '#')
    return true;
  if (*ahead.at == '[') {
    ahead.at += next_is(&ahead, "[[") ? 2 : 1;
    return is_bare(peek(&ahead, 0)) && !g_ascii_isdigit(*ahead.at);
  }
  while (is_bare(peek(&ahead, 0)))
    ahead.at++;
  skip_blanks(&ahead);
  return ahead.at > r->at && (peek(&ahead, 0) == '=' || peek(&ahead, 0) == '.');
}

/* To the next line after one, which began at `begun`, that could not be read. */
static void recover(reader *r, const char *begun) {
  const bool is_long = r->depth > 0;
  const char *line = r->at;
  r->depth = 0;
  while (line > begun && line[-1] != '\n')
    line--;
  if (line > begun) { /* a value of several lines that ended too late */
    r->at = line;
    if (is_beginning(r))
      return;
  }
  do {
    while (r->at < r->end && *r->at != '\n')
      r->at++;
    if (r->at < r->end)
      take_newline(r);
  } while (is_long && !is_beginning(r));
}

static bool read_line(reader *r, toml_value *root, toml_value *lost) {
  skip_blanks(r);
  if (peek(r, 0) == '[') {
    if (!read_header(r, root, lost))
      return false;
  } else if (r->at < r->end && peek(r, 0) != '#' && !at_newline(r)) {
    if (!read_pair(r, r->table))
      return false;
  }
  skip_blanks(r);
  if (!skip_comment(r))
    return false;
  if (r->at == r->end)
    return true;
  if (!at_newline(r))
    return unexpected(r, "the end of the line");
  take_newline(r);
  return true;
}

/* What is no text at all is refused as a whole. */
static bool check_text(const char *text, size_t size, problems *p) {
  const char *bad;
  if (size > TOML_MOST_BYTES)
    problems_add(p, 0, NULL, "the file has more than %d bytes", TOML_MOST_BYTES);
  else if (!g_utf8_validate_len(text, size, &bad)) {
    unsigned line = 1;
    for (const char *at = text; at < bad; at++)
      line += *at == '\n';
    problems_add(p, line, NULL, "the text is not UTF-8");
  } else
    return true;
  return false;
}

toml_value *toml_read(const char *text, size_t size, problems *p) {
  toml_value *root = make(TOML_TABLE, 1), *lost = make(TOML_TABLE, 1);
  if (check_text(text, size, p)) {
    const bool has_mark = size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0;
    reader r = {.at = text + (has_mark ? 3 : 0), .end = text + size, .line = 1, .problems = p, .table = root};
    while (r.at < r.end) {
      const char *begun = r.at;
      if (!read_line(&r, root, lost))
        recover(&r, begun);
    }
  }
  toml_free(lost);
  return root;
}

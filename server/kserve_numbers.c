/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cutting arrays of numbers out of JSON, and reading them. */
#include "kserve_numbers.h"

#include <glib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Characters of the longest number that is read; 17 digits, a sign, a point and an exponent take 24. */
#define LONGEST 64
/* Open brackets of a request; the protocol needs five. */
#define DEEPEST 32

static bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* ---- Cutting ---- */

/* Where the scan is. Strings are passed over whole, so the brackets that are seen are the structure's. */
typedef struct {
  const char *at, *end;
  unsigned depth; /* open brackets */
  char kind[4];   /* of the outermost four: '{' or '[' */
  kserve_cut_text *cut;
} scan;

static bool fail(char *reason, const char *why) {
  snprintf(reason, 256, "%s", why);
  return false;
}

static bool emit(scan *s, const char *text, size_t length, char *reason) {
  if (length > KSERVE_MAX_REST - s->cut->length)
    return fail(reason, "the JSON is too large, apart from the numbers of the tensors");
  memcpy(s->cut->rest + s->cut->length, text, length);
  s->cut->length += length;
  return true;
}

/* The byte after the string that begins at `s->at`, or NULL if it does not end. */
static const char *string_end(const scan *s) {
  for (const char *c = s->at + 1; c < s->end; c++) {
    if (*c == '\\')
      c++;
    else if (*c == '"')
      return c + 1;
  }
  return NULL;
}

/* Whether the string from `s->at` to `after` is the name of a tensor's data: "data" in {[{. Leaves *value behind the
 * colon. */
static bool names_data(const scan *s, const char *after, const char **value) {
  if (s->depth != 3 || memcmp(s->kind, "{[{", 3) != 0 || after - s->at != 6 || memcmp(s->at, "\"data\"", 6) != 0)
    return false;
  while (after < s->end && is_space(*after))
    after++;
  if (after == s->end || *after != ':')
    return false;
  after++;
  while (after < s->end && is_space(*after))
    after++;
  *value = after;
  return true;
}

/* Takes the array at `s->at`. What is between the brackets is judged when it is read. */
static bool take_array(scan *s, char *reason) {
  kserve_cut_text *cut = s->cut;
  const char *start = s->at;
  unsigned open = 0;
  char index[16];
  do {
    if (s->at == s->end)
      return fail(reason, "the JSON ends inside \"data\"");
    char c = *s->at++;
    if (c == '[')
      open++;
    else if (c == ']')
      open--;
    else if (c == '"' || c == '{' || c == '}')
      return fail(reason, "\"data\" holds something else than numbers");
    if (open > KSERVE_MAX_RANK)
      return fail(reason, "\"data\" is nested too deep");
  } while (open);
  if (cut->count == KSERVE_MAX_ARRAYS)
    return fail(reason, "there are too many tensors");
  cut->arrays[cut->count] = (kserve_array){start, (size_t)(s->at - start)};
  snprintf(index, sizeof index, "%zu", cut->count++);
  return emit(s, index, strlen(index), reason);
}

static bool take_string(scan *s, char *reason) {
  const char *after = string_end(s), *value;
  if (!after)
    return fail(reason, "the JSON ends inside a string");
  if (!names_data(s, after, &value)) {
    const char *start = s->at;
    s->at = after;
    return emit(s, start, (size_t)(after - start), reason);
  }
  s->at = value;
  if (!emit(s, "\"data\":", 7, reason))
    return false;
  if (value == s->end || *value != '[')
    return fail(reason, "\"data\" is not an array");
  return take_array(s, reason);
}

static bool bracket(scan *s, char *reason) {
  char c = *s->at;
  if (c == '{' || c == '[') {
    if (s->depth == DEEPEST)
      return fail(reason, "the JSON is nested too deep");
    if (s->depth < sizeof s->kind)
      s->kind[s->depth] = c;
    s->depth++;
  } else if ((c == '}' || c == ']') && s->depth)
    s->depth--;
  return true;
}

bool kserve_cut(const char *text, size_t length, kserve_cut_text *cut, char reason[static 256]) {
  scan s = {.at = text, .end = text + length, .cut = cut};
  *cut = (kserve_cut_text){.rest = malloc(KSERVE_MAX_REST)};
  if (!cut->rest) {
    cut->lacks_memory = true;
    return fail(reason, "there is no memory for the request now");
  }
  while (s.at < s.end) {
    if (*s.at == '"') {
      if (!take_string(&s, reason))
        goto failed;
      continue;
    }
    if (!bracket(&s, reason) || !emit(&s, s.at++, 1, reason))
      goto failed;
  }
  return true;
failed:
  free(cut->rest);
  cut->rest = NULL;
  return false;
}

/* ---- Reading ---- */

typedef struct {
  const char *at, *end;
  kserve_type type;
  const int64_t *shape;
  size_t rank;
  char *reason;
  size_t count; /* read so far */
  union {
    uint8_t *u8;
    float *f32;
  } out;
} reader;

static void skip_space(reader *r) {
  while (r->at < r->end && is_space(*r->at))
    r->at++;
}

static bool next_is(reader *r, char c) {
  skip_space(r);
  return r->at < r->end && *r->at == c;
}

/* Whether `text` is a number as JSON spells it: no leading plus or zeros, digits on both sides of the point. */
static bool is_number(const char *text) {
  if (*text == '-')
    text++;
  if (*text == '0')
    text++;
  else if (is_digit(*text))
    text += strspn(text, "0123456789");
  else
    return false;
  if (*text == '.') {
    if (!is_digit(*++text))
      return false;
    text += strspn(text, "0123456789");
  }
  if (*text == 'e' || *text == 'E') {
    text++;
    if (*text == '+' || *text == '-')
      text++;
    if (!is_digit(*text))
      return false;
    text += strspn(text, "0123456789");
  }
  return *text == 0;
}

static bool complain(reader *r, const char *what) {
  snprintf(r->reason, 256, "%s at number %zu", what, r->count);
  return false;
}

static bool store(reader *r, double number) {
  if (r->type == KSERVE_FP32) {
    if (!isfinite((float)number))
      return complain(r, "has a number too large for FP32");
    r->out.f32[r->count++] = (float)number;
    return true;
  }
  if (!(number >= 0 && number <= 255 && number == floor(number)))
    return complain(r, "has something else than 0 to 255");
  r->out.u8[r->count++] = (uint8_t)number;
  return true;
}

static bool read_number(reader *r) {
  char text[LONGEST];
  size_t n = 0;
  skip_space(r);
  while (r->at < r->end && n < LONGEST - 1 &&
         (is_digit(*r->at) || *r->at == '-' || *r->at == '+' || *r->at == '.' || *r->at == 'e' || *r->at == 'E'))
    text[n++] = *r->at++;
  text[n] = 0;
  if (n == LONGEST - 1)
    return complain(r, "has a number of too many digits");
  if (!is_number(text))
    return complain(r,
                    *text ? "has something that is no number" : "ends too early, or has something that is no number,");
  return store(r, g_ascii_strtod(text, NULL));
}

static bool close_list(reader *r) {
  skip_space(r);
  if (r->at < r->end && *r->at == ']') {
    r->at++;
    return true;
  }
  return complain(r, r->at < r->end && *r->at == ',' ? "has more numbers than its shape says" : "is not a list");
}

static bool separated(reader *r, int64_t i) {
  if (i == 0)
    return true;
  if (!next_is(r, ','))
    return complain(r, "has fewer numbers than its shape says, or no comma,");
  r->at++;
  return true;
}

static bool open_list(reader *r) {
  if (!next_is(r, '['))
    return complain(r, "is nested otherwise than its shape says");
  r->at++;
  return true;
}

static bool read_flat(reader *r, size_t total) {
  if (!open_list(r))
    return false;
  for (size_t i = 0; i < total; i++)
    if (!separated(r, (int64_t)i) || !read_number(r))
      return false;
  return close_list(r);
}

/* At most KSERVE_MAX_RANK levels. */
static bool read_nested(reader *r, size_t level) {
  if (!open_list(r))
    return false;
  for (int64_t i = 0; i < r->shape[level]; i++)
    if (!separated(r, i) || !(level + 1 == r->rank ? read_number(r) : read_nested(r, level + 1)))
      return false;
  return close_list(r);
}

bool kserve_read_numbers(const kserve_array *array, kserve_type type, const int64_t *shape, size_t rank, void *out,
                         char reason[static 256]) {
  reader r = {.at = array->text,
              .end = array->text + array->length,
              .type = type,
              .shape = shape,
              .rank = rank,
              .reason = reason,
              .out = {.u8 = out}};
  size_t total = 1;
  for (size_t i = 0; i < rank; i++)
    total *= (size_t)shape[i];
  const char *inside = array->text + 1;
  while (inside < r.end && is_space(*inside))
    inside++;
  return inside < r.end && *inside == '[' ? read_nested(&r, 0) : read_flat(&r, total);
}

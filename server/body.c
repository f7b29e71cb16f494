/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Collecting bodies and taking them apart. */
#include "body.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { FIRST_ROOM = 16 << 10, MAX_BOUNDARY = 70, MAX_PARTS = 64, MAX_PART_HEADER = 8 << 10 };

void body_init(body *b, body_budget *budget, size_t most) {
  *b = (body){.budget = budget, .most = most};
}

static bool reserve(body_budget *budget, size_t size) {
  if (__atomic_add_fetch(&budget->used, size, __ATOMIC_RELAXED) <= budget->most)
    return true;
  __atomic_sub_fetch(&budget->used, size, __ATOMIC_RELAXED);
  return false;
}

static void drop(body *b) {
  free(b->data);
  b->data = NULL;
  __atomic_sub_fetch(&b->budget->used, b->room, __ATOMIC_RELAXED);
  b->size = b->room = 0;
}

/* The room doubles, so that a length that was only announced costs nothing. */
static bool grow(body *b, size_t size) {
  size_t room = b->room ? b->room : FIRST_ROOM;
  while (room < size)
    room *= 2;
  if (room > b->most)
    room = b->most;
  if (!reserve(b->budget, room - b->room))
    return false;
  uint8_t *data = realloc(b->data, room);
  if (data == NULL) {
    __atomic_sub_fetch(&b->budget->used, room - b->room, __ATOMIC_RELAXED);
    return false;
  }
  b->data = data;
  b->room = room;
  return true;
}

void body_append(body *b, const void *data, size_t size) {
  b->received += size;
  if (b->state != BODY_OK)
    return;
  if (size > b->most - b->size)
    b->state = BODY_TOO_LARGE;
  else if (b->size + size > b->room && !grow(b, b->size + size))
    b->state = BODY_NO_ROOM;
  if (b->state != BODY_OK) {
    drop(b);
    return;
  }
  if (size)
    memcpy(b->data + b->size, data, size);
  b->size += size;
}

void body_clear(body *b) {
  if (b->budget)
    drop(b);
}

/* ---- Header fields ------------------------------------------------------------------------------------- */

bool media_type_is(const char *content_type, const char *type) {
  const size_t length = strlen(type);
  return content_type && strncasecmp(content_type, type, length) == 0 && strchr("; \t", content_type[length]) != NULL;
}

static const char *skip_space(const char *text) {
  return text + strspn(text, " \t");
}

/* The next "; name=value" of a header field; NULL at the end or at what is no parameter. `value` has `room` bytes. */
static const char *next_parameter(const char *text, const char **name, size_t *name_length, char *value, size_t room) {
  text = skip_space(text);
  if (*text != ';')
    return NULL;
  *name = skip_space(text + 1);
  *name_length = strcspn(*name, "= \t;\"");
  text = skip_space(*name + *name_length);
  if (*text != '=')
    return NULL;
  text = skip_space(text + 1);
  size_t length = 0;
  const bool quoted = *text == '"';
  for (text += quoted; *text && (quoted ? *text != '"' : strchr("; \t", *text) == NULL); text++) {
    if (quoted && *text == '\\' && text[1])
      text++;
    if (length + 1 >= room)
      return NULL;
    value[length++] = *text;
  }
  value[length] = '\0';
  if (quoted && *text != '"')
    return NULL;
  return text + quoted;
}

/* The parameter `name` of a field such as `form-data; name="image"`. */
static bool parameter(const char *field, const char *name, char *value, size_t room) {
  const char *at = field + strcspn(field, ";"), *found;
  size_t length;
  while ((at = next_parameter(at, &found, &length, value, room)))
    if (length == strlen(name) && strncasecmp(found, name, length) == 0)
      return true;
  return false;
}

/* ---- Parts --------------------------------------------------------------------------------------------- */

typedef struct {
  const uint8_t *at, *end;
  char mark[MAX_BOUNDARY + 5]; /* CR LF - - boundary */
  size_t mark_length;
} parts;

/* To behind the next boundary. NULL if there is none. */
static const uint8_t *find_mark(const parts *p, const uint8_t *from) {
  return from <= p->end ? memmem(from, (size_t)(p->end - from), p->mark, p->mark_length) : NULL;
}

/* Behind a boundary: "--" ends the body, CR LF begins a part. */
static int after_mark(parts *p) {
  if (p->end - p->at >= 2 && memcmp(p->at, "--", 2) == 0)
    return 0;
  while (p->at < p->end && (*p->at == ' ' || *p->at == '\t'))
    p->at++;
  if (p->end - p->at < 2 || memcmp(p->at, "\r\n", 2) != 0)
    return -1;
  p->at += 2;
  return 1;
}

/* The value of the part's field Content-Disposition, copied. */
static bool disposition(const uint8_t *header, size_t size, char *value, size_t room) {
  static const char name[] = "content-disposition:";
  const char *line = (const char *)header, *end = line + size;
  while (line < end) {
    const char *stop = memmem(line, (size_t)(end - line), "\r\n", 2);
    const size_t length = stop ? (size_t)(stop - line) : (size_t)(end - line);
    if (length >= sizeof name - 1 && strncasecmp(line, name, sizeof name - 1) == 0) {
      const size_t left = length - (sizeof name - 1);
      if (left >= room)
        return false;
      memcpy(value, line + sizeof name - 1, left);
      value[left] = '\0';
      return strlen(value) == left;
    }
    line += length + 2;
  }
  return false;
}

/* One part: its header and its data. False if it is cut short. */
static bool next_part(parts *p, char *field, size_t room, const uint8_t **data, size_t *size) {
  const size_t left = (size_t)(p->end - p->at), look = left < MAX_PART_HEADER ? left : MAX_PART_HEADER;
  const uint8_t *header = p->at, *blank;
  size_t header_size = 0;
  if (look >= 2 && memcmp(header, "\r\n", 2) == 0) { /* no header at all */
    *data = header + 2;
  } else {
    blank = memmem(header, look, "\r\n\r\n", 4);
    if (blank == NULL)
      return false;
    header_size = (size_t)(blank - header);
    *data = blank + 4;
  }
  /* The blank line's own end may begin the boundary of an empty part. */
  const uint8_t *mark = find_mark(p, *data - 2);
  if (mark == NULL)
    return false;
  *size = mark < *data ? 0 : (size_t)(mark - *data);
  p->at = mark + p->mark_length;
  if (!disposition(header, header_size, field, room))
    *field = '\0';
  return true;
}

static bool parts_init(parts *p, const char *content_type, const uint8_t *data, size_t size) {
  memcpy(p->mark, "\r\n--", 4);
  if (!parameter(content_type, "boundary", p->mark + 4, MAX_BOUNDARY + 1) || p->mark[4] == '\0')
    return false;
  p->mark_length = strlen(p->mark);
  p->at = size ? data : (const uint8_t *)""; /* nothing may be NULL, which memmem does not take */
  p->end = p->at + size;
  return true;
}

/* To behind the first boundary, which needs no line before it. */
static bool first_mark(parts *p) {
  const size_t size = (size_t)(p->end - p->at), length = p->mark_length - 2;
  if (size >= length && memcmp(p->at, p->mark + 2, length) == 0) {
    p->at += length;
    return true;
  }
  const uint8_t *mark = find_mark(p, p->at);
  if (mark)
    p->at = mark + p->mark_length;
  return mark != NULL;
}

const char *multipart_find(const char *content_type, const uint8_t *data, size_t size, const char *name,
                           const uint8_t **part, size_t *part_size) {
  char field[1024], value[256];
  parts p;
  const uint8_t *found;
  size_t found_size;
  int more;
  *part = NULL;
  *part_size = 0;
  if (!parts_init(&p, content_type, data, size))
    return "the multipart body's Content-Type has no usable boundary";
  if (!first_mark(&p))
    return "the multipart body does not contain its boundary";
  for (int count = 0; (more = after_mark(&p)) == 1; count++) {
    if (count == MAX_PARTS)
      return "the multipart body has too many parts";
    if (!next_part(&p, field, sizeof field, &found, &found_size))
      return "the multipart body is cut short";
    if (!parameter(field, "name", value, sizeof value) || strcmp(value, name) != 0)
      continue;
    if (*part)
      return "the multipart body has more than one field of that name";
    *part = found;
    *part_size = found_size;
  }
  if (more < 0)
    return "the multipart body is cut short";
  return *part ? NULL : "the multipart body has no such field";
}

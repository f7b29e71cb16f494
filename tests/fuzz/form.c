/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bodies: collected in pieces within a limit, then taken apart as a form. The first line is the Content-Type; the first
 * byte of the second one is the size of the pieces. */
#include "fuzz.h"

#include "body.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 4096, MOST_TOTAL = 6000 };

static void collect(const uint8_t *data, size_t size, size_t piece, body *b, body_budget *budget) {
  body_init(b, budget, MOST);
  for (size_t at = 0; at < size; at += piece)
    body_append(b, data + at, size - at < piece ? size - at : piece);
  fuzz_expect(b->received == size, "bytes that were not counted");
  fuzz_expect((b->state == BODY_OK) == (size <= MOST), "a limit that is none");
  fuzz_expect(budget->used == b->room && b->room <= MOST, "memory that is not counted");
  if (b->state == BODY_OK)
    fuzz_expect(b->size == size && (size == 0 || memcmp(b->data, data, size) == 0), "other bytes than have come");
}

static void take_apart(const char *type, const uint8_t *data, size_t size) {
  const uint8_t *part;
  size_t part_size;
  (void)media_type_is(type, "multipart/form-data");
  const char *wrong = multipart_find(type, data, size, "image", &part, &part_size);
  if (wrong == NULL)
    fuzz_expect(part >= data && part_size <= size && (size_t)(part - data) <= size - part_size,
                "a part outside the body");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint8_t *line = size ? memchr(data, '\n', size) : NULL;
  body_budget budget = {.most = MOST_TOTAL};
  body b;
  if (line == NULL || line + 1 == data + size)
    return 0;
  char *type = strndup((const char *)data, (size_t)(line - data));
  const uint8_t *rest = line + 2;
  const size_t left = size - (size_t)(rest - data);
  uint8_t *copy = malloc(left ? left : 1); /* a byte behind the end is found */
  memcpy(copy, rest, left);
  collect(copy, left, 1 + line[1], &b, &budget);
  take_apart(type, copy, left);
  body_clear(&b);
  fuzz_expect(budget.used == 0, "memory that is not given back");
  free(copy);
  free(type);
  return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bodies within limits, and forms taken apart. */
#include "body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void grows_up_to_the_limit(void **state) {
  body_budget budget = {.most = 1 << 20};
  body b;
  uint8_t block[1000];
  memset(block, 7, sizeof block);
  body_init(&b, &budget, 100000);
  for (int i = 0; i < 100; i++)
    body_append(&b, block, sizeof block);
  assert_int_equal(b.state, BODY_OK);
  assert_int_equal(b.size, 100000);
  assert_true(budget.used >= 100000);
  for (size_t i = 0; i < b.size; i++)
    assert_int_equal(b.data[i], 7);
  body_append(&b, block, 1);
  assert_int_equal(b.state, BODY_TOO_LARGE);
  assert_int_equal(b.size, 0);
  assert_int_equal(budget.used, 0);
  body_append(&b, block, sizeof block);
  assert_int_equal(b.received, 101001);
  assert_int_equal(b.size, 0);
  body_clear(&b);
}

static void all_share_a_budget(void **state) {
  body_budget budget = {.most = 50000};
  body one, other;
  uint8_t block[30000] = {0};
  body_init(&one, &budget, 40000);
  body_init(&other, &budget, 40000);
  body_append(&one, block, sizeof block);
  body_append(&other, block, sizeof block);
  assert_int_equal(one.state, BODY_OK);
  assert_int_equal(other.state, BODY_NO_ROOM);
  body_clear(&one);
  body_clear(&other);
  assert_int_equal(budget.used, 0);
}

typedef struct {
  const char *type, *body;
  const char *wrong; /* what the sentence has in it, NULL = found */
  const char *part;
} form;

#define B "multipart/form-data; boundary=b"
#define FIELD(name) "Content-Disposition: form-data; name=\"" name "\"\r\n"

static const form forms[] = {
    {B, "--b\r\n" FIELD("image") "\r\nhello\r\n--b--\r\n", NULL, "hello"},
    {B, "--b\r\n" FIELD("image") "\r\n\r\n--b--", NULL, ""},
    {B, "preamble\r\n--b\r\n" FIELD("image") "\r\nx\r\n--b--", NULL, "x"},
    {B, "--b \t\r\n" FIELD("image") "\r\nx\r\n--b--", NULL, "x"},
    {B, "--b\r\n" FIELD("a") "\r\ny\r\n--b\r\n" FIELD("image") "\r\nx--b\r\n-b\r\n--b--", NULL, "x--b\r\n-b"},
    {B, "--b\r\nX: y\r\n" FIELD("image") "Content-Type: image/png\r\n\r\nx\r\n--b--", NULL, "x"},
    {B, "--b\r\ncontent-disposition:form-data;name=image\r\n\r\nx\r\n--b--", NULL, "x"},
    {B, "--b\r\nContent-Disposition: form-data; filename=\"a; name=\\\"q\\\"\"; name=\"image\"\r\n\r\nx\r\n--b--", NULL,
     "x"},
    {"Multipart/Form-Data ; charset=x; BOUNDARY=\"b\"", "--b\r\n" FIELD("image") "\r\nx\r\n--b--", NULL, "x"},
    {B, "--b\r\n\r\nno header\r\n--b\r\n" FIELD("image") "\r\nx\r\n--b--", NULL, "x"},
    {B, "--b\r\n" FIELD("imag") "\r\nx\r\n--b--", "no such field", NULL},
    {B, "--b\r\n" FIELD("image") "\r\nx\r\n--b\r\n" FIELD("image") "\r\nx\r\n--b--", "more than one", NULL},
    {B, "--b\r\n" FIELD("image") "\r\nx\r\n--b", "cut short", NULL},
    {B, "--b\r\n" FIELD("image") "\r\nx\r\n--b-", "cut short", NULL},
    {B, "--b\r\n" FIELD("image") "\r\nx", "cut short", NULL},
    {B, "--b\r\n" FIELD("image"), "cut short", NULL},
    {B, "--b\r\n", "cut short", NULL},
    {B, "--b\r", "cut short", NULL},
    {B, "--b", "cut short", NULL},
    {B, "--", "boundary", NULL},
    {B, "", "boundary", NULL},
    {"multipart/form-data", "--b--", "boundary", NULL},
    {"multipart/form-data; boundary=", "--b--", "boundary", NULL},
    {"multipart/form-data; boundary=\"b", "--b--", "boundary", NULL},
    {"multipart/form-data; boundary", "--b--", "boundary", NULL},
};

/* On the heap and of exactly that size, so that a sanitizer sees what is read behind it. */
static const char *find(const form *f, size_t size, const uint8_t **part, size_t *part_size, uint8_t **copy) {
  *copy = malloc(size ? size : 1);
  memcpy(*copy, f->body, size);
  return multipart_find(f->type, *copy, size, "image", part, part_size);
}

static void takes_forms_apart(void **state) {
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    const form *f = &forms[i];
    const uint8_t *part;
    uint8_t *copy;
    size_t size;
    const char *wrong = find(f, strlen(f->body), &part, &size, &copy);
    if (f->wrong) {
      if (wrong == NULL || strstr(wrong, f->wrong) == NULL)
        fail_msg("form %zu: '%s' rather than '%s'", i, wrong ? wrong : "found", f->wrong);
    } else if (wrong || size != strlen(f->part) || memcmp(part, f->part, size) != 0) {
      fail_msg("form %zu: %s", i, wrong ? wrong : "another part");
    }
    free(copy);
  }
}

static void reads_no_form_behind_its_end(void **state) {
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
    for (size_t size = 0; size <= strlen(forms[i].body); size++) {
      const uint8_t *part;
      uint8_t *copy;
      size_t part_size;
      const char *wrong = find(&forms[i], size, &part, &part_size, &copy);
      if (wrong == NULL)
        assert_true(part >= copy && part + part_size <= copy + size);
      free(copy);
    }
}

static void knows_media_types(void **state) {
  assert_true(media_type_is("image/png", "image/png"));
  assert_true(media_type_is("IMAGE/PNG; x=y", "image/png"));
  assert_true(media_type_is("image/png ;x", "image/png"));
  assert_false(media_type_is("image/pngx", "image/png"));
  assert_false(media_type_is("image/pn", "image/png"));
  assert_false(media_type_is(NULL, "image/png"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(grows_up_to_the_limit), cmocka_unit_test(all_share_a_budget),
      cmocka_unit_test(takes_forms_apart),     cmocka_unit_test(reads_no_form_behind_its_end),
      cmocka_unit_test(knows_media_types),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Label lists: the built-in one, lists and tables from files, and one sentence for each kind of damage. */
#include "files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_builtin(void **state) {
  (void)state;
  resnet18_labels *labels;
  resnet18_error error;
  assert_ok(resnet18_labels_load(NULL, 1000, &labels, &error), &error);
  assert_int_equal(resnet18_labels_count(labels), 1000);
  assert_string_equal(resnet18_labels_name(labels, 0), "tench");
  assert_string_equal(resnet18_labels_wnid(labels, 0), "n01440764");
  assert_string_equal(resnet18_labels_name(labels, 999), "toilet tissue");
  assert_string_equal(resnet18_labels_wnid(labels, 999), "n15075141");
  assert_null(resnet18_labels_name(labels, 1000));
  assert_null(resnet18_labels_wnid(labels, 1000));
  assert_ptr_equal(resnet18_labels_ref(labels), labels);
  resnet18_labels_unref(labels);
  assert_string_equal(resnet18_labels_name(labels, 1), "goldfish");
  resnet18_labels_unref(labels);
  resnet18_labels_unref(NULL);
}

/* Texts that name "one" and "two"; `wnid` is the second's. */
static void test_accepted(void **state) {
  (void)state;
  static const struct {
    const char *text, *wnid, *second;
  } cases[] = {
      {"one\ntwo\n", "", "two"},
      {"one\ntwo", "", "two"},
      {"one\r\ntwo\r\n", "", "two"},
      {"one\ntwo\n\n\n", "", "two"},
      {"\xef\xbb\xbfone\ntwo\n", "", "two"},
      {"one\n\xe7\x8a\xac, dog\n", "", "\xe7\x8a\xac, dog"},
      {"index\twnid\tname\n0\tn1\tone\n1\tn2\ttwo\n", "n2", "two"},
      {"index\twnid\tname\r\n0\tn1\tone\r\n1\tn2\ttwo", "n2", "two"},
      {"\xef\xbb\xbfindex\twnid\tname\n0\t\tone\n1\t\ttwo\n", "", "two"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    resnet18_labels *labels;
    resnet18_error error;
    const char *path = write_file("labels", cases[i].text, strlen(cases[i].text));
    assert_ok(resnet18_labels_load(path, 2, &labels, &error), &error);
    assert_int_equal(resnet18_labels_count(labels), 2);
    assert_string_equal(resnet18_labels_name(labels, 0), "one");
    assert_string_equal(resnet18_labels_name(labels, 1), cases[i].second);
    assert_string_equal(resnet18_labels_wnid(labels, 1), cases[i].wnid);
    assert_null(resnet18_labels_name(labels, 2));
    resnet18_labels_unref(labels);
  }
}

#define TEXT(text) text, sizeof text - 1
#define TABLE "index\twnid\tname\n"

static void test_damages(void **state) {
  (void)state;
  static const struct {
    const char *text;
    size_t length;
    const char *sentence;
  } cases[] = {
      {TEXT(""), "labels: is empty"},
      {TEXT("\n\n"), "labels: names 0 classes, but the model has 2"},
      {TEXT("one\n"), "labels: names 1 classes, but the model has 2"},
      {TEXT("one\ntwo\nthree\n"), "labels: names 3 classes, but the model has 2"},
      {TEXT(TABLE), "labels: names 0 classes, but the model has 2"},
      {TEXT("one\n\n\ntwo\n"), "labels: names 4 classes, but the model has 2"},
      {TEXT("\ntwo\n"), "labels: line 1 is empty"},
      {TEXT("one\n\xff\n"), "labels: line 2 is not UTF-8"},
      {TEXT("one\n\xc3\n"), "labels: line 2 is not UTF-8"},
      {TEXT("one\ntw\xc3"), "labels: line 2 is not UTF-8"},
      {TEXT("one\n\xe0\x9f\xbf\n"), "labels: line 2 is not UTF-8"},     /* two bytes in three */
      {TEXT("one\n\xed\xa0\x80\n"), "labels: line 2 is not UTF-8"},     /* a surrogate */
      {TEXT("one\n\xf0\x8f\xbf\xbf\n"), "labels: line 2 is not UTF-8"}, /* three bytes in four */
      {TEXT("one\n\xf4\x90\x80\x80\n"), "labels: line 2 is not UTF-8"}, /* above U+10FFFF */
      {TEXT("\xff\xfeo\0n\0\n\0t\0"), "labels: line 1 is not UTF-8"},
      {TEXT("one\nt\0wo\n"), "labels: line 2 has a control character"},
      {TEXT("one\ntwo\0"), "labels: line 2 has a control character"},
      {TEXT("one\nt\x1bwo\n"), "labels: line 2 has a control character"},
      {TEXT("one\nt\rwo\n"), "labels: line 2 has a control character"},
      {TEXT("0\tone\n1\ttwo\n"), "labels: line 1 has a tab, but the file does not begin with a table's header"},
      {TEXT(TABLE "0\tn1\tone\n1\ttwo\n"), "labels: line 3 does not have the three columns index, wnid, name"},
      {TEXT(TABLE "0\tn1\tone\n1\tn2\ttwo\t2\n"), "labels: line 3 does not have the three columns"},
      {TEXT(TABLE "0\tn1\tone\n2\tn2\ttwo\n"), "labels: line 3 has the index '2' instead of 1"},
      {TEXT(TABLE "0\tn1\tone\n01\tn2\ttwo\n"), "labels: line 3 has the index '01' instead of 1"},
      {TEXT(TABLE "1\tn1\tone\n0\tn2\ttwo\n"), "labels: line 2 has the index '1' instead of 0"},
      {TEXT(TABLE "0\tn1\tone\n1\tn2\t\n"), "labels: line 3 has an empty name"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    resnet18_labels *labels;
    resnet18_error error;
    const char *path = write_file("labels", cases[i].text, cases[i].length);
    assert_error(resnet18_labels_load(path, 2, &labels, &error), &error, RESNET18_ERROR_FORMAT, cases[i].sentence);
    assert_null(labels);
  }
}

static void test_limits(void **state) {
  (void)state;
  resnet18_labels *labels;
  resnet18_error error;
  char name[1026];
  memset(name, 'x', sizeof name);
  assert_ok(resnet18_labels_load(write_file("labels", name, 1024), 1, &labels, &error), &error);
  assert_int_equal(strlen(resnet18_labels_name(labels, 0)), 1024);
  resnet18_labels_unref(labels);
  assert_error(resnet18_labels_load(write_file("labels", name, 1025), 1, &labels, &error), &error,
               RESNET18_ERROR_FORMAT, "labels: line 1 has a name of more than 1024 bytes");
  assert_error(resnet18_labels_load(in_folder("none"), 1, &labels, &error), &error, RESNET18_ERROR_IO,
               "none: cannot be opened");
  assert_error(resnet18_labels_load("/dev/zero", 1, &labels, &error), &error, RESNET18_ERROR_IO,
               "/dev/zero: is not a regular file");
  assert_error(resnet18_labels_load(NULL, 0, &labels, &error), &error, RESNET18_ERROR_ARGUMENT, "at least one class");
  assert_error(resnet18_labels_load("", 5, &labels, &error), &error, RESNET18_ERROR_ARGUMENT, "is empty");
  assert_error(resnet18_labels_load(NULL, 999, &labels, &error), &error, RESNET18_ERROR_FORMAT,
               "the built-in labels: names 1000 classes, but the model has 999");
}

/* What a terminal would obey, or could not show, is not repeated; a name that is too long loses its beginning, between
 * two characters. */
static void test_sentences_are_printable(void **state) {
  static const struct {
    const char *name, *shown;
  } cases[] = {
      {"a\x1b[31mb", "a?[31mb"},
      {"a\x7f", "a?"},
      {"a\xc2\x9b"
       "31m",
       "a??31m"},
      {"a\xc2\xa0", "a\xc2\xa0"},
      {"\xe7\x8a\xac", "\xe7\x8a\xac"},
      {"\xed\xa0\x80", "???"},
      {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
      {"a\xf0\x9f", "a??"},
  };
  resnet18_labels *labels;
  resnet18_error error;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_error(resnet18_labels_load(in_folder(cases[i].name), 2, &labels, &error), &error, RESNET18_ERROR_IO,
                 cases[i].shown);
  for (size_t more = 0; more < 3; more++) {
    enum { CHARACTERS = 600 };
    char name[3 * CHARACTERS + 3] = "";
    for (size_t i = 0; i < CHARACTERS; i++)
      memcpy(name + 3 * i, "\xe7\x8a\xac", 3);
    memset(name + sizeof name - 3, 0, 3);
    memset(name + sizeof name - 3, 'x', more);
    assert_error(resnet18_labels_load(name, 2, &labels, &error), &error, RESNET18_ERROR_IO, ": cannot be opened");
    assert_int_equal(strncmp(error.message, "...\xe7\x8a\xac", 6), 0);
    assert_null(strchr(error.message, '?'));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_builtin),
      cmocka_unit_test(test_accepted),
      cmocka_unit_test(test_damages),
      cmocka_unit_test(test_limits),
      cmocka_unit_test(test_sentences_are_printable),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

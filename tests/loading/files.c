/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small files in a folder of their own. */
#include "files.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/resnet18-test-XXXXXX";

int make_folder(void **state) {
  (void)state;
  return mkdtemp(folder) ? 0 : -1;
}

/* Visits the files of the folder; removes them if asked to. */
static unsigned visit(bool remove_them) {
  unsigned count = 0;
  DIR *listing = opendir(folder);
  assert_non_null(listing);
  for (struct dirent *entry; (entry = readdir(listing));) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
      continue;
    count++;
    if (remove_them)
      remove(in_folder(entry->d_name));
  }
  closedir(listing);
  return count;
}

int remove_folder(void **state) {
  (void)state;
  visit(true);
  return rmdir(folder);
}

unsigned count_files(void) {
  return visit(false);
}

const char *in_folder(const char *name) {
  static char paths[4][512];
  static unsigned next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  return path;
}

const char *write_file(const char *name, const void *data, size_t size) {
  const char *path = in_folder(name);
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(data, 1, size, file), size);
  assert_int_equal(fclose(file), 0);
  return path;
}

unsigned char *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  assert_int_equal(fseek(file, 0, SEEK_END), 0);
  *size = (size_t)ftell(file);
  rewind(file);
  unsigned char *data = malloc(*size + 1);
  assert_non_null(data);
  assert_int_equal(fread(data, 1, *size, file), *size);
  fclose(file);
  return data;
}

void assert_error(resnet18_status status, const resnet18_error *error, resnet18_status expected, const char *sentence) {
  if (status != expected || error->status != expected || !strstr(error->message, sentence))
    fail_msg("status %d, error %d '%s' instead of %d '%s'", status, error->status, error->message, expected, sentence);
}

void assert_ok(resnet18_status status, const resnet18_error *error) {
  if (status || error->status || error->message[0])
    fail_msg("status %d: %s", status, error->message);
}

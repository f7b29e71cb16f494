/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a fuzzer's function over the files of the folders that are named, once each: findings stay tests. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static bool run_file(const char *path) {
  static uint8_t data[4 << 20];
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    perror(path);
    return false;
  }
  const size_t size = fread(data, 1, sizeof data, file);
  fclose(file);
  fprintf(stderr, "%s, %zu bytes\n", path, size); /* the last one before a crash is the one */
  LLVMFuzzerTestOneInput(data, size);
  return true;
}

static int run_folder(const char *folder, size_t *count) {
  struct dirent **entry = NULL;
  int status = 0;
  const int entries = scandir(folder, &entry, NULL, alphasort);
  if (entries < 0) {
    perror(folder);
    return 1;
  }
  for (int i = 0; i < entries; i++) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, entry[i]->d_name);
    if (entry[i]->d_name[0] != '.') {
      status |= !run_file(path);
      ++*count;
    }
    free(entry[i]);
  }
  free(entry);
  return status;
}

int main(int argc, char **argv) {
  size_t count = 0;
  int status = 0;
  for (int i = 1; i < argc; i++)
    status |= run_folder(argv[i], &count);
  printf("%zu inputs\n", count);
  return status || count == 0; /* a corpus that is gone must not look like one that passed */
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads weight files for the Python scripts beside this file. One command a line on stdin, arguments separated by tabs;
 * the answer begins with a line "status <tab> message".
 *
 *     open FILE             then its tensors, one a line: name, dtype, shape, bytes in hex; then an empty line
 *     load FILE             as a model
 *     import FILE FILE
 *     prefixes FILE         every proper prefix of the file must be refused; the message is how many
 *     mutate FILE N SEED    N damaged copies must be refused or read within their bounds; the message is how many of
 *                           them were read */
#include "tensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what) {
  fprintf(stderr, "tensors_pipe: %s\n", what);
  exit(1);
}

static unsigned char *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END))
    fail("a file cannot be read");
  *size = (size_t)ftell(file);
  rewind(file);
  unsigned char *data = malloc(*size);
  if (!data || fread(data, 1, *size, file) != *size)
    fail("a file cannot be read");
  fclose(file);
  return data;
}

static void print_tensors(const r18_tensors *tensors) {
  static const char *const names[] = {"F32", "F16", "BF16", "I64", "I8"};
  for (size_t i = 0; i < tensors->count; i++) {
    const r18_tensor *tensor = &tensors->tensor[i];
    printf("%s\t%s\t", tensor->name, names[tensor->dtype]);
    for (unsigned k = 0; k < tensor->dims; k++)
      printf("%s%" PRIu64, k ? "," : "", tensor->shape[k]);
    printf("\t");
    for (size_t k = 0; k < tensor->bytes; k++)
      printf("%02x", tensor->data[k]);
    printf("\n");
  }
  printf("\n");
}

static void open_file(const char *path) {
  r18_tensors tensors;
  resnet18_error error;
  resnet18_status status = r18_tensors_open(path, &tensors, &error);
  printf("%d\t%s\n", (int)status, error.message);
  if (!status) {
    print_tensors(&tensors);
    r18_tensors_clear(&tensors);
  }
}

static void load_file(const char *path) {
  resnet18_model *model;
  resnet18_error error;
  resnet18_status status = resnet18_model_load(path, &model, &error);
  printf("%d\t%s\n", (int)status, error.message);
  resnet18_model_unref(model);
}

static void import_file(const char *from, const char *to) {
  resnet18_error error;
  resnet18_status status = resnet18_import(from, to, &error);
  printf("%d\t%s\n", (int)status, error.message);
}

/* The reader that the file's kind asks for, whatever has become of its first bytes. The copy has no byte more than
 * `size`, so that a sanitizer sees every read outside. */
static bool read_copy(bool checkpoint, const unsigned char *data, size_t size) {
  static volatile unsigned char sink;
  unsigned char *copy = malloc(size);
  if (!copy)
    fail("out of memory");
  memcpy(copy, data, size);
  r18_tensors tensors = {.source = strdup("copy"), .base = copy, .size = size};
  resnet18_error error = {.status = RESNET18_OK, .message = "untouched"};
  resnet18_status status = checkpoint ? r18_checkpoint_read(&tensors, &error) : r18_safetensors_read(&tensors, &error);
  if (error.status != status || (error.message[0] != '\0') != (status != RESNET18_OK))
    fail("the error does not agree with the status");
  for (size_t i = 0; i < tensors.count && !status; i++)
    for (size_t k = 0; k < tensors.tensor[i].bytes; k++)
      sink = tensors.tensor[i].data[k];
  (void)sink;
  r18_tensors_clear(&tensors);
  free(copy);
  return !status;
}

static bool is_checkpoint(const unsigned char *data) {
  return data[0] == 'P' || data[0] == 0x80;
}

static void check_prefixes(const char *path) {
  size_t size;
  unsigned char *data = read_file(path, &size);
  for (size_t count = 1; count < size; count++)
    if (read_copy(is_checkpoint(data), data, count))
      fail("a prefix of a file was accepted");
  printf("0\t%zu\n", size - 1);
  free(data);
}

static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13; /* xorshift64: Marsaglia, "Xorshift RNGs", 2003 */
  *state ^= *state >> 7;
  return *state ^= *state << 17;
}

/* One to eight changes, and sometimes a shorter file. */
static void mutate(unsigned char *data, size_t *size, uint64_t *random) {
  static const unsigned char favourites[] = {0,   1,   2,   0x7f, 0x80, 0xfe, 0xff, '(',
                                             ')', '0', '9', '"',  '}',  ']',  ',',  'R'};
  for (uint64_t n = next_random(random) % 8 + 1; n > 0; n--) {
    size_t place = next_random(random) % *size, from = next_random(random) % *size;
    switch (next_random(random) % 5) {
    case 0:
      data[place] = (unsigned char)next_random(random);
      break;
    case 1:
      data[place] = favourites[next_random(random) % sizeof favourites];
      break;
    case 2:
      data[place] ^= (unsigned char)(1u << next_random(random) % 8);
      break;
    case 3: {
      size_t length = *size - (place > from ? place : from);
      memmove(data + place, data + from, length < 16 ? length : 16);
      break;
    }
    default:
      if (next_random(random) % 8 == 0)
        *size = place + 1;
    }
  }
}

static void check_mutations(const char *path, unsigned long count, uint64_t seed) {
  size_t size, accepted = 0;
  unsigned char *data = read_file(path, &size), *damaged = malloc(size);
  uint64_t random = seed * 0x9e3779b97f4a7c15u + 1;
  for (unsigned long i = 0; i < count; i++) {
    size_t left = size;
    memcpy(damaged, data, size);
    mutate(damaged, &left, &random);
    accepted += read_copy(is_checkpoint(data), damaged, left);
  }
  printf("0\t%zu\n", accepted);
  free(damaged);
  free(data);
}

int main(void) {
  static char line[4096];
  while (fgets(line, sizeof line, stdin)) {
    char *word[4] = {0};
    line[strcspn(line, "\n")] = '\0';
    char *rest = line;
    for (int i = 0; i < 4 && rest; i++)
      word[i] = strsep(&rest, "\t");
    if (!strcmp(word[0], "open") && word[1])
      open_file(word[1]);
    else if (!strcmp(word[0], "load") && word[1])
      load_file(word[1]);
    else if (!strcmp(word[0], "import") && word[2])
      import_file(word[1], word[2]);
    else if (!strcmp(word[0], "prefixes") && word[1])
      check_prefixes(word[1]);
    else if (!strcmp(word[0], "mutate") && word[3])
      check_mutations(word[1], strtoul(word[2], NULL, 10), strtoull(word[3], NULL, 10));
    else
      fail("unknown command");
    fflush(stdout);
  }
  return 0;
}

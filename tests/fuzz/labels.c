/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists of labels: one name a line, or the table with a header line. */
#include "fuzz.h"

#include "resnet18.h"

#include <string.h>

static size_t lines(const uint8_t *data, size_t size) {
  size_t count = 0;
  for (size_t i = 0; i < size; i++)
    count += data[i] == '\n';
  return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  resnet18_error error = {0};
  resnet18_labels *labels = NULL;
  char path[64];
  if (!fuzz_file(data, size, path, sizeof path))
    return 0;
  /* A table has a header line, a last line may have no end: one of the three counts fits a list that is right. */
  const size_t whole = lines(data, size);
  for (size_t classes = whole ? whole - 1 : 0; classes <= whole + 1; classes++) {
    const resnet18_status status = resnet18_labels_load(path, classes, &labels, &error);
    fuzz_expect((status == RESNET18_OK) == (labels != NULL), "status and list disagree");
    fuzz_expect(status == RESNET18_OK || error.message[0] != '\0', "a refusal without a reason");
    for (size_t i = 0; labels && i < resnet18_labels_count(labels); i++)
      fuzz_expect(strlen(resnet18_labels_name(labels, i)) <= size && strlen(resnet18_labels_wnid(labels, i)) <= size,
                  "a name that is longer than the file");
    resnet18_labels_unref(labels);
    labels = NULL;
  }
  return 0;
}

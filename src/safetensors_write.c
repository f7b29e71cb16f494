/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing the safetensors format. */
#include "error.h"
#include "file.h"
#include "tensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The longest "name":{...}: a name whose every byte is escaped, and 4 + 2 numbers of 20 digits. */
enum { MAX_ENTRY = 6 * R18_MAX_NAME + 256 };

static int by_width_and_name(const void *a, const void *b) {
  const r18_tensor *const *x = a, *const *y = b;
  unsigned wide = r18_dtype_bytes((*x)->dtype), other = r18_dtype_bytes((*y)->dtype);
  if (wide != other)
    return wide > other ? -1 : 1;
  return strcmp((*x)->name, (*y)->name);
}

static char *append_string(char *out, const char *string) {
  *out++ = '"';
  for (; *string; string++) {
    unsigned char c = (unsigned char)*string;
    if (c < 0x20 || c == '"' || c == '\\')
      out += sprintf(out, "\\u%04x", c);
    else
      *out++ = (char)c;
  }
  *out++ = '"';
  return out;
}

static char *append_tensor(char *out, const r18_tensor *tensor, uint64_t offset) {
  out = append_string(out, tensor->name);
  out += sprintf(out, ":{\"dtype\":\"%s\",\"shape\":[", r18_dtype_name(tensor->dtype));
  for (unsigned i = 0; i < tensor->dims; i++)
    out += sprintf(out, "%s%" PRIu64, i ? "," : "", tensor->shape[i]);
  return out + sprintf(out, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", offset, offset + tensor->bytes);
}

/* The header with its length before it, filled up with spaces so that the data begins at a multiple of 8. */
static char *make_header(const r18_tensor *const *tensor, size_t count, size_t *size) {
  char *header = malloc(count * MAX_ENTRY + 32), *out = header;
  uint64_t offset = 0;
  if (!header)
    return NULL;
  out += 8;
  *out++ = '{';
  for (size_t i = 0; i < count; i++) {
    if (i)
      *out++ = ',';
    out = append_tensor(out, tensor[i], offset);
    offset += tensor[i]->bytes;
  }
  *out++ = '}';
  while ((out - header) % 8 != 0)
    *out++ = ' ';
  *size = (size_t)(out - header);
  for (int i = 0; i < 8; i++)
    header[i] = (char)((uint64_t)(*size - 8) >> (8 * i) & 0xff);
  return header;
}

resnet18_status r18_safetensors_write(const r18_tensors *tensors, const char *path, resnet18_error *error) {
  r18_new_file file = {.fd = -1};
  size_t size = 0;
  char *header = NULL;
  resnet18_status status = RESNET18_OK;
  const r18_tensor **order = calloc(tensors->count, sizeof *order);
  if (!order)
    return r18_fail_memory(error, tensors->count * sizeof *order);
  for (size_t i = 0; i < tensors->count; i++)
    order[i] = &tensors->tensor[i];
  qsort(order, tensors->count, sizeof *order, by_width_and_name);
  header = make_header(order, tensors->count, &size);
  if (!header)
    status = r18_fail_memory(error, tensors->count * MAX_ENTRY);
  if (!status)
    status = r18_file_create(path, &file, error);
  if (!status)
    status = r18_file_write(&file, header, size, error);
  for (size_t i = 0; i < tensors->count && !status; i++)
    status = r18_file_write(&file, order[i]->data, order[i]->bytes, error);
  if (!status)
    status = r18_file_commit(&file, error);
  r18_file_abandon(&file);
  free(header);
  free(order);
  return status ? status : r18_ok(error);
}

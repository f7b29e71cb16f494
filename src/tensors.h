/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Named tensors of a weight file, before anybody has looked at what they mean. */
#ifndef RESNET18_TENSORS_H
#define RESNET18_TENSORS_H

#include "resnet18.h"

typedef enum { R18_F32, R18_F16, R18_BF16, R18_I64, R18_I8 } r18_dtype;

enum { R18_MAX_DIMS = 4, R18_MAX_TENSORS = 512, R18_MAX_NAME = 128 };

/* A contiguous little-endian tensor inside the file's mapping; `data` may be unaligned. */
typedef struct {
  char name[R18_MAX_NAME];
  r18_dtype dtype;
  unsigned dims;
  uint64_t shape[R18_MAX_DIMS];
  const unsigned char *data;
  size_t bytes;
} r18_tensor;

/* The tensors of one file, and the bytes that they point into. */
typedef struct {
  char *source; /* path or "built-in"; owned */
  const unsigned char *base;
  size_t size;      /* bytes from `base` on */
  bool mapped;      /* to be unmapped by r18_tensors_clear */
  bool discardable; /* pages that are dropped come back with the same content, so r18_tensor_release may drop them */
  size_t count;
  r18_tensor *tensor; /* owned array of `count` */
} r18_tensors;

/* Largest file that is read: F32 weights with 100,000 classes take 250 MB. */
#define R18_MAX_FILE ((size_t)512 << 20)

/* Maps and reads `path`; the kind (safetensors, zip checkpoint, legacy checkpoint) is told by its first bytes.
 * After success the caller owns *tensors' content (r18_tensors_clear). */
resnet18_status r18_tensors_open(const char *path, r18_tensors *tensors, resnet18_error *error);

/* The same from memory that outlives *tensors (the built-in weights); safetensors only. */
resnet18_status r18_tensors_from_memory(const char *source, const void *base, size_t size, r18_tensors *tensors,
                                        resnet18_error *error);

void r18_tensors_clear(r18_tensors *tensors);

/* "BF16" for R18_BF16; bytes of one element. */
const char *r18_dtype_name(r18_dtype dtype);
unsigned r18_dtype_bytes(r18_dtype dtype);

/* NULL if there is none of that name. */
const r18_tensor *r18_tensors_find(const r18_tensors *tensors, const char *name);

size_t r18_tensor_count(const r18_tensor *tensor);

/* Converts elements [first, first + count) to float. Not for R18_I64. */
void r18_tensor_read(const r18_tensor *tensor, size_t first, size_t count, float *out);

/* Largest magnitude among the elements; infinity or NaN if one of them is not finite. 0 for R18_I64. Drops pages that
 * it has passed as r18_tensor_release does. */
float r18_tensor_largest(const r18_tensors *tensors, const r18_tensor *tensor);

/* Tells the kernel that the pages under the tensor are not needed for now: they leave the resident set and come
 * back from the file when they are touched again. */
void r18_tensor_release(const r18_tensors *tensors, const r18_tensor *tensor);

/* Readers of one format each; `tensors` has source, base and size set, they fill the rest. */
resnet18_status r18_safetensors_read(r18_tensors *tensors, resnet18_error *error);
resnet18_status r18_checkpoint_read(r18_tensors *tensors, resnet18_error *error);

/* Writes a safetensors file beside `path`, then renames it. The order is that of the safetensors library: wide dtypes
 * first, names within. */
resnet18_status r18_safetensors_write(const r18_tensors *tensors, const char *path, resnet18_error *error);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Weight files in memory, and their numbers.
 *
 * A weight file belongs to somebody else, who may overwrite or shorten it while the model is in use: `cp
 * new.safetensors weights.safetensors` does both. Reading a shortened file through a mapping of it ends in SIGBUS, and
 * an overwritten one changes weights that have been checked. So the file's bytes are copied once, into a memory file
 * (memfd_create) that nobody else can reach, and that is what is mapped. Its pages count in the resident set only while
 * they are in the page table; once the weights are packed they are dropped from there (r18_tensor_release) and come
 * back when they are touched. The built-in weights need no copy: they are part of the library's file, which is
 * replaced, not rewritten. */
#include "tensors.h"

#include "error.h"
#include "file.h"
#include "kernels/half.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the files are little-endian, and read as they are"
#endif

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif

/* ---- Files ---------------------------------------------------------------------------------------------- */

static resnet18_status copy_blocks(int fd, int memory, const char *path, size_t size, resnet18_error *error) {
  enum { BLOCK = 128 * 1024 }; /* stays in the second-level cache between the two copies */
  resnet18_status status = RESNET18_OK;
  char *block = malloc(BLOCK);
  if (!block)
    return r18_fail_memory(error, BLOCK);
  for (size_t offset = 0; offset < size && !status;) {
    size_t count = size - offset < BLOCK ? size - offset : BLOCK;
    status = r18_file_read(fd, path, block, count, offset, error);
    ssize_t put = status ? 0 : write(memory, block, count);
    if (!status && put != (ssize_t)count)
      status = r18_fail_memory(error, size);
    offset += count;
  }
  free(block);
  return status;
}

/* The file's bytes in a memory file of our own; MAP_FAILED in *base if the system has none. */
static resnet18_status copy_to_memory_file(int fd, const char *path, size_t size, void **base, resnet18_error *error) {
  *base = MAP_FAILED;
  int memory = memfd_create("resnet18-weights", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
  if (memory < 0 && errno == EINVAL)
    memory = memfd_create("resnet18-weights", MFD_CLOEXEC);
  if (memory < 0)
    return RESNET18_OK;
  resnet18_status status = copy_blocks(fd, memory, path, size, error);
  if (!status)
    *base = mmap(NULL, size, PROT_READ, MAP_SHARED, memory, 0);
  close(memory);
  return status;
}

/* Where there are no memory files: private memory, which stays resident as long as the model lives. */
static resnet18_status copy_to_private_memory(int fd, const char *path, size_t size, void **base,
                                              resnet18_error *error) {
  *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (*base == MAP_FAILED)
    return r18_fail_memory(error, size);
  resnet18_status status = r18_file_read(fd, path, *base, size, 0, error);
  if (status) {
    munmap(*base, size);
    *base = MAP_FAILED;
    return status;
  }
  mprotect(*base, size, PROT_READ);
  return RESNET18_OK;
}

static resnet18_status copy_file(int fd, size_t size, r18_tensors *tensors, resnet18_error *error) {
  void *base;
  resnet18_status status = copy_to_memory_file(fd, tensors->source, size, &base, error);
  tensors->discardable = base != MAP_FAILED;
  if (!status && base == MAP_FAILED)
    status = copy_to_private_memory(fd, tensors->source, size, &base, error);
  if (status)
    return status;
  tensors->base = base;
  tensors->size = size;
  tensors->mapped = true;
  return RESNET18_OK;
}

typedef resnet18_status (*tensor_reader)(r18_tensors *tensors, resnet18_error *error);

/* Which reader understands a file that begins with these bytes. They do not meet: a header of less than 16 MiB has a 0
 * in the fourth byte of its length, zip's mark has not; a pickle of torch.save has no '{' in that place. */
static tensor_reader reader_of(const unsigned char *start, size_t count) {
  if (count >= 4 && (memcmp(start, "PK\3\4", 4) == 0 || memcmp(start, "PK\5\6", 4) == 0))
    return r18_checkpoint_read;
  if (count >= 9 && start[8] == '{')
    return r18_safetensors_read;
  if (count >= 2 && start[0] == 0x80 && start[1] >= 2 && start[1] <= 5) /* a pickle's protocol */
    return r18_checkpoint_read;
  return NULL;
}

/* ---- Opening -------------------------------------------------------------------------------------------- */

resnet18_status r18_tensors_open(const char *path, r18_tensors *tensors, resnet18_error *error) {
  int fd = -1;
  size_t size = 0;
  unsigned char start[16] = {0};
  tensor_reader read = NULL;
  *tensors = (r18_tensors){.source = strdup(path)};
  if (!tensors->source)
    return r18_fail_memory(error, strlen(path) + 1);
  resnet18_status status = r18_file_open(path, R18_MAX_FILE, &fd, &size, error);
  size_t known = size < sizeof start ? size : sizeof start;
  if (!status)
    status = r18_file_read(fd, path, start, known, 0, error);
  if (!status && !(read = reader_of(start, known)))
    status = r18_fail(error, RESNET18_ERROR_FORMAT, "%s: is neither a safetensors file nor a PyTorch checkpoint", path);
  if (!status)
    status = copy_file(fd, size, tensors, error);
  if (!status)
    status = read(tensors, error);
  if (fd >= 0)
    close(fd);
  if (status)
    r18_tensors_clear(tensors);
  return status;
}

resnet18_status r18_tensors_from_memory(const char *source, const void *base, size_t size, r18_tensors *tensors,
                                        resnet18_error *error) {
  *tensors = (r18_tensors){.source = strdup(source), .base = base, .size = size};
  if (!tensors->source)
    return r18_fail_memory(error, strlen(source) + 1);
  resnet18_status status = r18_safetensors_read(tensors, error);
  if (status)
    r18_tensors_clear(tensors);
  return status;
}

void r18_tensors_clear(r18_tensors *tensors) {
  if (tensors->mapped)
    munmap((void *)tensors->base, tensors->size);
  free(tensors->tensor);
  free(tensors->source);
  *tensors = (r18_tensors){0};
}

const r18_tensor *r18_tensors_find(const r18_tensors *tensors, const char *name) {
  for (size_t i = 0; i < tensors->count; i++)
    if (strcmp(tensors->tensor[i].name, name) == 0)
      return &tensors->tensor[i];
  return NULL;
}

static const struct {
  const char *name;
  unsigned bytes;
} dtypes[] = {[R18_F32] = {"F32", 4},
              [R18_F16] = {"F16", 2},
              [R18_BF16] = {"BF16", 2},
              [R18_I64] = {"I64", 8},
              [R18_I8] = {"I8", 1}};

const char *r18_dtype_name(r18_dtype dtype) {
  return dtypes[dtype].name;
}

unsigned r18_dtype_bytes(r18_dtype dtype) {
  return dtypes[dtype].bytes;
}

size_t r18_tensor_count(const r18_tensor *tensor) {
  size_t count = 1;
  for (unsigned i = 0; i < tensor->dims; i++)
    count *= tensor->shape[i];
  return count;
}

/* ---- Pages ---------------------------------------------------------------------------------------------- */

/* Drops the pages under [first, end), the partial ones at its ends included as far as they belong to the file: they too
 * come back unchanged. */
static void drop_pages(const r18_tensors *tensors, const unsigned char *first, const unsigned char *end) {
  if (!tensors->discardable)
    return;
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  uintptr_t low = ((uintptr_t)tensors->base + page - 1) & ~(page - 1);
  uintptr_t high = (uintptr_t)tensors->base + tensors->size;
  uintptr_t from = (uintptr_t)first & ~(page - 1), to = ((uintptr_t)end + page - 1) & ~(page - 1);
  high = tensors->mapped ? (high + page - 1) & ~(page - 1) : high & ~(page - 1);
  from = from < low ? low : from;
  to = to > high ? high : to;
  if (from < to)
    madvise((void *)from, to - from, MADV_DONTNEED); /* a failure only means that they stay */
}

void r18_tensor_release(const r18_tensors *tensors, const r18_tensor *tensor) {
  drop_pages(tensors, tensor->data, tensor->data + tensor->bytes);
}

/* ---- Numbers -------------------------------------------------------------------------------------------- */

static float float_of_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static void read_bfloats(const unsigned char *data, size_t count, float *out) {
  for (size_t i = 0; i < count; i++) {
    uint16_t value;
    memcpy(&value, data + 2 * i, sizeof value);
    uint32_t bits = (uint32_t)value << 16;
    memcpy(&out[i], &bits, sizeof bits);
  }
}

static void read_int8(const unsigned char *data, size_t count, float *out) {
  for (size_t i = 0; i < count; i++)
    out[i] = (signed char)data[i];
}

void r18_tensor_read(const r18_tensor *tensor, size_t first, size_t count, float *out) {
  if (tensor->dtype == R18_F32)
    memcpy(out, tensor->data + 4 * first, 4 * count);
  else if (tensor->dtype == R18_F16)
    r18_best_half_reader()(tensor->data + 2 * first, count, out);
  else if (tensor->dtype == R18_I8)
    read_int8(tensor->data + first, count, out);
  else
    read_bfloats(tensor->data + 2 * first, count, out);
}

/* No branches: the compiler makes vector code of these loops. Without their sign bits, floats of any width order like
 * integers, infinity and NaN above all numbers. */
static int16_t largest_bits16(const unsigned char *data, size_t count) {
  int16_t largest = 0;
  for (size_t i = 0; i < count; i++) {
    int16_t value;
    memcpy(&value, data + 2 * i, sizeof value);
    value &= 0x7fff;
    largest = value > largest ? value : largest;
  }
  return largest;
}

static int32_t largest_int8(const unsigned char *data, size_t count) {
  int16_t largest = 0;
  for (size_t i = 0; i < count; i++) {
    /* NOLINTNEXTLINE(bugprone-signed-char-misuse,cert-str34-c): it is a number, with its sign */
    const int16_t value = (signed char)data[i], magnitude = value < 0 ? (int16_t)-value : value;
    largest = magnitude > largest ? magnitude : largest;
  }
  return largest;
}

static int32_t largest_bits32(const unsigned char *data, size_t count) {
  int32_t largest = 0;
  for (size_t i = 0; i < count; i++) {
    int32_t value;
    memcpy(&value, data + 4 * i, sizeof value);
    value &= 0x7fffffff;
    largest = value > largest ? value : largest;
  }
  return largest;
}

/* Bits of the largest magnitude among `bytes` bytes of the dtype; of integers the magnitude itself. */
static int32_t largest_bits(r18_dtype dtype, const unsigned char *data, size_t bytes) {
  if (dtype == R18_I8)
    return largest_int8(data, bytes);
  return dtype == R18_F32 ? largest_bits32(data, bytes / 4) : largest_bits16(data, bytes / 2);
}

float r18_tensor_largest(const r18_tensors *tensors, const r18_tensor *tensor) {
  enum { STEP = 512 * 1024 };
  int32_t bits = 0;
  if (tensor->dtype == R18_I64)
    return 0.0f;
  for (size_t first = 0; first < tensor->bytes; first += STEP) {
    size_t count = tensor->bytes - first < STEP ? tensor->bytes - first : STEP;
    int32_t largest = largest_bits(tensor->dtype, tensor->data + first, count);
    bits = largest > bits ? largest : bits;
    if (count == STEP)
      drop_pages(tensors, tensor->data + first, tensor->data + first + count);
  }
  if (tensor->dtype == R18_F16) {
    const uint16_t half = (uint16_t)bits;
    float value;
    r18_read_halves((const unsigned char *)&half, 1, &value);
    return value;
  }
  if (tensor->dtype == R18_I8)
    return (float)bits;
  return float_of_bits(tensor->dtype == R18_F32 ? (uint32_t)bits : (uint32_t)bits << 16);
}

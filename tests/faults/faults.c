/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The functions that fail on demand. */
#include "faults.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_CALLS = 4096, MAX_DESCRIPTORS = 1024 };

static atomic_bool armed, happened;
static fault_kind wanted_kind;
static fault_manner wanted_manner;
static unsigned wanted_call;
static int wanted_number;
static atomic_uint calls;
static fault_system memory_files;
static const void *sites[MAX_CALLS + 1];
static atomic_long blocks, mapped;
static atomic_bool is_memory_file[MAX_DESCRIPTORS];

void fault_arm(fault_kind kind, fault_manner manner, unsigned nth, int number) {
  wanted_kind = kind;
  wanted_manner = manner;
  wanted_call = nth;
  wanted_number = number;
  calls = 0;
  happened = false;
  armed = true;
}

unsigned fault_disarm(void) {
  armed = false;
  return calls;
}

void fault_set_system(fault_system kind) {
  memory_files = kind;
}

bool fault_happened(void) {
  return happened;
}

const void *fault_site(unsigned nth) {
  return nth <= MAX_CALLS ? sites[nth] : NULL;
}

/* Whether this call is the one; then errno is set. */
static bool is_due(fault_kind kind, const void *site) {
  if (!armed || kind != wanted_kind)
    return false;
  const unsigned call = atomic_fetch_add(&calls, 1) + 1;
  if (call <= MAX_CALLS)
    sites[call] = site;
  if (call != wanted_call)
    return false;
  happened = true;
  errno = wanted_number;
  return true;
}

#define HERE __builtin_return_address(0)

/* ---- What is held --------------------------------------------------------------------------------------- */

static unsigned entries(const char *folder) {
  unsigned count = 0;
  DIR *listing = opendir(folder);
  while (listing && readdir(listing))
    count++;
  if (listing)
    closedir(listing);
  return count;
}

fault_holdings fault_held(void) {
  return (fault_holdings){blocks, mapped, entries("/proc/self/fd"), entries("/proc/self/task")};
}

static void *counted(void *block) {
  if (block)
    blocks++;
  return block;
}

/* meson asks for 64-bit offsets, so the names are those that the compiler makes of mmap, open, fstat and pread. */

/* ---- Memory --------------------------------------------------------------------------------------------- */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size) {
  return is_due(FAULT_MEMORY, HERE) ? NULL : counted(__real_malloc(size));
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size) {
  return is_due(FAULT_MEMORY, HERE) ? NULL : counted(__real_calloc(count, size));
}

void *__real_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size) {
  if (is_due(FAULT_MEMORY, HERE))
    return NULL;
  return block ? __real_realloc(block, size) : counted(__real_realloc(NULL, size));
}

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size) {
  return is_due(FAULT_MEMORY, HERE) ? NULL : counted(__real_aligned_alloc(alignment, size));
}

void __real_free(void *block);
void __wrap_free(void *block);
void __wrap_free(void *block) {
  if (block)
    blocks--;
  __real_free(block);
}

char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
char *__wrap_strdup(const char *text) {
  return is_due(FAULT_MEMORY, HERE) ? NULL : counted(__real_strdup(text));
}

char *__real_strndup(const char *text, size_t size);
char *__wrap_strndup(const char *text, size_t size);
char *__wrap_strndup(const char *text, size_t size) {
  return is_due(FAULT_MEMORY, HERE) ? NULL : counted(__real_strndup(text, size));
}

/* The library calls it with `resolved` NULL only. */
char *__real_realpath(const char *path, char *resolved);
char *__wrap_realpath(const char *path, char *resolved);
char *__wrap_realpath(const char *path, char *resolved) {
  return is_due(FAULT_MEMORY, HERE) ? NULL : counted(__real_realpath(path, resolved));
}

/* The text becomes a block when the stream is closed; it is counted from the start on. */
FILE *__real_open_memstream(char **text, size_t *size);
FILE *__wrap_open_memstream(char **text, size_t *size);
FILE *__wrap_open_memstream(char **text, size_t *size) {
  if (is_due(FAULT_MEMORY, HERE))
    return NULL;
  FILE *stream = __real_open_memstream(text, size);
  if (stream)
    blocks++;
  return stream;
}

/* A stream in memory that could not grow says so at its end. */
int __real_fclose(FILE *stream);
int __wrap_fclose(FILE *stream);
int __wrap_fclose(FILE *stream) {
  const bool due = fileno(stream) < 0 && is_due(FAULT_MEMORY, HERE);
  const int result = __real_fclose(stream);
  return due ? EOF : result;
}

void *__real_mmap64(void *address, size_t size, int protection, int flags, int file, off_t offset);
void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int file, off_t offset);
void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int file, off_t offset) {
  if (is_due(FAULT_MEMORY, HERE))
    return MAP_FAILED;
  void *block = __real_mmap64(address, size, protection, flags, file, offset);
  if (block != MAP_FAILED)
    mapped += (long)size;
  return block;
}

int __real_munmap(void *block, size_t size);
int __wrap_munmap(void *block, size_t size);
int __wrap_munmap(void *block, size_t size) {
  const int result = __real_munmap(block, size);
  if (result == 0)
    mapped -= (long)size;
  return result;
}

int __real_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags) {
  if (memory_files == FAULT_NO_MEMORY_FILES || (memory_files == FAULT_OLD_MEMORY_FILES && flags != MFD_CLOEXEC)) {
    errno = memory_files == FAULT_NO_MEMORY_FILES ? ENOSYS : EINVAL;
    return -1;
  }
  const int file = is_due(FAULT_MEMORY, HERE) ? -1 : __real_memfd_create(name, flags);
  if (file >= 0 && file < MAX_DESCRIPTORS)
    is_memory_file[file] = true;
  return file;
}

/* ---- Threads -------------------------------------------------------------------------------------------- */

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *data);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *data);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *data) {
  return is_due(FAULT_THREAD, HERE) ? wanted_number : __real_pthread_create(thread, attributes, start, data);
}

/* ---- Files ---------------------------------------------------------------------------------------------- */

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return is_due(FAULT_OPEN, HERE) ? -1 : __real_open64(path, flags, mode);
}

int __real_fstat64(int file, struct stat *info);
int __wrap_fstat64(int file, struct stat *info);
int __wrap_fstat64(int file, struct stat *info) {
  return is_due(FAULT_STAT, HERE) ? -1 : __real_fstat64(file, info);
}

static bool in_memory(int file) {
  return file >= 0 && file < MAX_DESCRIPTORS && is_memory_file[file];
}

ssize_t __real_pread64(int file, void *data, size_t count, off_t offset);
ssize_t __wrap_pread64(int file, void *data, size_t count, off_t offset);
ssize_t __wrap_pread64(int file, void *data, size_t count, off_t offset) {
  if (!is_due(FAULT_READ, HERE))
    return __real_pread64(file, data, count, offset);
  if (wanted_manner == FAULT_SHORT)
    return __real_pread64(file, data, 1, offset);
  return wanted_manner == FAULT_END ? 0 : -1;
}

/* What _FORTIFY_SOURCE makes of it. */
ssize_t __wrap___pread64_chk(int file, void *data, size_t count, off_t offset, size_t room);
ssize_t __wrap___pread64_chk(int file, void *data, size_t count, off_t offset, size_t room) {
  return __wrap_pread64(file, data, count, offset);
}

ssize_t __real_write(int file, const void *data, size_t count);
ssize_t __wrap_write(int file, const void *data, size_t count);
ssize_t __wrap_write(int file, const void *data, size_t count) {
  if ((in_memory(file) && wanted_manner != FAULT_FAIL) || !is_due(FAULT_WRITE, HERE))
    return __real_write(file, data, count);
  return wanted_manner == FAULT_SHORT ? __real_write(file, data, 1) : -1;
}

int __real_fsync(int file);
int __wrap_fsync(int file);
int __wrap_fsync(int file) {
  return is_due(FAULT_SYNC, HERE) ? -1 : __real_fsync(file);
}

/* Linux closes the file whatever close returns. */
int __real_close(int file);
int __wrap_close(int file);
int __wrap_close(int file) {
  if (file >= 0 && file < MAX_DESCRIPTORS)
    is_memory_file[file] = false;
  const int result = __real_close(file);
  return is_due(FAULT_CLOSE, HERE) ? -1 : result;
}

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to) {
  return is_due(FAULT_RENAME, HERE) ? -1 : __real_rename(from, to);
}

ssize_t __real_getrandom(void *data, size_t count, unsigned flags);
ssize_t __wrap_getrandom(void *data, size_t count, unsigned flags);
ssize_t __wrap_getrandom(void *data, size_t count, unsigned flags) {
  return is_due(FAULT_RANDOM, HERE) ? -1 : __real_getrandom(data, count, flags);
}

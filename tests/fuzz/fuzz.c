/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void fuzz_expect(bool truth, const char *otherwise) {
  if (truth)
    return;
  fprintf(stderr, "fuzz: %s\n", otherwise);
  abort();
}

#ifdef FUZZ_COUNTS_MEMORY
/* AddressSanitizer's interface (sanitizer/allocator_interface.h). */
int __sanitizer_install_malloc_and_free_hooks(void (*allocated)(const volatile void *, size_t),
                                              void (*freed)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *p);

static atomic_size_t now, most;

static void on_malloc(const volatile void *p, size_t size) {
  const size_t sum = atomic_fetch_add(&now, size) + size;
  if (sum > atomic_load(&most))
    atomic_store(&most, sum);
}

static void on_free(const volatile void *p) {
  const size_t size = p ? __sanitizer_get_allocated_size(p) : 0;
  const size_t sum = atomic_load(&now);
  atomic_store(&now, sum > size ? sum - size : 0);
}

void fuzz_watch_memory(void) {
  static bool installed;
  if (!installed)
    installed = __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) > 0;
  fuzz_expect(installed, "the sanitizer takes no hooks");
  atomic_store(&now, 0);
  atomic_store(&most, 0);
}

void fuzz_expect_memory(size_t input, size_t tables) {
  const size_t used = atomic_load(&most);
  if (used > 2 * input + tables)
    fprintf(stderr, "fuzz: %zu bytes allocated for an input of %zu\n", used, input);
  fuzz_expect(used <= 2 * input + tables, "more memory than twice the input and the tables");
}
#else
void fuzz_watch_memory(void) {
}

void fuzz_expect_memory(size_t input, size_t tables) {
}
#endif

bool fuzz_file(const uint8_t *data, size_t size, char *path, size_t room) {
  static int fd = -1;
  if (fd < 0)
    fd = memfd_create("fuzz", MFD_CLOEXEC);
  if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
    return false;
  snprintf(path, room, "/proc/self/fd/%d", fd);
  return true;
}

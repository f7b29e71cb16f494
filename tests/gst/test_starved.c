/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An element that starts and classifies on a system that has no more memory or threads: an error on the bus with the
 * reason, never the end of the process. This program's allocation functions take the place of the C library's; they
 * fail for libresnet18 alone, because GLib ends the process when its own allocations fail, which nothing can change. */
#include "rig.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RGB "video/x-raw,format=RGB"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_ALLOCATOR 0 /* the sanitizer's is in its place */
#else
#define OWN_ALLOCATOR 1
#endif

/* ---- What fails ----------------------------------------------------------------------------------------- */

typedef enum { NOTHING, MEMORY, THREADS } Want;
static gint want, calls, wanted_call;
static gpointer engine_block[1024]; /* what libresnet18 holds; NULL = a free entry */
static guintptr engine_begin, engine_end;

static gboolean is_due(Want kind) {
  return g_atomic_int_get(&want) == (gint)kind && g_atomic_int_add(&calls, 1) + 1 == wanted_call;
}

#pragma GCC visibility push(default) /* libraries find these before the C library's */

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *data) {
  static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  if (!real)
    real = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(RTLD_NEXT, "pthread_create");
  return is_due(THREADS) ? EAGAIN : real(thread, attributes, start, data);
}

#if OWN_ALLOCATOR
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);

static gboolean is_engine(const void *caller) {
  return (guintptr)caller >= engine_begin && (guintptr)caller < engine_end;
}

/* Puts `next` in the place of `old`, where that is. */
static void change_block(gpointer old, gpointer next) {
  for (guint i = 0; i < G_N_ELEMENTS(engine_block); i++)
    if (g_atomic_pointer_get(&engine_block[i]) == old &&
        g_atomic_pointer_compare_and_exchange(&engine_block[i], old, next))
      return;
}

static void *counted(const void *caller, void *block) {
  if (block && is_engine(caller))
    change_block(NULL, block);
  return block;
}

#define HERE __builtin_return_address(0)
#define REFUSED (is_engine(HERE) && is_due(MEMORY))

void *malloc(size_t size) {
  return REFUSED ? NULL : counted(HERE, __libc_malloc(size));
}

void *calloc(size_t count, size_t size) {
  return REFUSED ? NULL : counted(HERE, __libc_calloc(count, size));
}

void *aligned_alloc(size_t alignment, size_t size) {
  return REFUSED ? NULL : counted(HERE, __libc_memalign(alignment, size));
}

char *strdup(const char *text) {
  const size_t size = strlen(text) + 1;
  char *copy = REFUSED ? NULL : counted(HERE, __libc_malloc(size));
  return copy ? memcpy(copy, text, size) : NULL;
}

void free(void *block) {
  if (block && engine_begin)
    change_block(block, NULL);
  __libc_free(block);
}

void *mmap64(void *address, size_t size, int protection, int flags, int file, off_t offset) {
  if (REFUSED) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return (void *)syscall(SYS_mmap, address, size, protection, flags, file, offset);
}
#endif
#pragma GCC visibility pop

static guint count_blocks(void) {
  guint n = 0;
  for (guint i = 0; i < G_N_ELEMENTS(engine_block); i++)
    n += engine_block[i] != NULL;
  return n;
}

static int find_engine(struct dl_phdr_info *info, size_t size, void *data) {
  if (!strstr(info->dlpi_name, "/libresnet18.so"))
    return 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = &info->dlpi_phdr[i];
    if (part->p_type == PT_LOAD && (part->p_flags & PF_X)) {
      engine_begin = info->dlpi_addr + part->p_vaddr;
      engine_end = engine_begin + part->p_memsz;
    }
  }
  return 1;
}

/* ---- The element ---------------------------------------------------------------------------------------- */

/* Whether it starts with the nth call failing; if not, an error of the element says why. */
static gboolean starts(const gchar *description, Want kind, guint nth) {
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch(description, &error);
  assert_null(error);
  GstBus *bus = gst_element_get_bus(pipeline);
  GstElement *element = gst_bin_get_by_name(GST_BIN(pipeline), "classify");
  calls = 0;
  wanted_call = (gint)nth;
  g_atomic_int_set(&want, kind);
  const gboolean good = gst_element_set_state(element, GST_STATE_PAUSED) != GST_STATE_CHANGE_FAILURE;
  g_atomic_int_set(&want, NOTHING);
  GstMessage *message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
  assert_true((message == NULL) == good);
  if (message) {
    gst_message_parse_error(message, &error, NULL);
    assert_true(strlen(error->message) > 10);
    g_clear_error(&error);
    gst_message_unref(message);
  }
  gst_element_set_state(element, GST_STATE_NULL);
  gst_object_unref(element);
  gst_object_unref(bus);
  gst_object_unref(pipeline);
  return good;
}

/* Each call of a start fails once. The element starts nevertheless only where there is another way. */
static void try_each(const gchar *description, Want kind, guint tolerated) {
  guint failed = 0;
  assert_true(starts(description, kind, 0));
  const gint n = calls;
  const guint held = count_blocks();
  for (gint nth = 1; nth <= n; nth++) {
    failed += !starts(description, kind, (guint)nth);
    assert_int_equal(count_blocks(), held);
  }
  print_message("%s: %d calls, %u of them make the start fail\n", description, n, failed);
  assert_true(n > 0 && failed + tolerated >= (guint)n);
  assert_true(starts(description, NOTHING, 0));
}

static void no_memory(void **state) {
  if (!OWN_ALLOCATOR)
    skip();
  assert_int_equal(dl_iterate_phdr(find_engine, NULL), 1); /* loaded with the plugin, by the test before */
  try_each("resnet18classify name=classify precision=int8 threads=1 ! fakesink", MEMORY, 0);
}

/* The team's threads, and the worker's. */
static void no_threads(void **state) {
  try_each("resnet18classify name=classify threads=3 ! fakesink", THREADS, 0);
}

/* The worker's thread that a second stream would get: the stream is served by the first one's. */
static void no_second_worker(void **state) {
  Rig *one = rig_new("mode=sync threads=1", "chelsea.png", RGB);
  assert_int_equal(rig_best(one), TIGER_CAT);
  calls = 0;
  wanted_call = 1;
  g_atomic_int_set(&want, THREADS);
  Rig *two = rig_new("mode=sync threads=1", "chelsea.png", RGB);
  g_atomic_int_set(&want, NOTHING);
  assert_int_equal(rig_best(two), TIGER_CAT);
  assert_int_equal(rig_best(one), TIGER_CAT);
  rig_free(two);
  rig_free(one);
}

/* Weights that are changed while playing are read by a thread: without one the old ones stay, which is said, and the
 * next change is tried anew. */
static void no_thread_for_new_weights(void **state) {
  gchar *weights = g_build_filename(g_getenv("RESNET18_WEIGHTS_DIR"), "resnet18.safetensors", NULL), *text = NULL;
  GError *error = NULL;
  Rig *rig = rig_new("mode=sync threads=1", "chelsea.png", RGB);
  GstStructure *result;
  assert_int_equal(rig_best(rig), TIGER_CAT);
  calls = 0;
  wanted_call = 1;
  g_atomic_int_set(&want, THREADS);
  g_object_set(rig->element, "weights", weights, NULL);
  assert_int_equal(rig_best(rig), TIGER_CAT);
  g_atomic_int_set(&want, NOTHING);
  rig_read_bus(rig);
  for (guint i = 0; i < rig->messages->len; i++)
    if (GST_MESSAGE_TYPE(rig->messages->pdata[i]) == GST_MESSAGE_WARNING) {
      assert_null(error);
      gst_message_parse_warning(rig->messages->pdata[i], &error, NULL);
    }
  assert_non_null(error);
  assert_non_null(strstr(error->message, "\"weights\""));
  assert_non_null(strstr(error->message, "thread"));
  g_clear_error(&error);
  g_object_get(rig->element, "weights", &text, NULL);
  assert_null(text);
  g_object_set(rig->element, "weights", weights, NULL);
  for (gboolean changed = FALSE; !changed; gst_structure_free(result)) {
    result = rig_result(rig);
    assert_int_equal(rig_class(result, 0), TIGER_CAT);
    changed = g_str_has_suffix(gst_structure_get_string(result, "model"), "resnet18.safetensors");
  }
  rig_free(rig);
  g_free(weights);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_threads),
      cmocka_unit_test(no_memory),
      cmocka_unit_test(no_second_worker),
      cmocka_unit_test(no_thread_for_new_weights),
  };
  gst_init(&argc, &argv);
  return cmocka_run_group_tests(tests, NULL, NULL);
}

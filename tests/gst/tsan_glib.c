/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tells ThreadSanitizer what GLib's locks and counts of references do. GLib makes them of atomics and futexes in code
 * that is not instrumented, so that everything they protect would look like a race. These functions take the place of
 * GLib's for the whole process, libgstreamer's calls included; only what GLib calls inside itself is not seen. */
#include <dlfcn.h>
#include <glib-object.h>
#include <gst/gst.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);

static void *next(const char *name) {
  void *function = dlsym(RTLD_NEXT, name);
  if (!function)
    g_error("there is no %s", name);
  return function;
}

/* A function of GLib's: `type` and the type of its only pointer, looked up once. */
#define NEXT(type, name, ...)                                                                                          \
  static type (*real)(__VA_ARGS__);                                                                                    \
  if (!real)                                                                                                           \
  real = (type(*)(__VA_ARGS__))next(name)

void g_mutex_lock(GMutex *mutex) {
  NEXT(void, "g_mutex_lock", GMutex *);
  real(mutex);
  __tsan_acquire(mutex);
}

gboolean g_mutex_trylock(GMutex *mutex) {
  NEXT(gboolean, "g_mutex_trylock", GMutex *);
  const gboolean locked = real(mutex);
  if (locked)
    __tsan_acquire(mutex);
  return locked;
}

void g_mutex_unlock(GMutex *mutex) {
  NEXT(void, "g_mutex_unlock", GMutex *);
  __tsan_release(mutex);
  real(mutex);
}

void g_rec_mutex_lock(GRecMutex *mutex) {
  NEXT(void, "g_rec_mutex_lock", GRecMutex *);
  real(mutex);
  __tsan_acquire(mutex);
}

gboolean g_rec_mutex_trylock(GRecMutex *mutex) {
  NEXT(gboolean, "g_rec_mutex_trylock", GRecMutex *);
  const gboolean locked = real(mutex);
  if (locked)
    __tsan_acquire(mutex);
  return locked;
}

void g_rec_mutex_unlock(GRecMutex *mutex) {
  NEXT(void, "g_rec_mutex_unlock", GRecMutex *);
  __tsan_release(mutex);
  real(mutex);
}

/* A wait lets go of the lock and takes it again. */
void g_cond_wait(GCond *cond, GMutex *mutex) {
  NEXT(void, "g_cond_wait", GCond *, GMutex *);
  __tsan_release(mutex);
  real(cond, mutex);
  __tsan_acquire(mutex);
}

gboolean g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end) {
  NEXT(gboolean, "g_cond_wait_until", GCond *, GMutex *, gint64);
  __tsan_release(mutex);
  const gboolean woken = real(cond, mutex, end);
  __tsan_acquire(mutex);
  return woken;
}

/* Whoever gives the last reference back sees what the others did before they gave theirs. */
void g_object_unref(gpointer object) {
  NEXT(void, "g_object_unref", gpointer);
  __tsan_acquire(object);
  __tsan_release(object);
  real(object);
}

void gst_object_unref(gpointer object) {
  NEXT(void, "gst_object_unref", gpointer);
  __tsan_acquire(object);
  __tsan_release(object);
  real(object);
}

void gst_mini_object_unref(GstMiniObject *object) {
  NEXT(void, "gst_mini_object_unref", GstMiniObject *);
  __tsan_acquire(object);
  __tsan_release(object);
  real(object);
}

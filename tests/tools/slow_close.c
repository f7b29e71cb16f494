/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preloaded: gdk-pixbuf's loader takes its time to close, so that a pipeline that failed is taken down meanwhile. */
#include <dlfcn.h>
#include <unistd.h>

int gdk_pixbuf_loader_close(void *loader, void **error);

int gdk_pixbuf_loader_close(void *loader, void **error) {
  int (*close_loader)(void *, void **) = NULL;
  /* By name: the plugin's libraries are not among those that RTLD_NEXT searches. */
  *(void **)&close_loader = dlsym(dlopen("libgdk_pixbuf-2.0.so.0", RTLD_NOW), "gdk_pixbuf_loader_close");
  const int closed = close_loader(loader, error);
  usleep(100000);
  return closed;
}

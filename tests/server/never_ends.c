/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preloaded: a pipeline that is to be stopped never is, as a source that has locked itself up. */
#include <dlfcn.h>
#include <gst/gst.h>
#include <unistd.h>

__attribute__((visibility("default"))) GstStateChangeReturn gst_element_set_state(GstElement *element, GstState state) {
  GstStateChangeReturn (*set_state)(GstElement *, GstState) = NULL;
  while (state == GST_STATE_NULL && GST_IS_PIPELINE(element))
    pause();
  *(void **)&set_state = dlsym(RTLD_NEXT, "gst_element_set_state");
  return set_state(element, state);
}

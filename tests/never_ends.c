/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preloaded: what is to be stopped never is, as a source that has locked itself up: pipelines, or the elements that a
 * factory has made, which RESNET18_NEVER_ENDS names. */
#include <dlfcn.h>
#include <gst/gst.h>
#include <unistd.h>

static gboolean never_ends(GstElement *element) {
  const gchar *wanted = g_getenv("RESNET18_NEVER_ENDS");
  GstElementFactory *factory = gst_element_get_factory(element);
  return wanted ? factory && g_str_equal(GST_OBJECT_NAME(factory), wanted) : GST_IS_PIPELINE(element);
}

__attribute__((visibility("default"))) GstStateChangeReturn gst_element_set_state(GstElement *element, GstState state) {
  GstStateChangeReturn (*set_state)(GstElement *, GstState) = NULL;
  while (state == GST_STATE_NULL && never_ends(element))
    pause();
  *(void **)&set_state = dlsym(RTLD_NEXT, "gst_element_set_state");
  return set_state(element, state);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What further elements cost in memory: resident bytes of this process with 1 and with 16 elements that have classified
 * a frame each, in both precisions.
 *
 * usage: elements_memory [PROPERTIES] */
#include "measure.h"

#include <gst/check/gstharness.h>

enum { ELEMENTS = 16, SIDE = 224 };

static GstHarness *add_element(const gchar *properties, const gchar *precision) {
  gchar *text = g_strdup_printf("resnet18classify mode=sync precision=%s %s", precision, properties);
  GError *error = NULL;
  GstElement *element = gst_parse_launch(text, &error);
  GstHarness *harness;
  if (error)
    g_error("%s: %s", text, error->message);
  harness = gst_harness_new_with_element(gst_object_ref_sink(element), "sink", "src");
  gst_object_unref(element);
  gst_harness_set_src_caps_str(harness, "video/x-raw,format=RGB,width=224,height=224,framerate=25/1");
  g_free(text);
  return harness;
}

static void classify(GstHarness *harness) {
  GstBuffer *buffer = gst_buffer_new_allocate(NULL, SIDE * SIDE * 3, NULL);
  gst_buffer_memset(buffer, 0, 128, SIDE * SIDE * 3);
  GST_BUFFER_PTS(buffer) = 0;
  gst_buffer_unref(gst_harness_push_and_pull(harness, buffer));
}

static void measure(const gchar *properties, const gchar *precision) {
  GstHarness *harness[ELEMENTS];
  gsize one, all;
  harness[0] = add_element(properties, precision);
  classify(harness[0]);
  one = measure_rss();
  for (guint i = 1; i < ELEMENTS; i++)
    harness[i] = add_element(properties, precision);
  for (guint i = 0; i < ELEMENTS; i++)
    classify(harness[i]);
  all = measure_rss();
  g_print("%s: 1 element %.1f MB, %d elements %.1f MB, each further one %.2f MB\n", precision, (double)one / 1e6,
          ELEMENTS, (double)all / 1e6, ((double)all - (double)one) / 1e6 / (ELEMENTS - 1));
  for (guint i = 0; i < ELEMENTS; i++)
    gst_harness_teardown(harness[i]);
}

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  measure_print_machine();
  measure(argc > 1 ? argv[1] : "", "int8");
  measure(argc > 1 ? argv[1] : "", "fp32");
  return 0;
}

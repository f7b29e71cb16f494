/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pipeline of a camera. */
#include "camera_pipeline.h"

#include <string.h>

/* Frames a second and pixels of a side, for those who look. */
enum { RATE = 10, SIDE = 960 };
/* How long a quick one waits for a first packet. */
enum { UDP_SECONDS = 3 };

char *camera_pipeline_target_name(guint i) {
  return g_strdup_printf("target-%u", i);
}

static void link_video(GstElement *source, GstPad *pad, gpointer user) {
  GstElement *first = user;
  GstPad *sink = gst_element_get_static_pad(first, "sink");
  GstCaps *caps = gst_pad_get_current_caps(pad);
  if (caps && g_str_has_prefix(gst_structure_get_name(gst_caps_get_structure(caps, 0)), "video/") &&
      !gst_pad_is_linked(sink))
    gst_pad_link(pad, sink);
  gst_clear_caps(&caps);
  gst_object_unref(sink);
}

static gboolean is_rtsp(GstElement *source) {
  return g_object_class_find_property(G_OBJECT_GET_CLASS(source), "protocols") &&
         g_object_class_find_property(G_OBJECT_GET_CLASS(source), "latency");
}

gboolean camera_pipeline_misses_udp(GstMessage *warning) {
  GstObject *source = GST_MESSAGE_SRC(warning);
  GError *error = NULL;
  gchar *debug = NULL;
  gst_message_parse_warning(warning, &error, &debug);
  /* It has the same code for a camera that hangs up; this text is not translated. */
  const gboolean found =
      GST_IS_ELEMENT(source) && is_rtsp(GST_ELEMENT(source)) && debug && strstr(debug, "UDP packets");
  g_error_free(error);
  g_free(debug);
  return found;
}

static void set_up_source(GstElement *decoder, GstElement *source, gpointer user) {
  const camera_spec *spec = user;
  const camera_approach *approach = g_object_get_data(G_OBJECT(decoder), "approach");
  if (!is_rtsp(source))
    return;
  if (spec->transport)
    gst_util_set_object_arg(G_OBJECT(source), "protocols", spec->transport);
  else if (approach->tcp)
    gst_util_set_object_arg(G_OBJECT(source), "protocols", "tcp");
  if (spec->latency >= 0)
    g_object_set(source, "latency", (guint)spec->latency, NULL);
  if (g_object_class_find_property(G_OBJECT_GET_CLASS(source), "tcp-timeout"))
    g_object_set(source, "tcp-timeout", (guint64)(approach->answer * G_USEC_PER_SEC), NULL);
  /* By UDP, after which it tries TCP. */
  if (spec->supervision.manner == RETRY_QUICK)
    g_object_set(source, "timeout", (guint64)UDP_SECONDS * G_USEC_PER_SEC, NULL);
}

static void set_properties(GstElement *element, const GArray *properties) {
  for (guint i = 0; i < properties->len; i++) {
    const spec_property *p = &g_array_index(properties, spec_property, i);
    const GParamSpec *kind = g_object_class_find_property(G_OBJECT_GET_CLASS(element), p->name);
    if (kind && kind->value_type == G_TYPE_STRING)
      g_object_set(element, p->name, p->value, NULL);
    else
      gst_util_set_object_arg(G_OBJECT(element), p->name, p->value);
  }
}

static void configure(GstElement *pipeline, camera_spec *spec, const camera_approach *approach) {
  GstElement *source = gst_bin_get_by_name(GST_BIN(pipeline), "source");
  GstElement *first = gst_bin_get_by_name(GST_BIN(pipeline), "first");
  GstElement *classify = gst_bin_get_by_name(GST_BIN(pipeline), "classify");
  g_signal_connect(source, "pad-added", G_CALLBACK(link_video), first);
  g_object_set_data_full(G_OBJECT(source), "approach", g_memdup2(approach, sizeof *approach), g_free);
  g_signal_connect(source, "source-setup", G_CALLBACK(set_up_source), spec);
  g_object_set(source, "uri", spec->uri, NULL);
  gst_util_set_object_arg(G_OBJECT(classify), "post-messages", "all");
  set_properties(classify, spec->classify);
  for (guint i = 0; i < spec->targets->len; i++) {
    const spec_target *target = spec->targets->pdata[i];
    char *name = camera_pipeline_target_name(i);
    GstElement *publish = gst_bin_get_by_name(GST_BIN(pipeline), name);
    set_properties(publish, target->properties);
    gst_object_unref(publish);
    g_free(name);
  }
  gst_object_unref(source);
  gst_object_unref(first);
  gst_object_unref(classify);
}

/* The valve lets the end of the stream through, which would be dropped with the frames otherwise. */
static char *describe(const camera_spec *spec) {
  const bool pace = g_str_has_prefix(spec->uri, "file:") || g_str_has_prefix(spec->uri, "http");
  GString *text = g_string_new(NULL);
  g_string_printf(text,
                  "uridecodebin name=source videoconvert name=first ! clocksync name=clock sync=%s ! "
                  "resnet18classify name=classify ! ",
                  pace ? "true" : "false");
  for (guint i = 0; i < spec->targets->len; i++) {
    char *name = camera_pipeline_target_name(i);
    g_string_append_printf(text, "resnet18publish name=%s ! ", name);
    g_free(name);
  }
  g_string_append_printf(text,
                         "valve name=valve drop=true drop-mode=forward-sticky-events ! videorate max-rate=%d "
                         "drop-only=true skip-to-first=true ! "
                         "videoscale ! video/x-raw,width=[1,%d],height=[1,%d],pixel-aspect-ratio=1/1 ! videoconvert ! "
                         "jpegenc quality=80 ! appsink name=sink sync=false async=false max-buffers=1 drop=true",
                         RATE, SIDE, SIDE);
  return g_string_free(text, FALSE);
}

GstElement *camera_pipeline_new(const camera_spec *spec, camera_approach approach, GError **error) {
  char *text = describe(spec);
  GstElement *pipeline = gst_parse_launch(text, error);
  g_free(text);
  if (*error) {
    g_clear_pointer(&pipeline, gst_object_unref);
    return NULL;
  }
  configure(pipeline, (camera_spec *)spec, &approach);
  return pipeline;
}

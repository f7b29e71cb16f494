/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A detector for tests: marks the left and the right half of each frame. */
#include <gst/base/gstbasetransform.h>
#include <gst/video/video.h>

typedef GstBaseTransform Halves;
typedef GstBaseTransformClass HalvesClass;
GType halves_get_type(void);
G_DEFINE_TYPE(Halves, halves, GST_TYPE_BASE_TRANSFORM)

static GstFlowReturn halves_transform_ip(GstBaseTransform *trans, GstBuffer *buffer) {
  GstCaps *caps = gst_pad_get_current_caps(GST_BASE_TRANSFORM_SINK_PAD(trans));
  GstVideoInfo info;
  if (gst_video_info_from_caps(&info, caps)) {
    const guint half = (guint)GST_VIDEO_INFO_WIDTH(&info) / 2, height = (guint)GST_VIDEO_INFO_HEIGHT(&info);
    for (guint i = 0; i < 2; i++)
      gst_buffer_add_video_region_of_interest_meta(buffer, "half", i * half, 0, half, height)->id = (gint)i + 1;
  }
  gst_caps_unref(caps);
  return GST_FLOW_OK;
}

static void halves_class_init(HalvesClass *klass) {
  GstCaps *caps = gst_caps_new_empty_simple("video/x-raw");
  gst_element_class_set_static_metadata(GST_ELEMENT_CLASS(klass), "Halves", "Filter/Analyzer/Video",
                                        "Marks both halves of each frame", "The resnet18classify developers");
  gst_element_class_add_pad_template(GST_ELEMENT_CLASS(klass),
                                     gst_pad_template_new("sink", GST_PAD_SINK, GST_PAD_ALWAYS, caps));
  gst_element_class_add_pad_template(GST_ELEMENT_CLASS(klass),
                                     gst_pad_template_new("src", GST_PAD_SRC, GST_PAD_ALWAYS, caps));
  gst_caps_unref(caps);
  klass->transform_ip = halves_transform_ip;
}

static void halves_init(Halves *self) {
}

static gboolean plugin_init(GstPlugin *plugin) {
  return gst_element_register(plugin, "halves", GST_RANK_NONE, halves_get_type());
}

#define PACKAGE "halves"
GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, halves, "A detector for tests", plugin_init, "0", "LGPL",
                  PACKAGE, "https://gstreamer.freedesktop.org/")

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plugin resnet18: what GStreamer loads. */
#include "gstresnet18classify.h"
#include "gstresnet18publish.h"
#include "metadata.h"

GST_DEBUG_CATEGORY(gst_resnet18_classify_debug);
GST_DEBUG_CATEGORY(gst_resnet18_publish_debug);

static gboolean plugin_init(GstPlugin *plugin) {
  GST_DEBUG_CATEGORY_INIT(gst_resnet18_classify_debug, "resnet18classify", 0, "ResNet-18 image classification");
  GST_DEBUG_CATEGORY_INIT(gst_resnet18_publish_debug, "resnet18publish", 0, "ResNet-18 result writer");
  gst_resnet18_metadata_register();
  return gst_element_register(plugin, "resnet18classify", GST_RANK_NONE, GST_TYPE_RESNET18_CLASSIFY) &&
         gst_element_register(plugin, "resnet18publish", GST_RANK_NONE, GST_TYPE_RESNET18_PUBLISH);
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, resnet18, "ResNet-18 image classification on the CPU",
                  plugin_init, VERSION, "LGPL", "resnet18classify", "https://gstreamer.freedesktop.org/")

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The element resnet18publish. */
#ifndef GST_RESNET18_PUBLISH_H
#define GST_RESNET18_PUBLISH_H

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_RESNET18_PUBLISH (gst_resnet18_publish_get_type())
G_DECLARE_FINAL_TYPE(GstResnet18Publish, gst_resnet18_publish, GST, RESNET18_PUBLISH, GstBaseTransform)

G_END_DECLS

#endif

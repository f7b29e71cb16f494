/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The element resnet18classify. */
#ifndef GST_RESNET18_CLASSIFY_H
#define GST_RESNET18_CLASSIFY_H

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_RESNET18_CLASSIFY (gst_resnet18_classify_get_type())
G_DECLARE_FINAL_TYPE(GstResnet18Classify, gst_resnet18_classify, GST, RESNET18_CLASSIFY, GstBaseTransform)

G_END_DECLS

#endif

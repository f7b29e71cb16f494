/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the element says on the bus. No function here may be called with a lock held. */
#ifndef GST_RESNET18_MESSAGES_H
#define GST_RESNET18_MESSAGES_H

#include "resnet18.h"

#include <gst/gst.h>

G_BEGIN_DECLS

/* An error or a warning about a property, with the engine's reason. */
void gst_resnet18_post_error(GstElement *element, const gchar *property, const resnet18_error *error);
void gst_resnet18_post_warning(GstElement *element, const gchar *property, const resnet18_error *error);

void gst_resnet18_post_result(GstElement *element, const GstStructure *result);

G_END_DECLS

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A result as one line of JSON: the keys in a fixed order, null where a result lacks the field. */
#ifndef GST_RESNET18_RESULT_JSON_H
#define GST_RESNET18_RESULT_JSON_H

#include "resnet18meta.h"

G_BEGIN_DECLS

/* Appends the object's members without the braces ("model":"built-in","pts":0,...), for a caller that adds its own. */
void gst_resnet18_json_append_members(GString *json, const GstStructure *result);

/* Appends a string in quotes, with what JSON wants escaped; bytes that are not UTF-8 become U+FFFD. */
void gst_resnet18_json_append_string(GString *json, const gchar *string);

G_END_DECLS

#endif

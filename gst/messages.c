/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the element says on the bus. */
#include "messages.h"

typedef struct {
  GQuark domain;
  gint code;
} Code;

static Code code_for(resnet18_status status) {
  switch (status) {
  case RESNET18_ERROR_IO:
    return (Code){GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ};
  case RESNET18_ERROR_FORMAT:
    return (Code){GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ};
  case RESNET18_ERROR_ARGUMENT:
    return (Code){GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS};
  case RESNET18_ERROR_UNSUPPORTED:
    return (Code){GST_STREAM_ERROR, GST_STREAM_ERROR_NOT_IMPLEMENTED};
  case RESNET18_ERROR_MEMORY:
    return (Code){GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT};
  default:
    return (Code){GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT};
  }
}

static void post(GstElement *element, GstMessageType type, const gchar *property, const resnet18_error *error) {
  Code code = code_for(error->status);
  gchar *name = gst_object_get_name(GST_OBJECT(element));
  gchar *text = property ? g_strdup_printf("%s: property \"%s\": %s", name, property, error->message)
                         : g_strdup_printf("%s: %s", name, error->message);
  gst_element_message_full(element, type, code.domain, code.code, text, NULL, __FILE__, GST_FUNCTION, __LINE__);
  g_free(name);
}

void gst_resnet18_post_error(GstElement *element, const gchar *property, const resnet18_error *error) {
  post(element, GST_MESSAGE_ERROR, property, error);
}

void gst_resnet18_post_warning(GstElement *element, const gchar *property, const resnet18_error *error) {
  post(element, GST_MESSAGE_WARNING, property, error);
}

void gst_resnet18_post_result(GstElement *element, const GstStructure *result) {
  gst_element_post_message(element, gst_message_new_element(GST_OBJECT(element), gst_structure_copy(result)));
}

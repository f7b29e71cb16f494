/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading what resnet18classify found, from the buffers, messages and signals of a pipeline.
 *
 * A result is a GstStructure named GST_RESNET18_RESULT; it is the same in the meta of a buffer, in an element
 * message (gst_message_get_structure) and in the signal "classified". Its fields:
 *
 *   model           string     path of the weights, or "built-in"
 *   pts             uint64     of the frame that was classified, in ns; this and the next three are left out where
 *   running-time    uint64     the frame did not have them
 *   stream-time     uint64
 *   duration        uint64
 *   age             uint64     ns from the classified frame to the one that carries the result; 0 = its own
 *   inference-time  uint64     ns of the forward pass
 *   roi             structure  id (int), x, y, w, h (int, pixels); only where a part of the frame was classified
 *   classes         GstValueArray of structures, best first: index (uint), wnid (string), label (string),
 *                   score (double, 0..1)
 *   group           structure  label (string), score (double); only where groups were asked for
 *   uncertainty     double     normalised entropy of the scores: 0 = certain, 1 = all classes alike
 *   unknown         boolean    the picture shows none of the classes as far as the network can tell
 *   event           string     "entered", "left" or "changed": the first class is another than before, and reached the
 *                              threshold, or none does any more; only on the result that brought it about
 *   previous        structure  with "left" and "changed": the class before, with its score now
 *   cam             GstValueArray of 49 doubles, row after row: where in the picture the best class is, 0..1;
 *                   only where the class activation map was asked for
 */
#ifndef GST_RESNET18_META_H
#define GST_RESNET18_META_H

#include <gst/gst.h>

G_BEGIN_DECLS

#if defined(__GNUC__)
#define GST_RESNET18_API __attribute__((visibility("default")))
#else
#define GST_RESNET18_API
#endif

/* Name of the structure, and of the custom meta (gst_buffer_get_custom_meta) that carries it. */
#define GST_RESNET18_RESULT "GstResnet18Result"

/**
 * GstResnet18Class:
 * @index: position in the list of classes
 * @wnid: WordNet id such as "n02123159", or ""
 * @label: the class's name
 * @score: probability, 0..1
 *
 * One class of a result. The strings belong to the result.
 */
typedef struct {
  guint index;
  const gchar *wnid;
  const gchar *label;
  gdouble score;
} GstResnet18Class;

/**
 * gst_resnet18_buffer_get_result:
 * @buffer: a buffer that has passed resnet18classify
 * @nth: 0 for the first result of the buffer, and so on
 *
 * Returns: (transfer none) (nullable): the result, which lives as long as the buffer, or %NULL if the buffer has no
 * such result
 */
GST_RESNET18_API
const GstStructure *gst_resnet18_buffer_get_result(GstBuffer *buffer, guint nth);

/**
 * gst_resnet18_message_get_result:
 * @message: a message from the bus
 *
 * Returns: (transfer none) (nullable): the result, which lives as long as the message, or %NULL if the message is not
 * one of resnet18classify's
 */
GST_RESNET18_API
const GstStructure *gst_resnet18_message_get_result(GstMessage *message);

/**
 * gst_resnet18_result_get_n_classes:
 * @result: a result
 *
 * Returns: how many classes the result names; 0 if none reached the threshold
 */
GST_RESNET18_API
guint gst_resnet18_result_get_n_classes(const GstStructure *result);

/**
 * gst_resnet18_result_get_class:
 * @result: a result
 * @nth: 0 for the best class
 * @out: (out caller-allocates): receives the class
 *
 * Returns: whether the result has so many classes
 */
GST_RESNET18_API
gboolean gst_resnet18_result_get_class(const GstStructure *result, guint nth, GstResnet18Class *out);

/**
 * gst_resnet18_result_get_label:
 * @result: a result
 *
 * Returns: (nullable): the best class's name, or %NULL if the result names none
 */
GST_RESNET18_API
const gchar *gst_resnet18_result_get_label(const GstStructure *result);

/**
 * gst_resnet18_result_get_score:
 * @result: a result
 *
 * Returns: the best class's score, or 0 if the result names none
 */
GST_RESNET18_API
gdouble gst_resnet18_result_get_score(const GstStructure *result);

/**
 * gst_resnet18_result_get_roi:
 * @result: a result
 * @id: (out) (optional): the region's id
 * @x: (out) (optional): left edge in pixels
 * @y: (out) (optional): upper edge in pixels
 * @w: (out) (optional): width in pixels
 * @h: (out) (optional): height in pixels
 *
 * Returns: whether the result is about a part of the frame
 */
GST_RESNET18_API
gboolean gst_resnet18_result_get_roi(const GstStructure *result, gint *id, gint *x, gint *y, gint *w, gint *h);

/**
 * gst_resnet18_result_to_json:
 * @result: a result
 *
 * Returns: (transfer full): the result as one JSON object on one line, without the line's end
 */
GST_RESNET18_API
gchar *gst_resnet18_result_to_json(const GstStructure *result);

G_END_DECLS

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the properties weights, labels and threads come to: a pool, the element's stream in it, and the labels. Opened
 * and validated as one, so that it can be replaced in one step. */
#ifndef GST_RESNET18_ENGINE_H
#define GST_RESNET18_ENGINE_H

#include "judge.h"
#include "pool.h"
#include "settings.h"

G_BEGIN_DECLS

typedef struct {
  GstResnet18Pool *pool;
  GstResnet18Stream *stream;
  GstResnet18Judge *judge; /* the stream's */
  resnet18_labels *labels;
  guint8 *groups; /* of each class */
  gchar *source;  /* of the weights, in UTF-8 */
  gsize classes;
  gchar *weights_path, *labels_path; /* as the properties had them */
} GstResnet18Engine;

/* NULL on failure: `error` is filled and *property names the property at fault. Blocks while files are read. */
GstResnet18Engine *gst_resnet18_engine_open(const GstResnet18Settings *settings, const gchar **property,
                                            resnet18_error *error);
/* Waits for the forward pass that is going on. NULL is allowed. */
void gst_resnet18_engine_close(GstResnet18Engine *engine);

/* Adds model, precision, kernels, threads and queue to the statistics. */
void gst_resnet18_engine_describe(const GstResnet18Engine *engine, GstStructure *stats);

G_END_DECLS

#endif

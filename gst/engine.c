/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What weights, labels and threads come to. */
#include "engine.h"
#include "groups.h"

static gboolean open_parts(GstResnet18Engine *engine, const GstResnet18Settings *settings, const gchar **property,
                           resnet18_error *error) {
  /* What is wrong with a precision that was asked for is that these weights or this CPU do not have it. */
  *property = "weights";
  engine->pool = gst_resnet18_pool_acquire(settings->weights, settings->precision, settings->threads, error);
  if (!engine->pool && error->status == RESNET18_ERROR_UNSUPPORTED)
    *property = "precision";
  if (!engine->pool)
    return FALSE;
  engine->source = g_filename_display_name(resnet18_model_source(gst_resnet18_pool_model(engine->pool)));
  engine->classes = resnet18_model_classes(gst_resnet18_pool_model(engine->pool));
  *property = "labels";
  if (resnet18_labels_load(settings->labels, engine->classes, &engine->labels, error) != RESNET18_OK)
    return FALSE;
  engine->groups = gst_resnet18_groups_of_labels(engine->labels, engine->classes);
  engine->judge =
      gst_resnet18_judge_new(gst_resnet18_pool_model(engine->pool), engine->labels, engine->groups, engine->source);
  engine->stream = gst_resnet18_stream_new(engine->pool, gst_resnet18_judge_job, engine->judge);
  return TRUE;
}

GstResnet18Engine *gst_resnet18_engine_open(const GstResnet18Settings *settings, const gchar **property,
                                            resnet18_error *error) {
  GstResnet18Engine *engine = g_new0(GstResnet18Engine, 1);
  engine->weights_path = g_strdup(settings->weights);
  engine->labels_path = g_strdup(settings->labels);
  if (open_parts(engine, settings, property, error))
    return engine;
  gst_resnet18_engine_close(engine);
  return NULL;
}

void gst_resnet18_engine_close(GstResnet18Engine *engine) {
  if (!engine)
    return;
  gst_resnet18_stream_free(engine->stream);
  gst_resnet18_judge_free(engine->judge);
  resnet18_labels_unref(engine->labels);
  if (engine->pool)
    gst_resnet18_pool_release(engine->pool);
  g_free(engine->groups);
  g_free(engine->source);
  g_free(engine->weights_path);
  g_free(engine->labels_path);
  g_free(engine);
}

void gst_resnet18_engine_describe(const GstResnet18Engine *engine, GstStructure *stats) {
  gboolean int8 = gst_resnet18_pool_precision(engine->pool) == RESNET18_PRECISION_INT8;
  gst_structure_set(stats, "queue", G_TYPE_UINT, gst_resnet18_stream_queued(engine->stream), "model", G_TYPE_STRING,
                    engine->source, "precision", G_TYPE_STRING, int8 ? "int8" : "fp32", "kernels", G_TYPE_STRING,
                    gst_resnet18_pool_kernels(engine->pool), "threads", G_TYPE_UINT,
                    gst_resnet18_pool_threads(engine->pool), NULL);
}

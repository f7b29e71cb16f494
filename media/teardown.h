/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ending a pipeline that may never end. */
#ifndef RESNET18_MEDIA_TEARDOWN_H
#define RESNET18_MEDIA_TEARDOWN_H

#include <gst/gst.h>

/* Sets the pipeline to NULL on a thread of its own, which has its own reference. Returns TRUE when that has ended
 * within `patience` microseconds; else the pipeline and its threads are left behind, and are given back should it still
 * end. `release` is called with `user`, from whatever thread, when it has: the pipeline's callbacks are not called any
 * more then. */
gboolean teardown_pipeline(GstElement *pipeline, gint64 patience, GDestroyNotify release, gpointer user);

#endif

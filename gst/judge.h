/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a forward pass to reports, with the memory of what was on the frames before. In the thread of the pool's worker,
 * so that it costs the frames no time. */
#ifndef GST_RESNET18_JUDGE_H
#define GST_RESNET18_JUDGE_H

#include "pool.h"

G_BEGIN_DECLS

typedef struct _GstResnet18Judge GstResnet18Judge;

/* Keeps references to neither: all must outlive it. `groups` of each class, as in groups.h; `source` of the weights. */
GstResnet18Judge *gst_resnet18_judge_new(resnet18_model *model, resnet18_labels *labels, const guint8 *groups,
                                         const gchar *source);
/* NULL is allowed. */
void gst_resnet18_judge_free(GstResnet18Judge *judge);

/* Fills job->report. One job of a stream after the other; a job of another generation than the last one's begins anew.
 * A GstResnet18JudgeFunc. */
void gst_resnet18_judge_job(gpointer judge, GstResnet18Job *job);

G_END_DECLS

#endif

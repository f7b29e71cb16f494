/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The inference pool: one a process for each model, precision and number of threads, shared by all elements that want
 * the same. Its workers own the sessions. Each element has a stream: at most one job of a stream is being worked on and
 * at most one waits, which a newer one replaces. Streams with a waiting job take turns. */
#ifndef GST_RESNET18_POOL_H
#define GST_RESNET18_POOL_H

#include "regions.h"
#include "report.h"
#include "track.h"

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct _GstResnet18Pool GstResnet18Pool;
typedef struct _GstResnet18Stream GstResnet18Stream;

/* The pictures of one frame, and what became of them. */
typedef struct {
  /* Set by the submitter. */
  guint n_pictures;           /* 1..GST_RESNET18_MAX_REGIONS */
  guint8 *rgb;                /* n_pictures x RESNET18_RGB_BYTES */
  GstResnet18Regions regions; /* one of each picture */
  gboolean want_features;     /* fill `features` */
  gboolean hurried;           /* the frame waits for it */
  guint heard;                /* the submitter's: which signals somebody listens to */
  GstResnet18Criteria criteria;
  GstClockTime pts, running_time, stream_time, duration;
  GstClockTime entered; /* monotonic, when the frame entered the element */

  /* Set by the pool. */
  gfloat *logits;                                      /* n_pictures x classes */
  gfloat *features;                                    /* n_pictures x 7 x 7 x 512, or NULL */
  GstClockTime inference_time;                         /* of the forward pass that this job was part of */
  GstClockTime finished;                               /* monotonic */
  GstResnet18Report *report[GST_RESNET18_MAX_REGIONS]; /* of each picture; NULL where it was taken away */
  guint generation;                                    /* the stream's, when it was submitted */
  guint room;                                          /* pictures for which memory is there */
  gboolean room_features;
  GList link; /* in the stream's queues */
} GstResnet18Job;

/* Monotonic time in ns. */
GstClockTime gst_resnet18_now(void);

/* Loads the model, or takes the one that another element loaded. `threads` 0 = as many as the machine gives. NULL and
 * `error` filled on failure. Blocks while the weights are read; not for a streaming thread. */
GstResnet18Pool *gst_resnet18_pool_acquire(const gchar *weights, resnet18_precision precision, guint threads,
                                           resnet18_error *error);
/* The last user's release ends the workers, which takes as long as a forward pass. */
void gst_resnet18_pool_release(GstResnet18Pool *pool);

resnet18_model *gst_resnet18_pool_model(GstResnet18Pool *pool);
resnet18_precision gst_resnet18_pool_precision(GstResnet18Pool *pool);
guint gst_resnet18_pool_threads(GstResnet18Pool *pool);
const gchar *gst_resnet18_pool_kernels(GstResnet18Pool *pool);
/* Of resnet18_session_warning: "" if there is nothing to say. */
const gchar *gst_resnet18_pool_warning(GstResnet18Pool *pool);
/* Duration of a forward pass when the pool was made. */
GstClockTime gst_resnet18_pool_pass_time(GstResnet18Pool *pool);

/* Makes the reports of a job that has been through the network. Called from a worker, for one job of a stream after the
 * other. */
typedef void (*GstResnet18JudgeFunc)(gpointer user, GstResnet18Job *job);

/* Holds no reference to the pool, which must outlive it. */
GstResnet18Stream *gst_resnet18_stream_new(GstResnet18Pool *pool, GstResnet18JudgeFunc judge, gpointer user);
/* Waits for the job that is being worked on. NULL is allowed. */
void gst_resnet18_stream_free(GstResnet18Stream *stream);

/* A job with room for `n_pictures`, to be submitted or recycled. Never waits for a worker. */
GstResnet18Job *gst_resnet18_stream_obtain(GstResnet18Stream *stream, guint n_pictures, gboolean want_features);
void gst_resnet18_stream_recycle(GstResnet18Stream *stream, GstResnet18Job *job);
/* Replaces the job that waits; returns whether there was one. */
gboolean gst_resnet18_stream_submit(GstResnet18Stream *stream, GstResnet18Job *job);
/* The oldest finished job, to be recycled; NULL if none. */
GstResnet18Job *gst_resnet18_stream_take(GstResnet18Stream *stream);
/* Waits until nothing of this stream waits or is being worked on. FALSE if it was interrupted. */
gboolean gst_resnet18_stream_wait(GstResnet18Stream *stream);
/* While interrupted, gst_resnet18_stream_wait returns at once. */
void gst_resnet18_stream_interrupt(GstResnet18Stream *stream, gboolean interrupted);
/* Forgets all jobs, finished, waiting or being worked on; returns how many there were. */
guint gst_resnet18_stream_flush(GstResnet18Stream *stream);
/* Jobs that wait: 0 or 1. */
guint gst_resnet18_stream_queued(GstResnet18Stream *stream);

G_END_DECLS

#endif

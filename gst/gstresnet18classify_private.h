/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The element's state, and what its files call of each other: gstresnet18classify.c (properties, caps, data flow),
 * intake.c (which frames are classified, reading them), findings.c (taking the results) and show.c (putting them on the
 * buffers). */
#ifndef GST_RESNET18_CLASSIFY_PRIVATE_H
#define GST_RESNET18_CLASSIFY_PRIVATE_H

#include "engine.h"
#include "frame.h"
#include "gstresnet18classify.h"
#include "loader.h"
#include "overlay.h"
#include "stats.h"
#include "still.h"

G_BEGIN_DECLS

/* Times of the frame that is passing. */
typedef struct {
  GstClockTime pts, running_time, duration;
  GstClockTime entered; /* monotonic */
} Moment;

/* What was found on the newest frame that was classified: a report for each region. */
typedef struct {
  GstResnet18Report *report[GST_RESNET18_MAX_REGIONS];
  GstResnet18Regions regions; /* n 0 = nothing */
  GstClockTime running_time, entered;
} Found;

struct _GstResnet18Classify {
  GstBaseTransform parent;
  GstPadChainFunction chain; /* the base class's */

  /* Guarded by the object lock. */
  GstResnet18Settings settings;
  resnet18_error refused;        /* of a property that was set before there was a bus */
  const gchar *refused_property; /* NULL: none */
  GstResnet18Engine *engine;     /* between start and stop; the streaming thread reads it without the lock */
  GstResnet18Loader *loader;     /* between start and stop */
  GstClockTime earliest;         /* running time before which frames come too late downstream */
  gboolean interrupted;          /* a flush or a stop is going on: nobody may wait for a result */
  GstClockTime latency;          /* declared in the sync mode */

  /* Atomic. */
  gint settings_serial;
  gint live;             /* upstream is */
  gint overlay_outdated; /* downstream may have changed its mind about overlay metas */

  /* The streaming thread's. */
  GstResnet18Settings now;
  gint now_serial;
  GstVideoInfo info;
  GstCaps *caps;
  GstResnet18Frame *frame;
  GstResnet18Overlay *overlay; /* made when first needed */
  gboolean overlay_stale;      /* the result or the style is not the one it shows */
  Found found;
  GstResnet18Job *spent; /* its result has been taken, and it is still to be counted and given back; NULL: none */
  GstResnet18Still still;
  Moment last;
  guint64 frames;      /* since the last break in the stream */
  GstClockTime due_at; /* not before, for max-rate; in running time, or monotonic where there is none */
  gboolean complained;
  GstClockTime slowest; /* of the last `n_slowest` classified frames */
  guint n_slowest;

  GstResnet18Stats *stats; /* has its own lock */
};

enum { SIGNAL_CLASSIFIED, SIGNAL_EVENT, N_SIGNALS };
extern guint gst_resnet18_classify_signals[N_SIGNALS];

/* gstresnet18classify.c. Frames wait for their results. */
gboolean gst_resnet18_classify_is_sync(GstResnet18Classify *self);
/* Posts a warning about a frame, once for each caps. No lock may be held. */
void gst_resnet18_classify_complain(GstResnet18Classify *self, const resnet18_error *error);

/* Of a frame, NONE where there is none. */
GstClockTime gst_resnet18_classify_stream_time(GstResnet18Classify *self, const Moment *moment);

/* intake.c. Classifies the passing frame if it is due, or begins to; counts what becomes of it. Whether it has waited
 * for its result. */
gboolean gst_resnet18_classify_take_in(GstResnet18Classify *self, GstBuffer *buffer, const Moment *moment);

/* findings.c. Takes the results that have come and says them where that was asked for. */
void gst_resnet18_classify_collect(GstResnet18Classify *self, const Moment *moment);
void gst_resnet18_classify_forget_result(GstResnet18Classify *self);
/* Counts the result that was taken and gives its job back, when no frame waits for that any more. */
void gst_resnet18_classify_settle(GstResnet18Classify *self);
/* Signals that somebody listens to, as 1 << SIGNAL_... Takes some microseconds, so it is asked for a frame that is
 * classified, not for one that comes upon its result. */
guint gst_resnet18_classify_heard(GstResnet18Classify *self);
/* Of the newest result, when the passing frame carries it. */
GstClockTime gst_resnet18_classify_age(GstResnet18Classify *self, const Moment *moment);

/* show.c. Puts the newest result on the buffer, which must be writable for that. */
void gst_resnet18_classify_show(GstResnet18Classify *self, GstBuffer *buffer, const Moment *moment);
/* What the next buffer may need, while there is none. */
void gst_resnet18_classify_prepare(GstResnet18Classify *self);

G_END_DECLS

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bounded queue of lines and the thread that writes them to a target. Offering a line never waits: when the queue is
 * full, the oldest line that waits is dropped. */
#ifndef GST_RESNET18_PUBLISHER_H
#define GST_RESNET18_PUBLISHER_H

#include "target.h"

G_BEGIN_DECLS

typedef struct _GstResnet18Publisher GstResnet18Publisher;

/* At any moment offered = written + dropped + waiting. */
typedef struct {
  guint64 offered, written, dropped;
  guint waiting;  /* in the queue or being written */
  guint reopened; /* how often the target was had again */
  gboolean is_open;
} GstResnet18PublisherCounts;

/* Called from the writing thread or gst_resnet18_publisher_new, without a lock, once for each time that the target goes
 * away or fails. */
typedef void (*GstResnet18PublisherTrouble)(gpointer user, const GError *error);

/* Opens the target, which becomes the publisher's. NULL and `error` filled if that fails; a target that is merely away
 * is tried again later. */
GstResnet18Publisher *gst_resnet18_publisher_new(GstResnet18Target *target, guint queue_size,
                                                 GstResnet18PublisherTrouble trouble, gpointer user, GError **error);
/* Drops what still waits. */
void gst_resnet18_publisher_free(GstResnet18Publisher *publisher);

/* Takes the line, which has its "\n". */
void gst_resnet18_publisher_offer(GstResnet18Publisher *publisher, GString *line);

/* Waits until all is written, at most `timeout`, after which the rest is dropped. FALSE if interrupted: then nothing is
 * dropped. */
gboolean gst_resnet18_publisher_drain(GstResnet18Publisher *publisher, GstClockTime timeout);
/* While interrupted, gst_resnet18_publisher_drain returns at once. */
void gst_resnet18_publisher_interrupt(GstResnet18Publisher *publisher, gboolean interrupted);

void gst_resnet18_publisher_count(GstResnet18Publisher *publisher, GstResnet18PublisherCounts *counts);

G_END_DECLS

#endif

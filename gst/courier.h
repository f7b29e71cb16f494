/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The target that is a message broker: lines go to a spool on disk, and a thread carries them from there to the broker,
 * in order, until the broker has acknowledged them. */
#ifndef GST_RESNET18_COURIER_H
#define GST_RESNET18_COURIER_H

#include "address.h"
#include "publisher.h"

G_BEGIN_DECLS

typedef struct _GstResnet18Courier GstResnet18Courier;

/* recovered + lines written to the target = sent + dropped + spooled, at any moment. */
typedef struct {
  guint64 recovered; /* found in the spool at the start */
  guint64 sent;      /* and acknowledged */
  guint64 spooled;   /* and not acknowledged */
  guint64 dropped;
  guint64 repeated; /* sent again, because the answer was lost with the connection */
  guint reopened;
  gboolean is_open;
} GstResnet18CourierCounts;

/* Loads the module of the address's kind; NULL and `error` filled if it is not there. Takes the address in any case.
 * `folder`: of the spool. `trouble` is called from a thread of its own. */
GstResnet18Courier *gst_resnet18_courier_new(GstResnet18Address *address, const gchar *folder, guint64 limit,
                                             GstResnet18PublisherTrouble trouble, gpointer user, GError **error);
/* For a publisher, which frees the courier by it. */
GstResnet18Target *gst_resnet18_courier_get_target(GstResnet18Courier *courier);

/* Waits until all is sent, at most `timeout`. What is not stays in the spool. */
void gst_resnet18_courier_drain(GstResnet18Courier *courier, GstClockTime timeout);
/* Ends the carrying; the counts are final then. */
void gst_resnet18_courier_stop(GstResnet18Courier *courier);
/* While interrupted, gst_resnet18_courier_drain returns at once. */
void gst_resnet18_courier_interrupt(GstResnet18Courier *courier, gboolean interrupted);

/* Never waits for the disk or the network. */
void gst_resnet18_courier_count(GstResnet18Courier *courier, GstResnet18CourierCounts *counts);

G_END_DECLS

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where resnet18publish's lines go. A target is used by one thread at a time, and never keeps that thread waiting for
 * longer than `cancel_fd` stays unreadable. */
#ifndef GST_RESNET18_TARGET_H
#define GST_RESNET18_TARGET_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef enum {
  GST_RESNET18_TARGET_OK,
  GST_RESNET18_TARGET_AWAY,     /* whoever reads is not there; may come back */
  GST_RESNET18_TARGET_FAILED,   /* `error` says what is wrong */
  GST_RESNET18_TARGET_CANCELLED /* only from `write` */
} GstResnet18TargetStatus;

typedef struct _GstResnet18Target GstResnet18Target;

struct _GstResnet18Target {
  /* `again` is false the first time; what is there already is kept when it is true. `error` is filled unless OK. Does
   * not wait. */
  GstResnet18TargetStatus (*open)(GstResnet18Target *target, gboolean again, GError **error);
  /* All of `line`, or an answer other than OK, after which the target must be closed; what was written of the line is
   * taken back where that is possible. `error` is filled on AWAY and FAILED. */
  GstResnet18TargetStatus (*write)(GstResnet18Target *target, const gchar *line, gsize length, gint cancel_fd,
                                   GError **error);
  /* A target that is not open is left alone. */
  void (*close)(GstResnet18Target *target);
  /* Closes too. */
  void (*free)(GstResnet18Target *target);
};

/* A pipe whose reader has gone, and a file that has reached the size that the process may write (ulimit -f), must end
 * the writing, not the process. For the calling thread; to be called first by each that writes. */
void gst_resnet18_target_block_signals(void);

/* `location`: "-" = standard output, "unix:PATH" = a stream socket that somebody listens on, else a file's path. NULL
 * and `error` filled if it is none of these. */
GstResnet18Target *gst_resnet18_target_new(const gchar *location, gboolean append, GError **error);

G_END_DECLS

#endif

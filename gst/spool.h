/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bounded first-in-first-out store of lines in a folder of its own, which outlives the process.
 *
 * Lines are numbered from 1 on and kept in segments, files that are only ever appended to. Each line has its length and
 * a CRC-32C before it; nothing of a file is believed before its check sum was right. What has been acknowledged is
 * noted in the file "position"; a segment whose lines are all acknowledged is deleted. When the bound is reached, or
 * the disk is full, the oldest segment goes and its lines count as dropped.
 *
 * A line that gst_resnet18_spool_append has taken survives the end of the process, however it ends. A power cut takes
 * what came after the last gst_resnet18_spool_sync.
 *
 * Not for several threads at once. */
#ifndef GST_RESNET18_SPOOL_H
#define GST_RESNET18_SPOOL_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct _GstResnet18Spool GstResnet18Spool;

/* The bound's smallest value. A segment is a sixteenth of the bound, at most 4 MiB, and no line may be longer. */
#define GST_RESNET18_SPOOL_SMALLEST (1u << 20)

/* recovered + appended = acknowledged + dropped + spooled. */
typedef struct {
  guint64 recovered; /* lines that were in the folder when it was opened */
  guint64 appended;
  guint64 spooled; /* in the folder, not acknowledged */
  guint64 dropped; /* for want of room, too long, or damaged */
} GstResnet18SpoolCounts;

typedef struct {
  guint64 number;
  guint64 salt; /* salt and number together name a line for ever: a number can come again after a power cut */
  const gchar *data;
  gsize length;
} GstResnet18SpoolLine;

/* Makes the folder if it is not there. NULL and `error` filled if that fails, or another spool has it open. */
GstResnet18Spool *gst_resnet18_spool_open(const gchar *folder, guint64 limit, GError **error);
void gst_resnet18_spool_free(GstResnet18Spool *spool);

/* FALSE: nothing is taken, and `error` says why. */
gboolean gst_resnet18_spool_append(GstResnet18Spool *spool, const gchar *data, gsize length, GError **error);

/* The line after the last one read; FALSE if there is none. `line->data` is valid until the next call. */
gboolean gst_resnet18_spool_next(GstResnet18Spool *spool, GstResnet18SpoolLine *line);
/* The next line read is the oldest one that is not acknowledged. */
void gst_resnet18_spool_rewind(GstResnet18Spool *spool);

/* All lines up to this number. */
void gst_resnet18_spool_acknowledge(GstResnet18Spool *spool, guint64 number);
/* Lines up to this one are in the folder no more: acknowledged or dropped. */
guint64 gst_resnet18_spool_floor(const GstResnet18Spool *spool);

/* FALSE: not everything is on the disk. */
gboolean gst_resnet18_spool_sync(GstResnet18Spool *spool);

void gst_resnet18_spool_count(const GstResnet18Spool *spool, GstResnet18SpoolCounts *counts);

G_END_DECLS

#endif

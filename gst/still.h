/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Telling a picture that stays the same from one that changes. */
#ifndef GST_RESNET18_STILL_H
#define GST_RESNET18_STILL_H

#include "pool.h"

G_BEGIN_DECLS

/* The last picture that was classified. Zero-initialise. */
typedef struct {
  guint8 *rgb; /* NULL before the first */
  GstResnet18Region region;
  gboolean answered; /* its result is the newest */
} GstResnet18Still;

void gst_resnet18_still_clear(GstResnet18Still *still);
/* Remembers the job's picture, if it has just one. */
void gst_resnet18_still_keep(GstResnet18Still *still, const GstResnet18Job *job);
/* Whether the job's picture is the remembered one but for less than `threshold` levels of 255 on average. */
gboolean gst_resnet18_still_is_same(const GstResnet18Still *still, const GstResnet18Job *job, gfloat threshold);

G_END_DECLS

#endif

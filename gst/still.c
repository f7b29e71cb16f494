/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Telling a picture that stays the same from one that changes. */
#include "still.h"

#include <string.h>

void gst_resnet18_still_clear(GstResnet18Still *still) {
  g_clear_pointer(&still->rgb, g_free);
  still->answered = FALSE;
}

void gst_resnet18_still_keep(GstResnet18Still *still, const GstResnet18Job *job) {
  if (job->n_pictures != 1) {
    gst_resnet18_still_clear(still);
    return;
  }
  if (!still->rgb)
    still->rgb = g_malloc(RESNET18_RGB_BYTES);
  memcpy(still->rgb, job->rgb, RESNET18_RGB_BYTES);
  still->region = job->regions.region[0];
  still->answered = FALSE;
}

/* Sum of absolute differences; at most 255 x RESNET18_RGB_BYTES, which fits. */
static guint32 difference(const guint8 *a, const guint8 *b) {
  guint32 sum = 0;
  for (gsize i = 0; i < RESNET18_RGB_BYTES; i++)
    sum += (guint32)ABS((gint)a[i] - (gint)b[i]);
  return sum;
}

static gboolean same_region(const GstResnet18Region *a, const GstResnet18Region *b) {
  return a->source == b->source && a->id == b->id && a->x == b->x && a->y == b->y && a->w == b->w && a->h == b->h;
}

gboolean gst_resnet18_still_is_same(const GstResnet18Still *still, const GstResnet18Job *job, gfloat threshold) {
  if (!still->rgb || job->n_pictures != 1 || !same_region(&still->region, &job->regions.region[0]))
    return FALSE;
  return (gfloat)difference(still->rgb, job->rgb) < threshold * RESNET18_RGB_BYTES;
}

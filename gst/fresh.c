/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Telling a new result from one that has been seen on an earlier frame. */
#include "fresh.h"
#include "resnet18meta.h"

/* FNV-1a. */
static guint64 mix(guint64 hash, const void *data, gsize length) {
  for (gsize i = 0; i < length; i++)
    hash = (hash ^ ((const guint8 *)data)[i]) * G_GUINT64_CONSTANT(0x100000001b3);
  return hash;
}

static guint64 hash_of(const GstStructure *result) {
  guint64 hash = G_GUINT64_CONSTANT(0xcbf29ce484222325);
  gint roi[5] = {0};
  gdouble uncertainty = 0;
  GstResnet18Class c;
  gst_resnet18_result_get_roi(result, &roi[0], &roi[1], &roi[2], &roi[3], &roi[4]);
  hash = mix(hash, roi, sizeof roi);
  for (guint i = 0; gst_resnet18_result_get_class(result, i, &c); i++) {
    hash = mix(hash, &c.index, sizeof c.index);
    hash = mix(hash, &c.score, sizeof c.score);
  }
  gst_structure_get_double(result, "uncertainty", &uncertainty);
  hash = mix(hash, &uncertainty, sizeof uncertainty);
  return hash;
}

static GstResnet18FreshKey key_of(const GstStructure *result, guint64 frame) {
  GstResnet18FreshKey key = {GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE, hash_of(result), frame};
  gst_structure_get_uint64(result, "pts", &key.pts);
  gst_structure_get_uint64(result, "inference-time", &key.inference_time);
  return key;
}

void gst_resnet18_fresh_next_frame(GstResnet18Fresh *fresh) {
  fresh->frame++;
}

/* A result that a frame took over because the picture stands still has that frame's time, but is the same forward
 * pass's: one after the other do not take the same time to the nanosecond and say the same to the last bit. */
static gboolean is_same(const GstResnet18FreshKey *seen, const GstResnet18FreshKey *key) {
  return seen->inference_time == key->inference_time && seen->said == key->said &&
         (seen->pts == key->pts || seen->frame + 1 >= key->frame);
}

gboolean gst_resnet18_fresh_check(GstResnet18Fresh *fresh, const GstStructure *result) {
  const GstResnet18FreshKey key = key_of(result, fresh->frame);
  for (guint i = 0; i < fresh->n; i++)
    if (is_same(&fresh->seen[i], &key)) {
      fresh->seen[i] = key;
      return FALSE;
    }
  fresh->seen[fresh->next] = key;
  fresh->next = (fresh->next + 1) % GST_RESNET18_FRESH_MEMORY;
  fresh->n = MIN(fresh->n + 1, GST_RESNET18_FRESH_MEMORY);
  return TRUE;
}

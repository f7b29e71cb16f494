/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Coarse groups of classes. */
#include "groups.h"

#include <stdlib.h>

static int compare(const void *key, const void *entry) {
  unsigned wnid = *(const unsigned *)key, other = ((const GstResnet18GroupEntry *)entry)->wnid;
  return (wnid > other) - (wnid < other);
}

static guint8 group_of(const gchar *wnid) {
  const GstResnet18GroupEntry *entry;
  unsigned number;
  if (!wnid || wnid[0] != 'n')
    return GST_RESNET18_NO_GROUP;
  number = (unsigned)g_ascii_strtoull(wnid + 1, NULL, 10);
  entry = bsearch(&number, gst_resnet18_group_table, gst_resnet18_group_table_size, sizeof *entry, compare);
  return entry ? entry->group : GST_RESNET18_NO_GROUP;
}

guint8 *gst_resnet18_groups_of_labels(resnet18_labels *labels, gsize classes) {
  guint8 *groups = g_new(guint8, classes);
  for (gsize i = 0; i < classes; i++)
    groups[i] = group_of(resnet18_labels_wnid(labels, i));
  return groups;
}

const gchar *gst_resnet18_groups_best(const guint8 *group_of_class, const gfloat *scores, gsize classes,
                                      gdouble *score) {
  gdouble sum[GST_RESNET18_NO_GROUP] = {0};
  gboolean any = FALSE;
  guint best = 0;
  for (gsize i = 0; i < classes; i++)
    if (group_of_class[i] != GST_RESNET18_NO_GROUP) {
      sum[group_of_class[i]] += scores[i];
      any = TRUE;
    }
  for (guint i = 1; i < gst_resnet18_group_count; i++)
    if (sum[i] > sum[best])
      best = i;
  *score = sum[best];
  return any ? gst_resnet18_group_names[best] : NULL;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Coarse groups of classes: dog, bird, vehicle, food ... by WordNet id. */
#ifndef GST_RESNET18_GROUPS_H
#define GST_RESNET18_GROUPS_H

#include "resnet18.h"

#include <glib.h>

G_BEGIN_DECLS

typedef struct {
  unsigned wnid;
  unsigned char group;
} GstResnet18GroupEntry;

/* The generated table, sorted by wnid. */
extern const char *const gst_resnet18_group_names[];
extern const unsigned gst_resnet18_group_count;
extern const GstResnet18GroupEntry gst_resnet18_group_table[];
extern const unsigned gst_resnet18_group_table_size;

/* The group of each class, GST_RESNET18_NO_GROUP where its label has no WordNet id that is known. Free with g_free. */
#define GST_RESNET18_NO_GROUP 255
guint8 *gst_resnet18_groups_of_labels(resnet18_labels *labels, gsize classes);

/* The group with the largest sum of scores; NULL if no class has a group. */
const gchar *gst_resnet18_groups_best(const guint8 *group_of_class, const gfloat *scores, gsize classes,
                                      gdouble *score);

G_END_DECLS

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The element's properties: their values, their descriptions, setting and reading them. */
#ifndef GST_RESNET18_SETTINGS_H
#define GST_RESNET18_SETTINGS_H

#include "regions.h"
#include "resnet18.h"
#include "track.h"

#include <gst/gst.h>

G_BEGIN_DECLS

typedef enum { GST_RESNET18_MODE_AUTO, GST_RESNET18_MODE_ASYNC, GST_RESNET18_MODE_SYNC } GstResnet18Mode;

typedef enum { GST_RESNET18_POST_NONE, GST_RESNET18_POST_CHANGES, GST_RESNET18_POST_ALL } GstResnet18Post;

typedef enum { GST_RESNET18_ROI_FRAME, GST_RESNET18_ROI_META } GstResnet18RoiSource;

typedef enum {
  GST_RESNET18_POSITION_TOP_LEFT,
  GST_RESNET18_POSITION_TOP,
  GST_RESNET18_POSITION_TOP_RIGHT,
  GST_RESNET18_POSITION_CENTER,
  GST_RESNET18_POSITION_BOTTOM_LEFT,
  GST_RESNET18_POSITION_BOTTOM,
  GST_RESNET18_POSITION_BOTTOM_RIGHT
} GstResnet18Position;

GType gst_resnet18_precision_get_type(void);
GType gst_resnet18_mode_get_type(void);
GType gst_resnet18_post_get_type(void);
GType gst_resnet18_crop_get_type(void);
GType gst_resnet18_roi_source_get_type(void);
GType gst_resnet18_position_get_type(void);

typedef struct {
  gchar *weights, *labels; /* NULL = built in */
  resnet18_precision precision;
  guint threads;
  GstResnet18Mode mode;
  guint interval;
  gint max_rate_n, max_rate_d; /* classifications a second; 0/1 = no limit */
  GstClockTime max_age;
  resnet18_crop crop;
  gchar *roi; /* as it was set; `part` is what it says */
  GstResnet18Roi part;
  GstResnet18RoiSource roi_source;
  guint top_k;
  gfloat threshold;
  GstClockTime smoothing;
  gfloat hysteresis;
  gboolean groups;
  gfloat static_threshold; /* levels of 255 */
  gboolean overlay;
  GstResnet18Position overlay_position;
  gchar *overlay_font;
  guint overlay_color; /* 0xAARRGGBB */
  guint overlay_top;
  gboolean cam;
  gboolean attach_meta;
  GstResnet18Post post_messages;
} GstResnet18Settings;

void gst_resnet18_settings_init(GstResnet18Settings *settings);
void gst_resnet18_settings_clear(GstResnet18Settings *settings);
/* `to` must be initialised or zero. */
void gst_resnet18_settings_copy(GstResnet18Settings *to, const GstResnet18Settings *from);

/* Also installs "stats", which the element answers itself: its id is GST_RESNET18_PROP_STATS. */
#define GST_RESNET18_PROP_STATS 1
void gst_resnet18_settings_install(GObjectClass *object_class);
/* False for an id that is none of the settings. A value that is refused leaves the old one, and the reason in `error`,
 * whose status is RESNET18_OK otherwise. */
gboolean gst_resnet18_settings_set(GstResnet18Settings *settings, guint id, const GValue *value, resnet18_error *error);
/* Whether the property takes a new engine. */
gboolean gst_resnet18_settings_concern_engine(guint id);
gboolean gst_resnet18_settings_get(const GstResnet18Settings *settings, guint id, GValue *value);

G_END_DECLS

#endif

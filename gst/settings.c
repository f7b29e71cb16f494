/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The element's properties. */
#include "settings.h"

enum {
  PROP_STATS = GST_RESNET18_PROP_STATS,
  PROP_WEIGHTS,
  PROP_LABELS,
  PROP_PRECISION,
  PROP_THREADS,
  PROP_MODE,
  PROP_INTERVAL,
  PROP_MAX_RATE,
  PROP_MAX_AGE,
  PROP_CROP,
  PROP_ROI,
  PROP_ROI_SOURCE,
  PROP_TOP_K,
  PROP_THRESHOLD,
  PROP_SMOOTHING,
  PROP_HYSTERESIS,
  PROP_GROUPS,
  PROP_STATIC_THRESHOLD,
  PROP_OVERLAY,
  PROP_OVERLAY_POSITION,
  PROP_OVERLAY_FONT,
  PROP_OVERLAY_COLOR,
  PROP_OVERLAY_TOP,
  PROP_CAM,
  PROP_ATTACH_META,
  PROP_POST_MESSAGES
};

#define DEFAULT_PRECISION RESNET18_PRECISION_AUTO
#define DEFAULT_THREADS 0
#define DEFAULT_MODE GST_RESNET18_MODE_AUTO
#define DEFAULT_INTERVAL 1
#define DEFAULT_MAX_AGE GST_SECOND
#define DEFAULT_CROP RESNET18_CROP_CENTER
#define DEFAULT_ROI_SOURCE GST_RESNET18_ROI_FRAME
#define DEFAULT_TOP_K 5
#define DEFAULT_THRESHOLD 0.0f
#define DEFAULT_SMOOTHING 0
#define DEFAULT_HYSTERESIS 0.0f
#define DEFAULT_GROUPS FALSE
#define DEFAULT_STATIC_THRESHOLD 0.0f
#define DEFAULT_CAM FALSE
#define DEFAULT_OVERLAY FALSE
#define DEFAULT_OVERLAY_POSITION GST_RESNET18_POSITION_BOTTOM_LEFT
#define DEFAULT_OVERLAY_FONT "Sans"
#define DEFAULT_OVERLAY_COLOR 0xffffffffu
#define DEFAULT_OVERLAY_TOP 3
#define DEFAULT_ATTACH_META TRUE
#define DEFAULT_POST_MESSAGES GST_RESNET18_POST_NONE

/* ---- Enumerations -------------------------------------------------------------------------------------- */

static GType register_once(gsize *type, const gchar *name, const GEnumValue *values) {
  if (g_once_init_enter(type))
    g_once_init_leave(type, g_enum_register_static(name, values));
  return *type;
}

GType gst_resnet18_precision_get_type(void) {
  static const GEnumValue values[] = {{RESNET18_PRECISION_AUTO,
                                       "int8 where the CPU is fast at it and the weights have a calibration, else fp32",
                                       "auto"},
                                      {RESNET18_PRECISION_FP32, "32-bit floats, equal to torchvision", "fp32"},
                                      {RESNET18_PRECISION_INT8, "8-bit integers, several times as fast", "int8"},
                                      {0, NULL, NULL}};
  static gsize type;
  return register_once(&type, "GstResnet18Precision", values);
}

GType gst_resnet18_mode_get_type(void) {
  static const GEnumValue values[] = {
      {GST_RESNET18_MODE_AUTO, "async when upstream is live, else sync", "auto"},
      {GST_RESNET18_MODE_ASYNC, "a frame never waits; it carries the newest result", "async"},
      {GST_RESNET18_MODE_SYNC, "a frame waits for its own result", "sync"},
      {0, NULL, NULL}};
  static gsize type;
  return register_once(&type, "GstResnet18Mode", values);
}

GType gst_resnet18_post_get_type(void) {
  static const GEnumValue values[] = {
      {GST_RESNET18_POST_NONE, "no messages", "none"},
      {GST_RESNET18_POST_CHANGES, "a message when the best class has changed", "changes"},
      {GST_RESNET18_POST_ALL, "a message for each result", "all"},
      {0, NULL, NULL}};
  static gsize type;
  return register_once(&type, "GstResnet18Post", values);
}

GType gst_resnet18_crop_get_type(void) {
  static const GEnumValue values[] = {
      {RESNET18_CROP_CENTER, "short side to 256, then the centre 224x224, as in training", "center"},
      {RESNET18_CROP_SQUASH, "the whole picture, aspect ratio lost", "squash"},
      {RESNET18_CROP_LETTERBOX, "the whole picture, aspect ratio kept, with bars", "letterbox"},
      {0, NULL, NULL}};
  static gsize type;
  return register_once(&type, "GstResnet18Crop", values);
}

GType gst_resnet18_roi_source_get_type(void) {
  static const GEnumValue values[] = {
      {GST_RESNET18_ROI_FRAME, "the frame, or the part of it that roi says", "frame"},
      {GST_RESNET18_ROI_META, "each region that a detector has marked, with a result of its own", "meta"},
      {0, NULL, NULL}};
  static gsize type;
  return register_once(&type, "GstResnet18RoiSource", values);
}

GType gst_resnet18_position_get_type(void) {
  static const GEnumValue values[] = {{GST_RESNET18_POSITION_TOP_LEFT, "upper left corner", "top-left"},
                                      {GST_RESNET18_POSITION_TOP, "middle of the upper edge", "top"},
                                      {GST_RESNET18_POSITION_TOP_RIGHT, "upper right corner", "top-right"},
                                      {GST_RESNET18_POSITION_CENTER, "middle of the picture", "center"},
                                      {GST_RESNET18_POSITION_BOTTOM_LEFT, "lower left corner", "bottom-left"},
                                      {GST_RESNET18_POSITION_BOTTOM, "middle of the lower edge", "bottom"},
                                      {GST_RESNET18_POSITION_BOTTOM_RIGHT, "lower right corner", "bottom-right"},
                                      {0, NULL, NULL}};
  static gsize type;
  return register_once(&type, "GstResnet18Position", values);
}

/* ---- Values -------------------------------------------------------------------------------------------- */

void gst_resnet18_settings_init(GstResnet18Settings *s) {
  *s = (GstResnet18Settings){.precision = DEFAULT_PRECISION,
                             .threads = DEFAULT_THREADS,
                             .mode = DEFAULT_MODE,
                             .interval = DEFAULT_INTERVAL,
                             .max_rate_d = 1,
                             .max_age = DEFAULT_MAX_AGE,
                             .crop = DEFAULT_CROP,
                             .roi_source = DEFAULT_ROI_SOURCE,
                             .top_k = DEFAULT_TOP_K,
                             .threshold = DEFAULT_THRESHOLD,
                             .smoothing = DEFAULT_SMOOTHING,
                             .hysteresis = DEFAULT_HYSTERESIS,
                             .groups = DEFAULT_GROUPS,
                             .static_threshold = DEFAULT_STATIC_THRESHOLD,
                             .cam = DEFAULT_CAM,
                             .overlay = DEFAULT_OVERLAY,
                             .overlay_position = DEFAULT_OVERLAY_POSITION,
                             .overlay_font = g_strdup(DEFAULT_OVERLAY_FONT),
                             .overlay_color = DEFAULT_OVERLAY_COLOR,
                             .overlay_top = DEFAULT_OVERLAY_TOP,
                             .attach_meta = DEFAULT_ATTACH_META,
                             .post_messages = DEFAULT_POST_MESSAGES};
}

void gst_resnet18_settings_clear(GstResnet18Settings *s) {
  g_free(s->weights);
  g_free(s->labels);
  g_free(s->roi);
  g_free(s->overlay_font);
  *s = (GstResnet18Settings){0};
}

void gst_resnet18_settings_copy(GstResnet18Settings *to, const GstResnet18Settings *from) {
  gst_resnet18_settings_clear(to);
  *to = *from;
  to->weights = g_strdup(from->weights);
  to->labels = g_strdup(from->labels);
  to->roi = g_strdup(from->roi);
  to->overlay_font = g_strdup(from->overlay_font);
}

/* ---- Descriptions -------------------------------------------------------------------------------------- */

#define READWRITE (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS)
#define IN_READY (READWRITE | GST_PARAM_MUTABLE_READY)
#define IN_PLAYING (READWRITE | GST_PARAM_MUTABLE_PLAYING)

static void install_model(GObjectClass *c) {
  g_object_class_install_property(
      c, PROP_WEIGHTS,
      g_param_spec_string("weights", "Weights",
                          "File of the network's weights: safetensors, or a PyTorch checkpoint (.pth) with "
                          "torchvision's names (NULL = built in). A change while playing is checked first and takes "
                          "effect between two frames; a file that is refused leaves the old weights in place",
                          NULL, IN_PLAYING));
  g_object_class_install_property(
      c, PROP_LABELS,
      g_param_spec_string("labels", "Labels",
                          "File of the classes' names, one a line, or a table with the columns index, wnid, name; as "
                          "many as the model has classes (NULL = built in, ImageNet's 1000)",
                          NULL, IN_PLAYING));
  g_object_class_install_property(c, PROP_PRECISION,
                                  g_param_spec_enum("precision", "Precision", "Arithmetic of the forward pass",
                                                    gst_resnet18_precision_get_type(), DEFAULT_PRECISION, IN_READY));
  g_object_class_install_property(
      c, PROP_THREADS,
      g_param_spec_uint(
          "threads", "Threads",
          "Threads of one forward pass (0 = as many as CPU affinity and cgroup quota allow, 8 at most). Elements "
          "with the same weights and threads share one team",
          0, 64, DEFAULT_THREADS, IN_READY));
}

static void install_flow(GObjectClass *c) {
  g_object_class_install_property(
      c, PROP_MODE,
      g_param_spec_enum("mode", "Mode",
                        "Whether a frame waits for its own result, which adds latency, or carries the newest one",
                        gst_resnet18_mode_get_type(), DEFAULT_MODE, IN_READY));
  g_object_class_install_property(c, PROP_INTERVAL,
                                  g_param_spec_uint("interval", "Interval",
                                                    "Classify every n-th frame; the others carry the newest result", 1,
                                                    G_MAXUINT, DEFAULT_INTERVAL, IN_PLAYING));
  g_object_class_install_property(
      c, PROP_MAX_RATE,
      gst_param_spec_fraction("max-rate", "Maximum rate",
                              "Classify at most so many frames a second of running time (0/1 = no limit); the others "
                              "carry the newest result",
                              0, 1, G_MAXINT, 1, 0, 1, IN_PLAYING));
  g_object_class_install_property(
      c, PROP_MAX_AGE,
      g_param_spec_uint64("max-age", "Maximum age",
                          "In the mode async, a result that is older (ns) than this is neither attached nor shown", 0,
                          G_MAXUINT64, DEFAULT_MAX_AGE, IN_PLAYING));
  g_object_class_install_property(c, PROP_CROP,
                                  g_param_spec_enum("crop", "Crop", "How the picture becomes the network's 224x224",
                                                    gst_resnet18_crop_get_type(), DEFAULT_CROP, IN_PLAYING));
}

static void install_still(GObjectClass *c) {
  g_object_class_install_property(
      c, PROP_STATIC_THRESHOLD,
      g_param_spec_float("static-threshold", "Static threshold",
                         "Frames whose 224x224 picture differs from the last classified one by less than this, as mean "
                         "of the absolute differences in levels of 255, take over its result (0 = off)",
                         0.0f, 255.0f, DEFAULT_STATIC_THRESHOLD, IN_PLAYING));
}

static void install_region(GObjectClass *c) {
  g_object_class_install_property(
      c, PROP_ROI,
      g_param_spec_string("roi", "Region of interest",
                          "The part of the frame to classify, \"x,y,w,h\" in pixels, or in parts of the frame's size "
                          "where all four are at most 1 (NULL = all of it)",
                          NULL, IN_PLAYING));
  g_object_class_install_property(
      c, PROP_ROI_SOURCE,
      g_param_spec_enum("roi-source", "Source of regions",
                        "What is classified: the frame, or each GstVideoRegionOfInterestMeta and GstAnalyticsODMtd on "
                        "it, 16 at most, which gets its result as a parameter or a related GstAnalyticsClsMtd too",
                        gst_resnet18_roi_source_get_type(), DEFAULT_ROI_SOURCE, IN_PLAYING));
}

static void install_result(GObjectClass *c) {
  g_object_class_install_property(c, PROP_TOP_K,
                                  g_param_spec_uint("top-k", "Top k", "Classes in the result, at most", 1,
                                                    GST_RESNET18_MAX_TOP_K, DEFAULT_TOP_K, IN_PLAYING));
  g_object_class_install_property(c, PROP_THRESHOLD,
                                  g_param_spec_float("threshold", "Threshold",
                                                     "Classes with a lower score (probability, 0..1) are left out",
                                                     0.0f, 1.0f, DEFAULT_THRESHOLD, IN_PLAYING));
  g_object_class_install_property(
      c, PROP_SMOOTHING,
      g_param_spec_uint64("smoothing", "Smoothing",
                          "Time constant (ns) of exponential smoothing of the scores over time (0 = off)", 0,
                          G_MAXINT64, DEFAULT_SMOOTHING, IN_PLAYING));
  g_object_class_install_property(
      c, PROP_HYSTERESIS,
      g_param_spec_float("hysteresis", "Hysteresis",
                         "How much (probability, 0..1) the score of another class must exceed that of the current one "
                         "to take its place, and how far below the threshold the current one may fall before it leaves",
                         0.0f, 1.0f, DEFAULT_HYSTERESIS, IN_PLAYING));
  g_object_class_install_property(
      c, PROP_GROUPS,
      g_param_spec_boolean(
          "groups", "Groups",
          "Also report the coarse group (dog, bird, vehicle, food ...) with the largest sum of scores; "
          "needs labels with WordNet ids",
          DEFAULT_GROUPS, IN_PLAYING));
  g_object_class_install_property(
      c, PROP_ATTACH_META,
      g_param_spec_boolean("attach-meta", "Attach meta",
                           "Attach the result to the buffers: custom meta GstResnet18Result, and GstAnalyticsClsMtd "
                           "where GStreamer has it",
                           DEFAULT_ATTACH_META, IN_PLAYING));
  g_object_class_install_property(c, PROP_POST_MESSAGES,
                                  g_param_spec_enum("post-messages", "Post messages",
                                                    "Which results are posted on the bus, as element messages "
                                                    "GstResnet18Result",
                                                    gst_resnet18_post_get_type(), DEFAULT_POST_MESSAGES, IN_PLAYING));
  g_object_class_install_property(
      c, PROP_STATS,
      g_param_spec_boxed(
          "stats", "Statistics",
          "Counts since the element started (frames, classified, skipped, late, dropped, reused), times in "
          "ns (latency-*, buffer-time-*), queue, model, precision, kernels, threads",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

static void install_overlay(GObjectClass *c) {
  g_object_class_install_property(
      c, PROP_OVERLAY,
      g_param_spec_boolean("overlay", "Overlay",
                           "Show the result on the picture: as overlay composition meta when downstream draws it, else "
                           "drawn into the picture",
                           DEFAULT_OVERLAY, IN_PLAYING));
  g_object_class_install_property(c, PROP_OVERLAY_POSITION,
                                  g_param_spec_enum("overlay-position", "Overlay position", "Where the text stands",
                                                    gst_resnet18_position_get_type(), DEFAULT_OVERLAY_POSITION,
                                                    IN_PLAYING));
  g_object_class_install_property(
      c, PROP_OVERLAY_FONT,
      g_param_spec_string("overlay-font", "Overlay font",
                          "Pango font description such as \"Sans Bold 24px\" or \"Serif\"; without a size the text "
                          "grows with the picture",
                          DEFAULT_OVERLAY_FONT, IN_PLAYING));
  g_object_class_install_property(c, PROP_OVERLAY_COLOR,
                                  g_param_spec_uint("overlay-color", "Overlay color", "Colour of the text, 0xAARRGGBB",
                                                    0, G_MAXUINT32, DEFAULT_OVERLAY_COLOR, IN_PLAYING));
  g_object_class_install_property(c, PROP_OVERLAY_TOP,
                                  g_param_spec_uint("overlay-top", "Overlay top",
                                                    "Classes that are shown, at most; top-k limits them too", 1,
                                                    GST_RESNET18_MAX_TOP_K, DEFAULT_OVERLAY_TOP, IN_PLAYING));
  g_object_class_install_property(
      c, PROP_CAM,
      g_param_spec_boolean("cam", "Class activation map",
                           "Show in the overlay where the best class is, as a translucent heat map, and add it to the "
                           "result as 7x7 numbers",
                           DEFAULT_CAM, IN_PLAYING));
}

void gst_resnet18_settings_install(GObjectClass *object_class) {
  install_model(object_class);
  install_flow(object_class);
  install_still(object_class);
  install_region(object_class);
  install_result(object_class);
  install_overlay(object_class);
}

/* ---- Setting and reading ------------------------------------------------------------------------------- */

static void set_string(gchar **string, const GValue *value) {
  g_free(*string);
  *string = g_value_dup_string(value);
}

static void set_roi(GstResnet18Settings *s, const GValue *value, resnet18_error *error) {
  const gchar *text = g_value_get_string(value);
  GstResnet18Roi part;
  if (gst_resnet18_roi_parse(text, &part)) {
    s->part = part;
    set_string(&s->roi, value);
    return;
  }
  error->status = RESNET18_ERROR_ARGUMENT;
  g_snprintf(error->message, sizeof error->message,
             "\"%.100s\" is not \"x,y,w,h\" with numbers from 0 to 65535 and w, h above 0", text);
}

gboolean gst_resnet18_settings_set(GstResnet18Settings *s, guint id, const GValue *value, resnet18_error *error) {
  error->status = RESNET18_OK;
  switch (id) {
  case PROP_WEIGHTS:
    set_string(&s->weights, value);
    return TRUE;
  case PROP_LABELS:
    set_string(&s->labels, value);
    return TRUE;
  case PROP_PRECISION:
    s->precision = g_value_get_enum(value);
    return TRUE;
  case PROP_THREADS:
    s->threads = g_value_get_uint(value);
    return TRUE;
  case PROP_MODE:
    s->mode = g_value_get_enum(value);
    return TRUE;
  case PROP_INTERVAL:
    s->interval = g_value_get_uint(value);
    return TRUE;
  case PROP_MAX_RATE:
    s->max_rate_n = gst_value_get_fraction_numerator(value);
    s->max_rate_d = gst_value_get_fraction_denominator(value);
    return TRUE;
  case PROP_MAX_AGE:
    s->max_age = g_value_get_uint64(value);
    return TRUE;
  case PROP_CROP:
    s->crop = g_value_get_enum(value);
    return TRUE;
  case PROP_ROI:
    set_roi(s, value, error);
    return TRUE;
  case PROP_ROI_SOURCE:
    s->roi_source = g_value_get_enum(value);
    return TRUE;
  case PROP_TOP_K:
    s->top_k = g_value_get_uint(value);
    return TRUE;
  case PROP_THRESHOLD:
    s->threshold = g_value_get_float(value);
    return TRUE;
  case PROP_SMOOTHING:
    s->smoothing = g_value_get_uint64(value);
    return TRUE;
  case PROP_HYSTERESIS:
    s->hysteresis = g_value_get_float(value);
    return TRUE;
  case PROP_GROUPS:
    s->groups = g_value_get_boolean(value);
    return TRUE;
  case PROP_STATIC_THRESHOLD:
    s->static_threshold = g_value_get_float(value);
    return TRUE;
  case PROP_CAM:
    s->cam = g_value_get_boolean(value);
    return TRUE;
  case PROP_OVERLAY:
    s->overlay = g_value_get_boolean(value);
    return TRUE;
  case PROP_OVERLAY_POSITION:
    s->overlay_position = g_value_get_enum(value);
    return TRUE;
  case PROP_OVERLAY_FONT:
    set_string(&s->overlay_font, value);
    return TRUE;
  case PROP_OVERLAY_COLOR:
    s->overlay_color = g_value_get_uint(value);
    return TRUE;
  case PROP_OVERLAY_TOP:
    s->overlay_top = g_value_get_uint(value);
    return TRUE;
  case PROP_ATTACH_META:
    s->attach_meta = g_value_get_boolean(value);
    return TRUE;
  case PROP_POST_MESSAGES:
    s->post_messages = g_value_get_enum(value);
    return TRUE;
  default:
    return FALSE;
  }
}

gboolean gst_resnet18_settings_concern_engine(guint id) {
  return id == PROP_WEIGHTS || id == PROP_LABELS;
}

gboolean gst_resnet18_settings_get(const GstResnet18Settings *s, guint id, GValue *value) {
  switch (id) {
  case PROP_WEIGHTS:
    g_value_set_string(value, s->weights);
    return TRUE;
  case PROP_LABELS:
    g_value_set_string(value, s->labels);
    return TRUE;
  case PROP_PRECISION:
    g_value_set_enum(value, s->precision);
    return TRUE;
  case PROP_THREADS:
    g_value_set_uint(value, s->threads);
    return TRUE;
  case PROP_MODE:
    g_value_set_enum(value, s->mode);
    return TRUE;
  case PROP_INTERVAL:
    g_value_set_uint(value, s->interval);
    return TRUE;
  case PROP_MAX_RATE:
    gst_value_set_fraction(value, s->max_rate_n, s->max_rate_d);
    return TRUE;
  case PROP_MAX_AGE:
    g_value_set_uint64(value, s->max_age);
    return TRUE;
  case PROP_CROP:
    g_value_set_enum(value, s->crop);
    return TRUE;
  case PROP_ROI:
    g_value_set_string(value, s->roi);
    return TRUE;
  case PROP_ROI_SOURCE:
    g_value_set_enum(value, s->roi_source);
    return TRUE;
  case PROP_TOP_K:
    g_value_set_uint(value, s->top_k);
    return TRUE;
  case PROP_THRESHOLD:
    g_value_set_float(value, s->threshold);
    return TRUE;
  case PROP_SMOOTHING:
    g_value_set_uint64(value, s->smoothing);
    return TRUE;
  case PROP_HYSTERESIS:
    g_value_set_float(value, s->hysteresis);
    return TRUE;
  case PROP_GROUPS:
    g_value_set_boolean(value, s->groups);
    return TRUE;
  case PROP_STATIC_THRESHOLD:
    g_value_set_float(value, s->static_threshold);
    return TRUE;
  case PROP_CAM:
    g_value_set_boolean(value, s->cam);
    return TRUE;
  case PROP_OVERLAY:
    g_value_set_boolean(value, s->overlay);
    return TRUE;
  case PROP_OVERLAY_POSITION:
    g_value_set_enum(value, s->overlay_position);
    return TRUE;
  case PROP_OVERLAY_FONT:
    g_value_set_string(value, s->overlay_font);
    return TRUE;
  case PROP_OVERLAY_COLOR:
    g_value_set_uint(value, s->overlay_color);
    return TRUE;
  case PROP_OVERLAY_TOP:
    g_value_set_uint(value, s->overlay_top);
    return TRUE;
  case PROP_ATTACH_META:
    g_value_set_boolean(value, s->attach_meta);
    return TRUE;
  case PROP_POST_MESSAGES:
    g_value_set_enum(value, s->post_messages);
    return TRUE;
  default:
    return FALSE;
  }
}

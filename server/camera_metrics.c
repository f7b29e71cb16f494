/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text format 0.0.4: all cameras of one metric stand together. */
#include "camera_metrics.h"

#include "metrics.h"

/* The value of a label. */
static void append_label(GString *text, const char *name, const char *value) {
  g_string_append_printf(text, "%s=\"", name);
  for (; *value; value++)
    if (*value == '\n')
      g_string_append(text, "\\n");
    else if (*value == '"' || *value == '\\')
      g_string_append_printf(text, "\\%c", *value);
    else
      g_string_append_c(text, *value);
  g_string_append_c(text, '"');
}

/* One line; `label` may be NULL. */
static void append_line(GString *text, const char *metric, const char *name, const char *label, const char *value,
                        double number) {
  g_string_append_printf(text, "%s{", metric);
  append_label(text, "camera", name);
  if (label) {
    g_string_append_c(text, ',');
    append_label(text, label, value);
  }
  g_string_append(text, "} ");
  metrics_append_number(text, number);
}

typedef enum { FRAMES, RESTARTS, LEFT_BEHIND, RATE, AGE } simple;

static double value_of(const camera_counts *c, simple which) {
  switch (which) {
  case FRAMES:
    return (double)c->frames;
  case RESTARTS:
    return (double)c->restarts;
  case LEFT_BEHIND:
    return (double)c->left_behind;
  case RATE:
    return c->rate;
  default:
    return c->age;
  }
}

static void append_simple(GString *text, const GArray *all) {
  static const struct {
    const char *name, *type, *help;
    simple which;
  } rows[] = {
      {"resnet18_camera_frames_total", "counter", "Frames that came.", FRAMES},
      {"resnet18_camera_restarts_total", "counter", "How often the camera was begun anew.", RESTARTS},
      {"resnet18_camera_left_behind_total", "counter",
       "Pipelines of the camera that did not end when it was begun anew, and keep their memory.", LEFT_BEHIND},
      {"resnet18_camera_frame_rate", "gauge", "Frames a second over the last ten seconds.", RATE},
      {"resnet18_camera_last_frame_age_seconds", "gauge", "Time since the last frame; without one there is none.", AGE},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    metrics_append_head(text, rows[i].name, rows[i].type, rows[i].help);
    for (guint k = 0; k < all->len; k++) {
      const camera_counts *c = &g_array_index(all, camera_counts, k);
      const double value = value_of(c, rows[i].which);
      if (value >= 0)
        append_line(text, rows[i].name, c->name, NULL, NULL, value);
    }
  }
}

static void append_fates(GString *text, const GArray *all) {
  static const struct {
    const char *name, *help;
    unsigned which;
  } rows[] = {
      {"resnet18_camera_classified_total", "Frames that were classified.", CAMERA_CLASSIFIED},
      {"resnet18_camera_dropped_total", "Frames that were due, but a newer one took their place.", CAMERA_DROPPED},
      {"resnet18_camera_late_total", "Frames that were not classified as they came too late.", CAMERA_LATE},
      {"resnet18_camera_skipped_total", "Frames that were not due.", CAMERA_SKIPPED},
      {"resnet18_camera_reused_total", "Frames that looked like the last one, whose result they have.", CAMERA_REUSED},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    metrics_append_head(text, rows[i].name, "counter", rows[i].help);
    for (guint k = 0; k < all->len; k++) {
      const camera_counts *c = &g_array_index(all, camera_counts, k);
      append_line(text, rows[i].name, c->name, NULL, NULL, (double)c->fates[rows[i].which]);
    }
  }
}

static void append_latencies(GString *text, const GArray *all) {
  static const char name[] = "resnet18_camera_latency_seconds";
  metrics_append_head(text, name, "gauge",
                      "From a frame to its result: percentiles of the newest 1024 since the camera last began.");
  for (guint k = 0; k < all->len; k++) {
    const camera_counts *c = &g_array_index(all, camera_counts, k);
    if (c->latency_median <= 0)
      continue;
    append_line(text, name, c->name, "quantile", "0.5", c->latency_median);
    append_line(text, name, c->name, "quantile", "0.99", c->latency_p99);
  }
}

static void append_states(GString *text, const GArray *all) {
  metrics_append_head(text, "resnet18_camera_state", "gauge", "1 for the state that the camera is in.");
  for (guint k = 0; k < all->len; k++) {
    const camera_counts *c = &g_array_index(all, camera_counts, k);
    for (unsigned i = 0; i < CAMERA_STATES; i++)
      append_line(text, "resnet18_camera_state", c->name, "state", camera_state_names[i], c->state == i);
  }
  metrics_append_head(text, "resnet18_camera_problem", "gauge", "The reason why a camera does not play.");
  for (guint k = 0; k < all->len; k++) {
    const camera_counts *c = &g_array_index(all, camera_counts, k);
    if (c->reason)
      append_line(text, "resnet18_camera_problem", c->name, "reason", c->reason, 1);
  }
}

typedef enum { DELIVERED, DROPPED, PENDING, OPEN } target_value;

static double target_value_of(const camera_target_counts *t, target_value which) {
  return which == DELIVERED ? (double)t->delivered
         : which == DROPPED ? (double)t->dropped
         : which == PENDING ? (double)t->waiting
                            : t->is_open;
}

static void append_targets(GString *text, const GArray *all) {
  static const struct {
    const char *name, *type, *help;
    target_value which;
  } rows[] = {
      {"resnet18_camera_results_delivered_total", "counter", "Results that a target has taken.", DELIVERED},
      {"resnet18_camera_results_dropped_total", "counter", "Results that were lost as a target did not take them.",
       DROPPED},
      {"resnet18_camera_results_waiting", "gauge", "Results that wait for a target, in memory or in the spool.",
       PENDING},
      {"resnet18_camera_target_open", "gauge", "Whether a target could be written to when the camera last played.",
       OPEN},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    metrics_append_head(text, rows[i].name, rows[i].type, rows[i].help);
    for (guint k = 0; k < all->len; k++) {
      const camera_counts *c = &g_array_index(all, camera_counts, k);
      for (guint n = 0; n < c->targets->len; n++) {
        const camera_target_counts *t = &g_array_index(c->targets, camera_target_counts, n);
        if (rows[i].which != OPEN || t->was_tried)
          append_line(text, rows[i].name, c->name, "target", t->name, target_value_of(t, rows[i].which));
      }
    }
  }
}

static void clear_counts(gpointer user) {
  camera_counts *counts = user;
  g_free(counts->reason);
  g_array_unref(counts->targets);
}

void camera_metrics_append(const GPtrArray *cameras, GString *text) {
  GArray *all = g_array_new(FALSE, FALSE, sizeof(camera_counts));
  g_array_set_clear_func(all, clear_counts);
  for (guint i = 0; i < cameras->len; i++) {
    const camera_counts counts = camera_count(cameras->pdata[i]);
    g_array_append_val(all, counts);
  }
  if (all->len > 0) {
    append_simple(text, all);
    append_fates(text, all);
    append_latencies(text, all);
    append_states(text, all);
    append_targets(text, all);
  }
  g_array_unref(all);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was found in a picture, as JSON: the keys of gst/result_json.c in its order, so that a picture, a file and a
 * camera are read by the same code. */
#include "answer.h"

#include "cam_map.h"
#include "groups.h"
#include "result.h"

#include <math.h>

static json_t *real(double value) {
  return isfinite(value) ? json_real(value) : json_null();
}

static json_t *classes_json(const classifier *c, const resnet18_class *best, size_t n) {
  json_t *list = json_array();
  resnet18_labels *labels = classifier_labels(c);
  for (size_t i = 0; i < n; i++)
    json_array_append_new(list,
                          json_pack("{s:I,s:s,s:s,s:o}", "index", (json_int_t)best[i].index, "wnid",
                                    resnet18_labels_wnid(labels, best[i].index), "label",
                                    resnet18_labels_name(labels, best[i].index), "score", real((double)best[i].score)));
  return list;
}

static json_t *group_json(const classifier *c, const job *j) {
  double score;
  const char *label = gst_resnet18_groups_best(classifier_groups(c), j->scores, classifier_classes(c), &score);
  return label ? json_pack("{s:s,s:o}", "label", label, "score", real(score)) : json_null();
}

static json_t *cam_json(const job *j) {
  json_t *list = json_array();
  for (unsigned i = 0; i < GST_RESNET18_CAM_CELLS; i++)
    json_array_append_new(list, real((double)j->cam[i]));
  return list;
}

json_t *answer_json(const classifier *c, const job *j, const answer_options *o) {
  static const char *const times[] = {"pts", "running-time", "stream-time", "duration"};
  resnet18_class best[ANSWER_MAX_TOP_K];
  const size_t classes = classifier_classes(c), n = resnet18_top_k(j->scores, classes, o->top_k, o->threshold, best);
  const double uncertainty = (double)resnet18_uncertainty(j->scores, classes);
  json_t *json = json_pack("{s:I,s:I,s:s,s:s}", "width", (json_int_t)j->width, "height", (json_int_t)j->height,
                           "precision", classifier_precision(c), "model", resnet18_model_source(classifier_model(c)));
  for (size_t i = 0; i < G_N_ELEMENTS(times); i++)
    json_object_set_new(json, times[i], json_null());
  json_object_set_new(json, "age", json_integer(0));
  json_object_set_new(json, "inference-time", json_integer((json_int_t)j->inference_time));
  json_object_set_new(json, "roi", json_null());
  json_object_set_new(json, "classes", classes_json(c, best, n));
  json_object_set_new(json, "group", o->groups ? group_json(c, j) : json_null());
  json_object_set_new(json, "uncertainty", real(uncertainty));
  json_object_set_new(json, "unknown", json_boolean(n == 0 || uncertainty > GST_RESNET18_UNKNOWN_UNCERTAINTY));
  json_object_set_new(json, "event", json_null());
  if (j->cam) {
    json_object_set_new(json, "cam-class", json_integer((json_int_t)j->cam_of));
    json_object_set_new(json, "cam", cam_json(j));
  }
  return json;
}

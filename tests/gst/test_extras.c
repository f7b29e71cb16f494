/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Groups, class activation maps, still pictures, quality of service. */
#include "groups.h"
#include "rig.h"

#include <math.h>

#define RGB "video/x-raw,format=RGB"

static void groups_are_reported_on_request(void **state) {
  static const struct { const char *file, *group; } rows[] = {{"chelsea.png", "cat"}, {"coffee.png", "drink"}};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    Rig *rig = rig_new("groups=true", rows[i].file, RGB);
    GstStructure *result = rig_result(rig), *group = NULL;
    gdouble score = 0;
    assert_true(gst_structure_get(result, "group", GST_TYPE_STRUCTURE, &group, NULL));
    assert_string_equal(gst_structure_get_string(group, "label"), rows[i].group);
    assert_true(gst_structure_get_double(group, "score", &score));
    assert_true(score >= gst_resnet18_result_get_score(result) && score <= 1.0001);
    gst_structure_free(group);
    gst_structure_free(result);
    g_object_set(rig->element, "groups", FALSE, NULL);
    result = rig_result(rig);
    assert_false(gst_structure_has_field(result, "group"));
    gst_structure_free(result);
    rig_free(rig);
  }
}

/* Three sorts of cat together are more certain than each of them. */
static void a_group_is_the_sum_of_its_classes(void **state) {
  Rig *rig = rig_new("groups=true", "chelsea.png", RGB);
  GstStructure *result = rig_result(rig), *group = NULL;
  gdouble score = 0;
  gst_structure_get(result, "group", GST_TYPE_STRUCTURE, &group, NULL);
  gst_structure_get_double(group, "score", &score);
  assert_true(gst_resnet18_result_get_score(result) < 0.5 && score > 0.95);
  gst_structure_free(group);
  gst_structure_free(result);
  rig_free(rig);
}

static void every_class_has_a_group(void **state) {
  resnet18_labels *labels;
  guint8 *groups;
  assert_int_equal(resnet18_labels_load(NULL, 1000, &labels, NULL), RESNET18_OK);
  groups = gst_resnet18_groups_of_labels(labels, 1000);
  for (guint i = 0; i < 1000; i++)
    assert_true(groups[i] < gst_resnet18_group_count);
  assert_string_equal(gst_resnet18_group_names[groups[TIGER_CAT]], "cat");
  assert_string_equal(gst_resnet18_group_names[groups[207]], "dog");     /* golden retriever */
  assert_string_equal(gst_resnet18_group_names[groups[817]], "vehicle"); /* sports car */
  g_free(groups);
  resnet18_labels_unref(labels);
}

/* White noise shows nothing; a cat does. */
static void noise_is_unknown(void **state) {
  Rig *rig = rig_new("", "chelsea.png", RGB ",width=320,height=240");
  GstStructure *result = rig_result(rig);
  GstBuffer *noise = gst_buffer_copy_deep(gst_sample_get_buffer(rig->picture));
  guint32 seed = 1;
  gboolean unknown;
  GstMapInfo map;
  assert_true(gst_structure_get_boolean(result, "unknown", &unknown));
  assert_false(unknown);
  gst_structure_free(result);
  gst_buffer_map(noise, &map, GST_MAP_WRITE);
  for (gsize i = 0; i < map.size; i++)
    map.data[i] = (guint8)((seed = seed * 1664525u + 1013904223u) >> 24);
  gst_buffer_unmap(noise, &map);
  noise = gst_harness_push_and_pull(rig->harness, noise);
  assert_true(gst_structure_get_boolean(gst_resnet18_buffer_get_result(noise, 0), "unknown", &unknown));
  assert_true(unknown);
  gst_buffer_unref(noise);
  rig_free(rig);
}

/* How much of the map lies on the left half. */
static gdouble left_share(const GstStructure *result) {
  const GValue *cam = gst_structure_get_value(result, "cam");
  gdouble left = 0, all = 0, most = 0;
  assert_int_equal(gst_value_array_get_size(cam), 49);
  for (guint i = 0; i < 49; i++) {
    gdouble v = g_value_get_double(gst_value_array_get_value(cam, i));
    assert_true(v >= 0 && v <= 1);
    all += v;
    most = MAX(most, v);
    if (i % 7 != 3)
      left += i % 7 < 3 ? v : 0;
    else
      all -= v; /* the middle column is neither */
  }
  assert_true(fabs(most - 1) < 1e-6);
  return left / all;
}

static void the_map_is_where_the_class_is(void **state) {
  Rig *rig = rig_new_with_both("crop=squash cam=true");
  GstStructure *result = rig_result(rig);
  gdouble left = left_share(result);
  gboolean cat;
  /* What is not a cat has been seen in the cup. */
  cat = rig_class(result, 0) >= TABBY && rig_class(result, 0) <= EGYPTIAN_CAT;
  if (cat ? left < 0.6 : left > 0.4)
    fail_msg("%s: %f of it on the left", gst_resnet18_result_get_label(result), left);
  gst_structure_free(result);
  g_object_set(rig->element, "cam", FALSE, NULL);
  result = rig_result(rig);
  assert_false(gst_structure_has_field(result, "cam"));
  gst_structure_free(result);
  rig_free(rig);
}

static gsize changed_bytes(Rig *rig) {
  GstBuffer *out = rig_frame(rig), *in = gst_sample_get_buffer(rig->picture);
  GstMapInfo a, b;
  gsize changed = 0;
  gst_buffer_map(out, &a, GST_MAP_READ);
  gst_buffer_map(in, &b, GST_MAP_READ);
  for (gsize i = 0; i < a.size; i++)
    changed += a.data[i] != b.data[i];
  gst_buffer_unmap(in, &b);
  gst_buffer_unmap(out, &a);
  gst_buffer_unref(out);
  return changed;
}

static void the_map_is_drawn_in_the_overlay(void **state) {
  static const char *const formats[] = {"RGB", "I420", "NV12", "GRAY8"};
  for (guint i = 0; i < G_N_ELEMENTS(formats); i++) {
    gchar *caps = g_strdup_printf("video/x-raw,format=%s,width=400,height=300", formats[i]);
    Rig *rig = rig_new("overlay=true cam=false", "chelsea.png", caps);
    gsize without = changed_bytes(rig);
    g_object_set(rig->element, "cam", TRUE, NULL);
    assert_true(changed_bytes(rig) > 2 * without);
    rig_free(rig);
    g_free(caps);
  }
}

static void the_map_is_drawn_for_every_crop_and_region(void **state) {
  static const char *const properties[] = {"crop=center",
                                           "crop=squash",
                                           "crop=letterbox",
                                           "crop=letterbox roi=0,0,400,100",
                                           "crop=center roi=0.9,0.9,0.1,0.1",
                                           "crop=squash roi=0,0,1,1"};
  for (guint i = 0; i < G_N_ELEMENTS(properties); i++) {
    gchar *text = g_strdup_printf("overlay=true cam=true %s", properties[i]);
    Rig *rig = rig_new_with_both(text);
    assert_true(changed_bytes(rig) > 0);
    rig_free(rig);
    g_free(text);
  }
}

/* Adds `by` to some bytes of the picture that is pushed. */
static void disturb(Rig *rig, guint8 by, gsize every) {
  GstBuffer *copy = gst_buffer_copy_deep(gst_sample_get_buffer(rig->picture));
  GstSample *changed;
  GstMapInfo map;
  gst_buffer_map(copy, &map, GST_MAP_READWRITE);
  for (gsize i = 0; i < map.size; i += every)
    map.data[i] = (guint8)(map.data[i] < 128 ? map.data[i] + by : map.data[i] - by);
  gst_buffer_unmap(copy, &map);
  changed = gst_sample_new(copy, gst_sample_get_caps(rig->picture), NULL, NULL);
  gst_sample_unref(rig->picture);
  rig->picture = changed;
  gst_buffer_unref(copy);
}

static void still_pictures_reuse_the_result(void **state) {
  Rig *rig = rig_new("static-threshold=2", "coffee.png", RGB ",width=224,height=224");
  GstStructure *result;
  rig_best(rig);
  disturb(rig, 1, 1); /* one level on average */
  result = rig_result(rig);
  assert_int_equal(rig_class(result, 0), ESPRESSO);
  assert_int_equal(rig_time(result, "age"), 0);
  assert_int_equal(rig_time(result, "pts"), RIG_FRAME);
  assert_false(gst_structure_has_field(result, "event"));
  gst_structure_free(result);
  assert_int_equal(rig->results, 1);
  assert_int_equal(rig_stat(rig, "reused"), 1);
  disturb(rig, 40, 2);
  rig_best(rig);
  assert_int_equal(rig->results, 2);
  g_object_set(rig->element, "static-threshold", 0.0f, NULL);
  rig_best(rig);
  assert_int_equal(rig->results, 3);
  rig_free(rig);
}

static void still_pictures_stay_fresh_in_async(void **state) {
  Rig *rig = rig_new("mode=async static-threshold=1 max-age=1", "coffee.png", RGB ",width=224,height=224");
  for (guint i = 0; i < 2000 && rig->results == 0; i++) {
    gst_buffer_unref(rig_frame(rig));
    g_usleep(5000);
  }
  assert_int_equal(rig->results, 1);
  for (guint i = 0; i < 50; i++)
    assert_int_equal(rig_best(rig), ESPRESSO);
  assert_int_equal(rig->results, 1);
  rig_free(rig);
}

static void late_frames_pass_unclassified(void **state) {
  Rig *rig = rig_new("", "chelsea.png", RGB);
  rig_best(rig);
  assert_true(gst_harness_push_upstream_event(
      rig->harness, gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 1.5, 2 * RIG_FRAME, RIG_FRAME)));
  for (guint i = 1; i <= 3; i++)
    gst_buffer_unref(rig_frame(rig));
  assert_int_equal(rig->results, 1);
  assert_int_equal(rig_stat(rig, "late"), 3);
  rig_best(rig);
  assert_int_equal(rig->results, 2);
  gst_harness_push_upstream_event(rig->harness,
                                  gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 1.5, GST_SECOND, 4 * RIG_FRAME));
  gst_harness_push_upstream_event(rig->harness, gst_event_new_qos(GST_QOS_TYPE_OVERFLOW, 0.5, -RIG_FRAME, RIG_FRAME));
  rig_best(rig);
  assert_int_equal(rig->results, 3);
  rig_free(rig);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(groups_are_reported_on_request),
      cmocka_unit_test(a_group_is_the_sum_of_its_classes),
      cmocka_unit_test(every_class_has_a_group),
      cmocka_unit_test(noise_is_unknown),
      cmocka_unit_test(the_map_is_where_the_class_is),
      cmocka_unit_test(the_map_is_drawn_in_the_overlay),
      cmocka_unit_test(the_map_is_drawn_for_every_crop_and_region),
      cmocka_unit_test(still_pictures_reuse_the_result),
      cmocka_unit_test(still_pictures_stay_fresh_in_async),
      cmocka_unit_test(late_frames_pass_unclassified),
  };
  gst_init(&argc, &argv);
  return cmocka_run_group_tests(tests, NULL, NULL);
}

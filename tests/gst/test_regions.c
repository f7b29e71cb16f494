/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parts of the frame: the property roi, and the regions that a detector upstream has marked. */
#include "regions.h"
#include "rig.h"

#include <math.h>
#ifdef HAVE_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

#define RGB "video/x-raw,format=RGB"

static gboolean is_cat(guint index) {
  return index == TABBY || index == TIGER_CAT || index == EGYPTIAN_CAT;
}

static void roi_chooses_the_part(void **state) {
  static const struct {
    const char *roi;
    gboolean cat;
    gint x, w;
  } rows[] = {{"0,0,400,400", TRUE, 0, 400},
              {"400,0,400,400", FALSE, 400, 400},
              {"0,0,0.5,1", TRUE, 0, 400},
              {"0.5, 0, 0.5, 1", FALSE, 400, 400},
              {"400,0,9999,9999", FALSE, 400, 400}};
  Rig *rig = rig_new_with_both("");
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    GstStructure *result;
    gint x, w;
    g_object_set(rig->element, "roi", rows[i].roi, NULL);
    result = rig_result(rig);
    assert_int_equal(is_cat(rig_class(result, 0)), rows[i].cat);
    assert_int_equal(rig_class(result, 0) == ESPRESSO, !rows[i].cat);
    assert_true(gst_resnet18_result_get_roi(result, NULL, &x, NULL, &w, NULL));
    assert_int_equal(x, rows[i].x);
    assert_int_equal(w, rows[i].w);
    gst_structure_free(result);
  }
  g_object_set(rig->element, "roi", NULL, NULL);
  gst_structure_free(rig_result(rig));
  assert_false(gst_resnet18_result_get_roi(rig->last, NULL, NULL, NULL, NULL, NULL));
  rig_free(rig);
}

static guint count_warnings(Rig *rig, const char *word) {
  guint n = 0;
  rig_read_bus(rig);
  for (guint i = 0; i < rig->messages->len; i++) {
    GstMessage *message = rig->messages->pdata[i];
    GError *error;
    if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_WARNING)
      continue;
    gst_message_parse_warning(message, &error, NULL);
    n += strstr(error->message, word) != NULL;
    g_error_free(error);
  }
  return n;
}

static void a_roi_that_is_none_is_refused(void **state) {
  static const char *const bad[] = {"1,2,3", "a,b,c,d", "1,2,3,4,5", "0,0,0,0", "-1,0,5,5", "1,2,3,nan", "1,2,,3"};
  Rig *rig = rig_new_with_both("roi=0,0,400,400");
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
    gchar *kept;
    g_object_set(rig->element, "roi", bad[i], NULL);
    g_object_get(rig->element, "roi", &kept, NULL);
    assert_string_equal(kept, "0,0,400,400");
    g_free(kept);
  }
  assert_int_equal(count_warnings(rig, "roi"), G_N_ELEMENTS(bad));
  assert_true(is_cat(rig_best(rig)));
  rig_free(rig);
}

/* As gst-launch does it: the property is set before the element has a bus. */
static void a_roi_refused_before_the_start_is_said_at_the_start(void **state) {
  GstElement *pipeline = gst_pipeline_new(NULL), *element = gst_element_factory_make("resnet18classify", NULL);
  GstBus *bus = gst_element_get_bus(pipeline);
  GstMessage *message;
  GError *error;
  g_object_set(element, "roi", "abc", NULL);
  gst_bin_add(GST_BIN(pipeline), element);
  assert_null(gst_bus_pop_filtered(bus, GST_MESSAGE_WARNING));
  gst_element_set_state(pipeline, GST_STATE_PAUSED);
  message = gst_bus_timed_pop_filtered(bus, 10 * GST_SECOND, GST_MESSAGE_WARNING);
  assert_non_null(message);
  gst_message_parse_warning(message, &error, NULL);
  assert_non_null(strstr(error->message, "property \"roi\": \"abc\" is not"));
  g_error_free(error);
  gst_message_unref(message);
  gst_element_set_state(pipeline, GST_STATE_READY);
  gst_element_set_state(pipeline, GST_STATE_PAUSED);
  assert_null(gst_bus_pop_filtered(bus, GST_MESSAGE_WARNING)); /* once */
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(bus);
  gst_object_unref(pipeline);
}

static void a_roi_outside_the_frame_is_said_once(void **state) {
  Rig *rig = rig_new_with_both("roi=900,0,100,100");
  assert_null(rig_result(rig));
  assert_null(rig_result(rig));
  assert_int_equal(count_warnings(rig, "roi"), 1);
  assert_int_equal(rig_stat(rig, "skipped"), 2);
  rig_free(rig);
}

static GstBuffer *push_with_regions(Rig *rig, const GstResnet18Region *regions, guint n) {
  GstBuffer *buffer = gst_buffer_copy_deep(gst_sample_get_buffer(rig->picture));
  GST_BUFFER_PTS(buffer) = rig->frames++ * RIG_FRAME;
  for (guint i = 0; i < n; i++) {
    GstVideoRegionOfInterestMeta *meta = gst_buffer_add_video_region_of_interest_meta(
        buffer, "thing", (guint)regions[i].x, (guint)regions[i].y, (guint)regions[i].w, (guint)regions[i].h);
    meta->id = regions[i].id;
  }
  return gst_harness_push_and_pull(rig->harness, buffer);
}

/* The result that was added to the region with this id. */
static const GstStructure *result_of_region(GstBuffer *buffer, gint id) {
  GstVideoRegionOfInterestMeta *meta = gst_buffer_get_video_region_of_interest_meta_id(buffer, id);
  return meta ? gst_video_region_of_interest_meta_get_param(meta, GST_RESNET18_RESULT) : NULL;
}

static void each_region_gets_its_own_result(void **state) {
  static const GstResnet18Region regions[] = {{.id = 7, .x = 0, .y = 0, .w = 400, .h = 400},
                                              {.id = 9, .x = 400, .y = 0, .w = 400, .h = 400}};
  Rig *rig = rig_new_with_both("roi-source=meta");
  GstBuffer *buffer = push_with_regions(rig, regions, 2);
  gint id;
  assert_int_equal(rig->results, 2);
  assert_true(is_cat(rig_class(result_of_region(buffer, 7), 0)));
  assert_int_equal(rig_class(result_of_region(buffer, 9), 0), ESPRESSO);
  for (guint i = 0; i < 2; i++) {
    const GstStructure *result = gst_resnet18_buffer_get_result(buffer, i);
    assert_true(gst_resnet18_result_get_roi(result, &id, NULL, NULL, NULL, NULL));
    assert_int_equal(rig_class(result, 0) == ESPRESSO, id == 9);
  }
  assert_null(gst_resnet18_buffer_get_result(buffer, 2));
  gst_buffer_unref(buffer);
  rig_free(rig);
}

static void a_frame_without_regions_has_no_result(void **state) {
  static const GstResnet18Region region = {.id = 1, .x = 0, .y = 0, .w = 400, .h = 400};
  Rig *rig = rig_new_with_both("roi-source=meta");
  GstBuffer *buffer = push_with_regions(rig, &region, 1);
  assert_non_null(gst_resnet18_buffer_get_result(buffer, 0));
  gst_buffer_unref(buffer);
  buffer = push_with_regions(rig, NULL, 0);
  assert_null(gst_resnet18_buffer_get_result(buffer, 0));
  gst_buffer_unref(buffer);
  assert_int_equal(count_warnings(rig, ""), 0);
  rig_free(rig);
}

/* In between, when a frame is not classified, the result stays with its object, wherever that has moved. */
static void results_follow_their_objects(void **state) {
  static const GstResnet18Region first[] = {{.id = 1, .x = 0, .y = 0, .w = 400, .h = 400},
                                            {.id = 2, .x = 400, .y = 0, .w = 400, .h = 400}};
  static const GstResnet18Region then[] = {{.id = 2, .x = 100, .y = 50, .w = 300, .h = 300},
                                           {.id = 3, .x = 500, .y = 0, .w = 100, .h = 100}};
  static const GstResnet18Region both[] = {{.x = 400, .w = 400, .h = 400}, {.x = 0, .w = 400, .h = 400}};
  static const GstResnet18Region nameless[] = {{.x = 10, .y = 10, .w = 380, .h = 390}};
  Rig *rig = rig_new_with_both("roi-source=meta interval=2");
  GstBuffer *buffer = push_with_regions(rig, first, 2);
  gst_buffer_unref(buffer);
  buffer = push_with_regions(rig, then, 2);
  assert_int_equal(rig_class(result_of_region(buffer, 2), 0), ESPRESSO);
  assert_null(result_of_region(buffer, 3));
  assert_null(gst_resnet18_buffer_get_result(buffer, 1));
  assert_int_equal(rig_time(gst_resnet18_buffer_get_result(buffer, 0), "age"), RIG_FRAME);
  gst_buffer_unref(buffer);
  gst_buffer_unref(push_with_regions(rig, both, 2));
  buffer = push_with_regions(rig, nameless, 1);
  assert_true(is_cat(rig_class(gst_resnet18_buffer_get_result(buffer, 0), 0)));
  gst_buffer_unref(buffer);
  rig_free(rig);
}

/* Outside the frame, empty, huge, and more than there is room for. */
static void odd_regions_do_no_harm(void **state) {
  GstResnet18Region regions[40] = {{.id = 1, .x = 5000, .y = 0, .w = 10, .h = 10},
                                   {.id = 2, .x = 10, .y = 10, .w = 0, .h = 0},
                                   {.id = 3, .x = 700, .y = 300, .w = G_MAXINT, .h = G_MAXINT}};
  Rig *rig = rig_new_with_both("roi-source=meta");
  GstBuffer *buffer;
  for (guint i = 3; i < G_N_ELEMENTS(regions); i++)
    regions[i] = (GstResnet18Region){.id = (gint)i + 1, .x = (gint)i, .y = 0, .w = 1, .h = 1};
  buffer = push_with_regions(rig, regions, G_N_ELEMENTS(regions));
  assert_int_equal(rig->results, GST_RESNET18_MAX_REGIONS);
  assert_null(result_of_region(buffer, 1));
  assert_null(result_of_region(buffer, 2));
  assert_non_null(result_of_region(buffer, 3));
  gst_buffer_unref(buffer);
  rig_free(rig);
}

static void regions_of_one_object_are_found(void **state) {
  static const GstResnet18Regions unique = {{{.id = 1, .w = 10, .h = 10}, {.id = 2, .x = 50, .w = 10, .h = 10}}, 2};
  static const GstResnet18Regions alike = {{{.id = 4, .w = 10, .h = 10}, {.id = 4, .x = 50, .w = 10, .h = 10}}, 2};
  static const GstResnet18Region moved = {.id = 2, .x = 2, .w = 10, .h = 10}, far = {.id = 9, .x = 90, .w = 5, .h = 5};
  static const GstResnet18Region near = {.id = 4, .x = 48, .w = 10, .h = 10};
  assert_ptr_equal(gst_resnet18_regions_find(&unique, &moved), &unique.region[1]);
  assert_null(gst_resnet18_regions_find(&unique, &far));
  assert_ptr_equal(gst_resnet18_regions_find(&alike, &near), &alike.region[1]);
}

#ifdef HAVE_ANALYTICS
static GstBuffer *push_with_objects(Rig *rig, const GstResnet18Region *regions, guint n) {
  GstBuffer *buffer = gst_buffer_copy_deep(gst_sample_get_buffer(rig->picture));
  GstAnalyticsRelationMeta *meta = gst_buffer_add_analytics_relation_meta(buffer);
  GST_BUFFER_PTS(buffer) = rig->frames++ * RIG_FRAME;
  for (guint i = 0; i < n; i++) {
    GstAnalyticsODMtd od;
    assert_true(gst_analytics_relation_meta_add_od_mtd(meta, g_quark_from_string("thing"), regions[i].x, regions[i].y,
                                                       regions[i].w, regions[i].h, 0.9f, &od));
  }
  return gst_harness_push_and_pull(rig->harness, buffer);
}

static void objects_of_analytics_get_related_classes(void **state) {
  static const GstResnet18Region regions[] = {{.x = 0, .y = 0, .w = 400, .h = 400},
                                              {.x = 400, .y = 0, .w = 400, .h = 400}};
  Rig *rig = rig_new_with_both("roi-source=meta");
  GstBuffer *buffer = push_with_objects(rig, regions, 2);
  GstAnalyticsRelationMeta *meta = gst_buffer_get_analytics_relation_meta(buffer);
  GstAnalyticsMtd od, cls;
  gpointer state_od = NULL;
  for (guint i = 0; i < 2; i++) {
    gpointer related = NULL;
    const gchar *label;
    assert_true(gst_analytics_relation_meta_iterate(meta, &state_od, gst_analytics_od_mtd_get_mtd_type(), &od));
    assert_true(gst_analytics_relation_meta_get_direct_related(meta, od.id, GST_ANALYTICS_REL_TYPE_RELATE_TO,
                                                               gst_analytics_cls_mtd_get_mtd_type(), &related, &cls));
    label = g_quark_to_string(gst_analytics_cls_mtd_get_quark(&cls, 0));
    assert_int_equal(strcmp(label, "espresso") == 0, i == 1);
    assert_int_equal(gst_analytics_cls_mtd_get_length(&cls), 5);
  }
  gst_buffer_unref(buffer);
  rig_free(rig);
}

static void frames_get_a_classification(void **state) {
  Rig *rig = rig_new("top-k=2", "coffee.png", RGB);
  GstBuffer *buffer = rig_frame(rig);
  GstAnalyticsRelationMeta *meta = gst_buffer_get_analytics_relation_meta(buffer);
  GstAnalyticsMtd cls;
  gpointer at = NULL;
  assert_non_null(meta);
  assert_true(gst_analytics_relation_meta_iterate(meta, &at, gst_analytics_cls_mtd_get_mtd_type(), &cls));
  assert_int_equal(gst_analytics_cls_mtd_get_length(&cls), 2);
  assert_string_equal(g_quark_to_string(gst_analytics_cls_mtd_get_quark(&cls, 0)), "espresso");
  assert_true(fabsf(gst_analytics_cls_mtd_get_level(&cls, 0) - 0.906f) < 0.01f);
  for (gint i = 0; i < 50; i++) { /* others may add more */
    GstAnalyticsODMtd od;
    assert_true(gst_analytics_relation_meta_add_od_mtd(meta, g_quark_from_string("thing"), i, 0, 1, 1, 1, &od));
    assert_true(gst_analytics_relation_meta_set_relation(meta, GST_ANALYTICS_REL_TYPE_RELATE_TO, od.id, cls.id));
  }
  assert_int_equal(gst_analytics_relation_get_length(meta), 51);
  assert_int_equal(gst_analytics_cls_mtd_get_quark((GstAnalyticsClsMtd *)&cls, 0), g_quark_from_string("espresso"));
  gst_buffer_unref(buffer);
  rig_free(rig);
}
#endif

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(roi_chooses_the_part),
      cmocka_unit_test(a_roi_that_is_none_is_refused),
      cmocka_unit_test(a_roi_refused_before_the_start_is_said_at_the_start),
      cmocka_unit_test(a_roi_outside_the_frame_is_said_once),
      cmocka_unit_test(each_region_gets_its_own_result),
      cmocka_unit_test(a_frame_without_regions_has_no_result),
      cmocka_unit_test(results_follow_their_objects),
      cmocka_unit_test(odd_regions_do_no_harm),
      cmocka_unit_test(regions_of_one_object_are_found),
#ifdef HAVE_ANALYTICS
      cmocka_unit_test(objects_of_analytics_get_related_classes),
      cmocka_unit_test(frames_get_a_classification),
#endif
  };
  gst_init(&argc, &argv);
  return cmocka_run_group_tests(tests, NULL, NULL);
}

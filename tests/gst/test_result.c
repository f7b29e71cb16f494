/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a result says, and that meta, message, signal and JSON say the same. */
#include "result_json.h"
#include "rig.h"

#include <math.h>

#define RGB "video/x-raw,format=RGB"
/* The scores are torchvision's with the same weights. The preprocessing may differ from Pillow's by one level of 255.
 */
#define SCORE_TOLERANCE 0.01

typedef struct {
  guint index;
  const char *wnid, *label;
  double score;
} Expected;

static void check_class(const GstStructure *result, guint nth, const Expected *expected) {
  GstResnet18Class c;
  assert_true(gst_resnet18_result_get_class(result, nth, &c));
  assert_int_equal(c.index, expected->index);
  assert_string_equal(c.wnid, expected->wnid);
  assert_string_equal(c.label, expected->label);
  assert_true(fabs(c.score - expected->score) <= SCORE_TOLERANCE);
}

static void says_what_torchvision_says(void **state) {
  static const Expected cat[] = {{TIGER_CAT, "n02123159", "tiger cat", 0.402},
                                 {EGYPTIAN_CAT, "n02124075", "Egyptian cat", 0.390},
                                 {TABBY, "n02123045", "tabby", 0.204}};
  static const Expected coffee = {ESPRESSO, "n07920052", "espresso", 0.906};
  Rig *rig = rig_new("", "chelsea.png", RGB);
  GstStructure *result = rig_result(rig);
  for (guint i = 0; i < G_N_ELEMENTS(cat); i++)
    check_class(result, i, &cat[i]);
  assert_int_equal(gst_resnet18_result_get_n_classes(result), 5);
  gst_structure_free(result);
  rig_show(rig, "coffee.png", RGB);
  result = rig_result(rig);
  check_class(result, 0, &coffee);
  gst_structure_free(result);
  rig_free(rig);
}

static void has_the_frames_times(void **state) {
  Rig *rig = rig_new("", "chelsea.png", RGB);
  GstStructure *result;
  const char *model;
  double uncertainty = -1;
  gboolean unknown = TRUE;
  rig_best(rig);
  result = rig_result(rig);
  assert_int_equal(rig_time(result, "pts"), RIG_FRAME);
  assert_int_equal(rig_time(result, "running-time"), RIG_FRAME);
  assert_int_equal(rig_time(result, "stream-time"), RIG_FRAME);
  assert_int_equal(rig_time(result, "duration"), RIG_FRAME);
  assert_int_equal(rig_time(result, "age"), 0);
  assert_true(rig_time(result, "inference-time") > 0);
  model = gst_structure_get_string(result, "model");
  assert_non_null(model);
  assert_true(gst_structure_get_double(result, "uncertainty", &uncertainty));
  assert_true(uncertainty > 0 && uncertainty < 1);
  assert_true(gst_structure_get_boolean(result, "unknown", &unknown));
  assert_false(unknown);
  assert_false(gst_structure_has_field(result, "roi"));
  gst_structure_free(result);
  rig_free(rig);
}

static void leaves_out_times_that_the_frame_lacks(void **state) {
  Rig *rig = rig_new("", "chelsea.png", RGB);
  GstBuffer *buffer = gst_buffer_copy_deep(gst_sample_get_buffer(rig->picture));
  const GstStructure *result;
  GST_BUFFER_PTS(buffer) = GST_CLOCK_TIME_NONE;
  GST_BUFFER_DURATION(buffer) = GST_CLOCK_TIME_NONE;
  buffer = gst_harness_push_and_pull(rig->harness, buffer);
  result = gst_resnet18_buffer_get_result(buffer, 0);
  assert_false(gst_structure_has_field(result, "pts"));
  assert_false(gst_structure_has_field(result, "running-time"));
  assert_false(gst_structure_has_field(result, "duration"));
  assert_int_equal(rig_time(result, "age"), 0);
  gst_buffer_unref(buffer);
  rig_free(rig);
}

static void meta_message_and_signal_agree(void **state) {
  Rig *rig = rig_new("post-messages=all", "chelsea.png", RGB);
  GstStructure *result = rig_result(rig);
  const GstStructure *message = NULL;
  rig_read_bus(rig);
  for (guint i = 0; i < rig->messages->len && !message; i++)
    message = gst_resnet18_message_get_result(rig->messages->pdata[i]);
  assert_non_null(message);
  assert_true(gst_structure_is_equal(result, message));
  assert_true(gst_structure_is_equal(result, rig->last));
  gst_structure_free(result);
  rig_free(rig);
}

static void reader_knows_what_is_not_a_result(void **state) {
  GstBuffer *buffer = gst_buffer_new();
  GstMessage *message = gst_message_new_eos(NULL);
  GstStructure *other = gst_structure_new_empty("other");
  GstResnet18Class c;
  assert_null(gst_resnet18_buffer_get_result(buffer, 0));
  assert_null(gst_resnet18_message_get_result(message));
  assert_int_equal(gst_resnet18_result_get_n_classes(other), 0);
  assert_int_equal(gst_resnet18_result_get_n_classes(NULL), 0);
  assert_false(gst_resnet18_result_get_class(other, 0, &c));
  assert_null(gst_resnet18_result_get_label(other));
  assert_true(gst_resnet18_result_get_score(other) == 0.0);
  assert_false(gst_resnet18_result_get_roi(other, NULL, NULL, NULL, NULL, NULL));
  gst_structure_free(other);
  gst_message_unref(message);
  gst_buffer_unref(buffer);
}

static void json_is_what_the_result_says(void **state) {
  Rig *rig = rig_new("top-k=1", "coffee.png", RGB);
  GstStructure *result = rig_result(rig);
  gchar *json;
  gst_structure_set(result, "model", G_TYPE_STRING, "a\"b\\c\n", "inference-time", G_TYPE_UINT64, (guint64)7,
                    "uncertainty", G_TYPE_DOUBLE, 0.25, NULL);
  json = gst_resnet18_result_to_json(result);
  assert_non_null(
      strstr(json, "{\"model\":\"a\\\"b\\\\c\\u000a\",\"pts\":0,\"running-time\":0,\"stream-time\":0,"
                   "\"duration\":40000000,\"age\":0,\"inference-time\":7,\"roi\":null,\"classes\":[{\"index\":967,"
                   "\"wnid\":\"n07920052\",\"label\":\"espresso\",\"score\":0.90"));
  assert_non_null(strstr(json, "}],\"group\":null,\"uncertainty\":0.25,\"unknown\":false,\"event\":\"entered\"}"));
  assert_null(strchr(json, '\n'));
  g_free(json);
  gst_structure_free(result);
  rig_free(rig);
}

static void json_stays_json_for_odd_values(void **state) {
  GstStructure *result = gst_structure_new(GST_RESNET18_RESULT, "uncertainty", G_TYPE_DOUBLE, (double)NAN, NULL);
  gchar *json = gst_resnet18_result_to_json(result);
  GString *string = g_string_new(NULL);
  assert_non_null(strstr(json, "\"uncertainty\":null"));
  gst_resnet18_json_append_string(string, "\xff\xe2\x80\xa8\x7f");
  assert_string_equal(string->str, "\"\xef\xbf\xbd\\u2028\\u007f\"");
  g_string_free(string, TRUE);
  g_free(json);
  gst_structure_free(result);
}

/* The first frame is classified, the second carries the same result; each, and each copy, has one of its own, which
 * stays whatever becomes of the others, of further metas and of the element. */
static void each_buffer_has_its_own_result(void **state) {
  Rig *rig = rig_new("mode=sync interval=2", "chelsea.png", RGB);
  GstBuffer *first = rig_frame(rig), *second = rig_frame(rig), *copy;
  GstStructure *result = gst_structure_copy(gst_resnet18_buffer_get_result(first, 0));
  assert_int_equal(rig_time(gst_resnet18_buffer_get_result(first, 0), "age"), 0);
  assert_int_equal(rig_time(gst_resnet18_buffer_get_result(second, 0), "age"), RIG_FRAME);
  gst_buffer_unref(first);
  copy = gst_buffer_copy(second);
  rig_free(rig);
  assert_int_equal(rig_class(gst_resnet18_buffer_get_result(second, 0), 0), TIGER_CAT);
  gst_buffer_unref(second);
  assert_int_equal(rig_class(gst_resnet18_buffer_get_result(copy, 0), 0), TIGER_CAT);
  assert_int_equal(rig_class(result, 0), TIGER_CAT);
  gst_structure_free(result);
  gst_buffer_unref(copy);
}

/* A second classifier's result comes to the first one's, and stays when that is taken off. */
static void two_results_on_one_buffer(void **state) {
  Rig *rig = rig_new("mode=sync", "chelsea.png", RGB), *second = rig_new("mode=sync top-k=1", "chelsea.png", RGB);
  GstBuffer *buffer = gst_harness_push_and_pull(second->harness, rig_frame(rig));
  GstCustomMeta *meta = gst_buffer_get_custom_meta(buffer, GST_RESNET18_RESULT);
  assert_int_equal(gst_resnet18_result_get_n_classes(gst_resnet18_buffer_get_result(buffer, 0)), 5);
  assert_int_equal(gst_resnet18_result_get_n_classes(gst_resnet18_buffer_get_result(buffer, 1)), 1);
  assert_true(gst_buffer_remove_meta(buffer, (GstMeta *)meta));
  rig_free(rig);
  rig_free(second);
  assert_int_equal(rig_class(gst_resnet18_buffer_get_result(buffer, 0), 0), TIGER_CAT);
  gst_buffer_unref(buffer);
}

/* What a program writes into a result on its way is that buffer's alone. */
static void a_result_can_be_written_to(void **state) {
  Rig *rig = rig_new("mode=sync interval=3", "chelsea.png", RGB);
  GstBuffer *first = rig_frame(rig), *second = rig_frame(rig);
  GstStructure *mine = gst_custom_meta_get_structure(gst_buffer_get_custom_meta(first, GST_RESNET18_RESULT));
  gst_structure_set(mine, "classes", G_TYPE_STRING, "none", "camera", G_TYPE_STRING, "door", NULL);
  assert_string_equal(gst_structure_get_string(gst_resnet18_buffer_get_result(first, 0), "camera"), "door");
  assert_int_equal(rig_class(gst_resnet18_buffer_get_result(second, 0), 0), TIGER_CAT);
  assert_false(gst_structure_has_field(gst_resnet18_buffer_get_result(second, 0), "camera"));
  assert_int_equal(rig_best(rig), TIGER_CAT);
  gst_buffer_unref(first);
  gst_buffer_unref(second);
  rig_free(rig);
}

static gboolean is_another(GstBuffer *buffer, GstMeta **meta, gpointer result) {
  if ((*meta)->info != ((GstMeta *)result)->info)
    *meta = NULL;
  return TRUE;
}

/* Whoever takes every other meta off the buffer leaves the result whole. */
static void a_result_needs_no_other_meta(void **state) {
  Rig *rig = rig_new("mode=sync", "chelsea.png", RGB);
  GstBuffer *buffer = rig_frame(rig);
  rig_free(rig);
  gst_buffer_foreach_meta(buffer, is_another, gst_buffer_get_custom_meta(buffer, GST_RESNET18_RESULT));
  assert_int_equal(rig_class(gst_resnet18_buffer_get_result(buffer, 0), 0), TIGER_CAT);
  gst_buffer_unref(buffer);
}

/* A program may add a meta of the same name, as GStreamer does where it copies one: it begins empty. */
static void a_meta_of_a_program_begins_empty(void **state) {
  Rig *rig = rig_new("mode=sync", "chelsea.png", RGB);
  GstBuffer *buffer = gst_buffer_new();
  GstStructure *mine = gst_custom_meta_get_structure(gst_buffer_add_custom_meta(buffer, GST_RESNET18_RESULT));
  assert_int_equal(gst_structure_n_fields(mine), 0);
  assert_string_equal(gst_structure_get_name(mine), GST_RESNET18_RESULT);
  gst_structure_set(mine, "unknown", G_TYPE_BOOLEAN, TRUE, NULL);
  assert_ptr_equal(gst_resnet18_buffer_get_result(buffer, 0), mine);
  gst_buffer_unref(buffer);
  rig_free(rig);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(says_what_torchvision_says),
      cmocka_unit_test(has_the_frames_times),
      cmocka_unit_test(leaves_out_times_that_the_frame_lacks),
      cmocka_unit_test(meta_message_and_signal_agree),
      cmocka_unit_test(each_buffer_has_its_own_result),
      cmocka_unit_test(two_results_on_one_buffer),
      cmocka_unit_test(a_result_can_be_written_to),
      cmocka_unit_test(a_result_needs_no_other_meta),
      cmocka_unit_test(a_meta_of_a_program_begins_empty),
      cmocka_unit_test(reader_knows_what_is_not_a_result),
      cmocka_unit_test(json_is_what_the_result_says),
      cmocka_unit_test(json_stays_json_for_odd_values),
  };
  gst_init(&argc, &argv);
  return cmocka_run_group_tests(tests, NULL, NULL);
}

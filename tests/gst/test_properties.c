/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every property changes what comes out, or is refused with a reason. */
#include "rig.h"

#include <glib/gstdio.h>
#include <math.h>

#define RGB "video/x-raw,format=RGB"

static gchar *write_file(const char *name, const char *content, gssize length) {
  gchar *folder = g_dir_make_tmp("resnet18-XXXXXX", NULL), *path = g_build_filename(folder, name, NULL);
  assert_true(g_file_set_contents(path, content, length, NULL));
  g_free(folder);
  return path;
}

/* Takes the path. */
static void remove_file(gchar *path) {
  gchar *folder = g_path_get_dirname(path);
  g_remove(path);
  g_rmdir(folder);
  g_free(folder);
  g_free(path);
}

/* "thing 0", "thing 1", ... */
static gchar *write_labels(guint n) {
  GString *text = g_string_new(NULL);
  gchar *path;
  for (guint i = 0; i < n; i++)
    g_string_append_printf(text, "thing %u\n", i);
  path = write_file("labels.txt", text->str, (gssize)text->len);
  g_string_free(text, TRUE);
  return path;
}

/* The reason why an element with these properties does not start. */
static gchar *refusal(const char *properties) {
  gchar *text = g_strdup_printf("resnet18classify name=it %s", properties), *reason;
  GstElement *element = gst_object_ref_sink(gst_parse_launch(text, NULL));
  GstBus *bus = gst_bus_new();
  GstMessage *message;
  GError *error;
  gst_element_set_bus(element, bus);
  assert_int_equal(gst_element_set_state(element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
  assert_non_null(message);
  gst_message_parse_error(message, &error, NULL);
  reason = g_strdup(error->message);
  g_error_free(error);
  gst_message_unref(message);
  gst_element_set_state(element, GST_STATE_NULL);
  gst_element_set_bus(element, NULL);
  gst_object_unref(bus);
  gst_object_unref(element);
  g_free(text);
  return reason;
}

static void check_refusal(const char *properties, const char *const *words) {
  gchar *reason = refusal(properties);
  for (; *words; words++)
    if (!strstr(reason, *words))
      fail_msg("'%s' is not in '%s'", *words, reason);
  g_free(reason);
}

static void weights_from_a_file(void **state) {
  gchar *properties = g_strdup_printf("weights=\"%s/resnet18.safetensors\"", g_getenv("RESNET18_WEIGHTS_DIR"));
  Rig *rig = rig_new(properties, "chelsea.png", RGB);
  GstStructure *result = rig_result(rig);
  assert_int_equal(rig_class(result, 0), TIGER_CAT);
  assert_true(g_str_has_suffix(gst_structure_get_string(result, "model"), "resnet18.safetensors"));
  gst_structure_free(result);
  rig_free(rig);
  g_free(properties);
}

static void weights_that_are_none(void **state) {
  gchar *cut, *file, *whole, *properties;
  gsize length;
  check_refusal("weights=/nonexistent.safetensors",
                (const char *[]){"it", "weights", "/nonexistent.safetensors", NULL});
  file = g_build_filename(g_getenv("RESNET18_WEIGHTS_DIR"), "resnet18.safetensors", NULL);
  assert_true(g_file_get_contents(file, &whole, &length, NULL));
  cut = write_file("cut.safetensors", whole, (gssize)length - 1000);
  properties = g_strdup_printf("weights=\"%s\"", cut);
  check_refusal(properties, (const char *[]){"it", "weights", "cut.safetensors", NULL});
  g_free(properties);
  remove_file(cut);
  g_free(whole);
  g_free(file);
}

static void labels_from_a_file(void **state) {
  gchar *path = write_labels(1000), *properties = g_strdup_printf("labels=\"%s\"", path);
  Rig *rig = rig_new(properties, "coffee.png", RGB);
  GstStructure *result = rig_result(rig);
  assert_string_equal(gst_resnet18_result_get_label(result), "thing 967");
  gst_structure_free(result);
  rig_free(rig);
  g_free(properties);
  remove_file(path);
}

static void labels_that_are_too_few(void **state) {
  gchar *path = write_labels(999), *properties = g_strdup_printf("labels=\"%s\"", path);
  check_refusal(properties, (const char *[]){"it", "labels", "labels.txt", "999", "1000", NULL});
  g_free(properties);
  remove_file(path);
}

static void precision_is_said_in_stats(void **state) {
  Rig *rig = rig_new("precision=fp32", "chelsea.png", RGB);
  GstStructure *stats;
  rig_best(rig);
  g_object_get(rig->element, "stats", &stats, NULL);
  assert_string_equal(gst_structure_get_string(stats, "precision"), "fp32");
  assert_non_null(gst_structure_get_string(stats, "kernels"));
  assert_non_null(gst_structure_get_string(stats, "model"));
  gst_structure_free(stats);
  rig_free(rig);
}

static void threads_are_as_many_as_asked_for(void **state) {
  for (guint threads = 1; threads <= 3; threads++) {
    gchar *properties = g_strdup_printf("threads=%u", threads);
    Rig *rig = rig_new(properties, "chelsea.png", RGB);
    assert_int_equal(rig_best(rig), TIGER_CAT);
    assert_int_equal(rig_stat(rig, "threads"), threads);
    rig_free(rig);
    g_free(properties);
  }
}

static void mode_sync_waits_and_async_does_not(void **state) {
  Rig *rig = rig_new("mode=sync", "chelsea.png", RGB);
  GstStructure *result = rig_result(rig);
  assert_int_equal(rig_time(result, "age"), 0);
  gst_structure_free(result);
  rig_free(rig);
  rig = rig_new("mode=async", "chelsea.png", RGB);
  assert_null(rig_result(rig));
  result = rig_await_result(rig);
  assert_true(rig_time(result, "age") > 0);
  assert_int_equal(rig_time(result, "age") % RIG_FRAME, 0);
  assert_int_equal(rig_class(result, 0), TIGER_CAT);
  gst_structure_free(result);
  rig_free(rig);
}

/* The old value stays, and a warning says so. */
static void what_is_chosen_at_the_start_stays(void **state) {
  static const struct {
    const char *property, *value;
  } cases[] = {{"mode", "sync"}, {"precision", "int8"}, {"threads", "2"}};
  Rig *rig = rig_new("mode=async precision=fp32 threads=1", "chelsea.png", RGB);
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    gint before, after;
    GError *error;
    GstMessage *message;
    g_object_get(rig->element, cases[i].property, &before, NULL);
    gst_util_set_object_arg(G_OBJECT(rig->element), cases[i].property, cases[i].value);
    g_object_get(rig->element, cases[i].property, &after, NULL);
    assert_int_equal(before, after);
    message = gst_bus_pop_filtered(rig->bus, GST_MESSAGE_WARNING);
    assert_non_null(message);
    gst_message_parse_warning(message, &error, NULL);
    if (!strstr(error->message, cases[i].property) || !strstr(error->message, "READY"))
      fail_msg("%s: %s", cases[i].property, error->message);
    g_error_free(error);
    gst_message_unref(message);
  }
  gst_element_set_state(rig->element, GST_STATE_READY);
  g_object_set(rig->element, "threads", 2, NULL);
  assert_null(gst_bus_pop_filtered(rig->bus, GST_MESSAGE_WARNING));
  rig_free(rig);
}

/* The harness says that it is live unless told otherwise. */
static void mode_auto_follows_upstream(void **state) {
  Rig *rig = rig_new("mode=auto", "chelsea.png", RGB);
  assert_null(rig_result(rig));
  gst_harness_set_live(rig->harness, FALSE);
  rig_show(rig, "chelsea.png", "video/x-raw,format=BGR");
  assert_int_equal(rig_best(rig), TIGER_CAT);
  rig_free(rig);
}

static void interval_leaves_frames_out(void **state) {
  static const guint64 ages[] = {0, 1, 2, 0, 1, 2, 0};
  Rig *rig = rig_new("interval=3", "chelsea.png", RGB);
  for (guint i = 0; i < G_N_ELEMENTS(ages); i++) {
    GstStructure *result = rig_result(rig);
    assert_int_equal(rig_time(result, "age"), ages[i] * RIG_FRAME);
    gst_structure_free(result);
  }
  assert_int_equal(rig->results, 3);
  g_object_set(rig->element, "interval", 1, NULL);
  rig_best(rig);
  rig_best(rig);
  assert_int_equal(rig->results, 5);
  assert_int_equal(rig_stat(rig, "skipped"), 4);
  rig_free(rig);
}

/* 25 frames a second: every fifth is five a second, and 10/3 a second is every 7.5th on average. */
static void max_rate_leaves_frames_out(void **state) {
  Rig *rig = rig_new("max-rate=5/1", "chelsea.png", RGB);
  for (guint i = 0; i < 50; i++)
    rig_best(rig);
  assert_int_equal(rig->results, 10);
  rig_free(rig);
  rig = rig_new("max-rate=10/3", "chelsea.png", RGB);
  for (guint i = 0; i < 75; i++)
    rig_best(rig);
  assert_int_equal(rig->results, 10);
  rig_free(rig);
}

/* One result at the beginning; the frames after it carry it as long as it is young enough. */
static void max_age_ends_a_result(void **state) {
  Rig *rig = rig_new("mode=async interval=1000000 max-age=18446744073709551615", "chelsea.png", RGB);
  GstStructure *result = rig_await_result(rig);
  guint64 age = rig_time(result, "age");
  gst_structure_free(result);
  g_object_set(rig->element, "max-age", age + 2 * RIG_FRAME, NULL);
  for (guint i = 1; i <= 4; i++) {
    result = rig_result(rig);
    assert_int_equal(result != NULL, i <= 2);
    g_clear_pointer(&result, gst_structure_free);
  }
  g_object_set(rig->element, "max-age", G_MAXUINT64, NULL);
  assert_int_equal(rig_best(rig), TIGER_CAT);
  rig_free(rig);
}

static double score_with(const char *properties) {
  Rig *rig = rig_new(properties, "coffee.png", RGB ",width=600,height=200");
  GstStructure *result = rig_result(rig);
  double score = gst_resnet18_result_get_score(result);
  gst_structure_free(result);
  rig_free(rig);
  return score;
}

static void crop_changes_the_scores(void **state) {
  double center = score_with("crop=center"), squash = score_with("crop=squash"),
         letterbox = score_with("crop=letterbox");
  assert_true(fabs(center - squash) > 0.001);
  assert_true(fabs(center - letterbox) > 0.001);
  assert_true(fabs(squash - letterbox) > 0.001);
}

static void crop_changes_while_playing(void **state) {
  Rig *rig = rig_new("", "coffee.png", RGB ",width=600,height=200");
  GstStructure *center = rig_result(rig), *squash;
  g_object_set(rig->element, "crop", 1, NULL);
  squash = rig_result(rig);
  assert_true(fabs(gst_resnet18_result_get_score(center) - gst_resnet18_result_get_score(squash)) > 0.001);
  gst_structure_free(center);
  gst_structure_free(squash);
  rig_free(rig);
}

static void top_k_limits_the_classes(void **state) {
  Rig *rig = rig_new("top-k=1", "chelsea.png", RGB);
  for (guint k = 1; k <= 20; k += 19) {
    GstStructure *result;
    g_object_set(rig->element, "top-k", k, NULL);
    result = rig_result(rig);
    assert_int_equal(gst_resnet18_result_get_n_classes(result), k);
    gst_structure_free(result);
  }
  rig_free(rig);
}

static void threshold_leaves_classes_out(void **state) {
  Rig *rig = rig_new("threshold=0.3", "chelsea.png", RGB);
  GstStructure *result = rig_result(rig);
  gboolean unknown;
  assert_int_equal(gst_resnet18_result_get_n_classes(result), 2);
  gst_structure_free(result);
  g_object_set(rig->element, "threshold", 0.99f, NULL);
  result = rig_result(rig);
  assert_int_equal(gst_resnet18_result_get_n_classes(result), 0);
  assert_true(gst_structure_get_boolean(result, "unknown", &unknown) && unknown);
  gst_structure_free(result);
  rig_free(rig);
}

static void attach_meta_can_be_turned_off(void **state) {
  Rig *rig = rig_new("attach-meta=false", "chelsea.png", RGB);
  assert_null(rig_result(rig));
  assert_int_equal(rig->results, 1);
  g_object_set(rig->element, "attach-meta", TRUE, NULL);
  assert_int_equal(rig_best(rig), TIGER_CAT);
  rig_free(rig);
}

/* A frame that is not changed goes through as the very same buffer. */
static void without_meta_buffers_are_passed_on(void **state) {
  Rig *rig = rig_new("attach-meta=false", "chelsea.png", RGB);
  GstBuffer *in = gst_buffer_copy_deep(gst_sample_get_buffer(rig->picture)), *out;
  gst_buffer_ref(in);
  out = gst_harness_push_and_pull(rig->harness, in);
  assert_ptr_equal(in, out);
  gst_buffer_unref(out);
  gst_buffer_unref(in);
  rig_free(rig);
}

static void post_messages_says_all_changes_or_nothing(void **state) {
  static const struct {
    const char *value;
    guint messages;
  } rows[] = {{"none", 0}, {"all", 4}, {"changes", 2}};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    gchar *properties = g_strdup_printf("post-messages=%s", rows[i].value);
    Rig *rig = rig_new(properties, "chelsea.png", RGB);
    rig_best(rig);
    rig_best(rig);
    rig_show(rig, "coffee.png", RGB);
    rig_best(rig);
    rig_best(rig);
    assert_int_equal(rig_count_results_on_bus(rig), rows[i].messages);
    rig_free(rig);
    g_free(properties);
  }
}

static void on_event(GstElement *element, GstStructure *result, gpointer data) {
  g_string_append(data, gst_structure_get_string(result, "event"));
  g_string_append_c(data, ' ');
}

static gchar *events_with(const char *properties) {
  Rig *rig = rig_new(properties, "coffee.png", RGB);
  GString *events = g_string_new(NULL);
  g_signal_connect(rig->element, "event", G_CALLBACK(on_event), events);
  rig_best(rig);
  rig_best(rig);
  rig_show(rig, "chelsea.png", RGB ",width=600,height=400");
  /* The stream goes on: only the caps change, and with them what is remembered. */
  gst_structure_free(rig_result(rig));
  rig_free(rig);
  return g_string_free(events, FALSE);
}

static void events_are_signalled(void **state) {
  gchar *events = events_with("threshold=0");
  assert_string_equal(events, "entered entered ");
  g_free(events);
  events = events_with("threshold=0.8");
  assert_string_equal(events, "entered ");
  g_free(events);
}

/* The picture changes from one to the other in the middle of a stream of the same caps. */
static guint best_after_change(const char *properties) {
  Rig *rig = rig_new(properties, "coffee.png", RGB ",width=400,height=300");
  GstSample *coffee = rig->picture;
  guint best;
  rig_best(rig);
  rig->picture = rig_picture("chelsea.png", RGB ",width=400,height=300");
  gst_sample_unref(coffee);
  best = rig_best(rig);
  rig_free(rig);
  return best;
}

static void smoothing_remembers(void **state) {
  assert_int_not_equal(best_after_change("smoothing=0"), ESPRESSO);
  assert_int_equal(best_after_change("smoothing=1000000000"), ESPRESSO);
}

static void hysteresis_holds_on(void **state) {
  assert_int_not_equal(best_after_change("hysteresis=0"), ESPRESSO);
  assert_int_equal(best_after_change("hysteresis=0.9"), ESPRESSO);
}

/* A value of the property that is not its default. */
static void make_other_value(GParamSpec *spec, GValue *value) {
  g_value_init(value, spec->value_type);
  g_param_value_set_default(spec, value);
  if (G_IS_PARAM_SPEC_BOOLEAN(spec)) {
    g_value_set_boolean(value, !g_value_get_boolean(value));
  } else if (G_IS_PARAM_SPEC_ENUM(spec)) {
    const GEnumClass *all = G_PARAM_SPEC_ENUM(spec)->enum_class;
    g_value_set_enum(value, all->values[all->values[0].value == g_value_get_enum(value)].value);
  } else if (G_IS_PARAM_SPEC_UINT(spec)) {
    g_value_set_uint(value, g_value_get_uint(value) ? g_value_get_uint(value) - 1 : 1);
    g_value_set_uint(value, MAX(g_value_get_uint(value), G_PARAM_SPEC_UINT(spec)->minimum));
    if (g_param_value_defaults(spec, value))
      g_value_set_uint(value, G_PARAM_SPEC_UINT(spec)->maximum);
  } else if (G_IS_PARAM_SPEC_UINT64(spec)) {
    g_value_set_uint64(value, g_value_get_uint64(value) / 2 + 1);
  } else if (G_IS_PARAM_SPEC_FLOAT(spec)) {
    g_value_set_float(value, G_PARAM_SPEC_FLOAT(spec)->maximum / 4);
  } else if (GST_IS_PARAM_SPEC_FRACTION(spec)) {
    gst_value_set_fraction(value, 7, 3);
  } else {
    assert_true(G_IS_PARAM_SPEC_STRING(spec));
    g_value_set_string(value, strcmp(spec->name, "roi") == 0 ? "1,2,30,40" : "something");
  }
  assert_false(g_param_value_defaults(spec, value));
}

/* All of them, so that none takes another's place. */
static void what_is_set_is_read(void **state) {
  GstElement *element = gst_object_ref_sink(gst_element_factory_make("resnet18classify", NULL));
  GType own = G_OBJECT_TYPE(element);
  guint count, tried = 0;
  GParamSpec **all = g_object_class_list_properties(G_OBJECT_GET_CLASS(element), &count);
  for (guint round = 0; round < 2; round++)
    for (guint i = 0; i < count; i++) {
      GValue wanted = G_VALUE_INIT, found = G_VALUE_INIT;
      if (all[i]->owner_type != own || !(all[i]->flags & G_PARAM_WRITABLE))
        continue;
      make_other_value(all[i], &wanted);
      g_value_init(&found, all[i]->value_type);
      if (round == 0)
        g_object_set_property(G_OBJECT(element), all[i]->name, &wanted);
      g_object_get_property(G_OBJECT(element), all[i]->name, &found);
      if (g_param_values_cmp(all[i], &found, &wanted) != 0)
        fail_msg("%s: %s instead of %s", all[i]->name, gst_value_serialize(&found), gst_value_serialize(&wanted));
      g_value_unset(&wanted);
      g_value_unset(&found);
      tried += round;
    }
  assert_true(tried >= 25);
  g_free(all);
  gst_object_unref(element);
}

static void stats_add_up(void **state) {
  Rig *rig = rig_new("interval=2", "chelsea.png", RGB);
  for (guint i = 0; i < 5; i++)
    rig_best(rig);
  assert_int_equal(rig_stat(rig, "frames"), 5);
  assert_int_equal(rig_stat(rig, "classified"), 3);
  assert_int_equal(rig_stat(rig, "skipped"), 2);
  assert_int_equal(rig_stat(rig, "dropped"), 0);
  assert_int_equal(rig_stat(rig, "queue"), 0);
  assert_true(rig_stat(rig, "latency-p50") > 0);
  assert_true(rig_stat(rig, "latency-p50") <= rig_stat(rig, "latency-p99"));
  assert_true(rig_stat(rig, "latency-p99") <= rig_stat(rig, "latency-max"));
  assert_true(rig_stat(rig, "buffer-time-max") >= rig_stat(rig, "latency-max"));
  rig_free(rig);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(weights_from_a_file),
      cmocka_unit_test(weights_that_are_none),
      cmocka_unit_test(labels_from_a_file),
      cmocka_unit_test(labels_that_are_too_few),
      cmocka_unit_test(precision_is_said_in_stats),
      cmocka_unit_test(threads_are_as_many_as_asked_for),
      cmocka_unit_test(mode_sync_waits_and_async_does_not),
      cmocka_unit_test(what_is_chosen_at_the_start_stays),
      cmocka_unit_test(mode_auto_follows_upstream),
      cmocka_unit_test(interval_leaves_frames_out),
      cmocka_unit_test(max_rate_leaves_frames_out),
      cmocka_unit_test(max_age_ends_a_result),
      cmocka_unit_test(crop_changes_the_scores),
      cmocka_unit_test(crop_changes_while_playing),
      cmocka_unit_test(top_k_limits_the_classes),
      cmocka_unit_test(threshold_leaves_classes_out),
      cmocka_unit_test(attach_meta_can_be_turned_off),
      cmocka_unit_test(without_meta_buffers_are_passed_on),
      cmocka_unit_test(post_messages_says_all_changes_or_nothing),
      cmocka_unit_test(events_are_signalled),
      cmocka_unit_test(smoothing_remembers),
      cmocka_unit_test(hysteresis_holds_on),
      cmocka_unit_test(what_is_set_is_read),
      cmocka_unit_test(stats_add_up),
  };
  gst_init(&argc, &argv);
  return cmocka_run_group_tests(tests, NULL, NULL);
}

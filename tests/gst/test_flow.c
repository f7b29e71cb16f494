/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Data flow: ends, flushes, segments, states, several elements, other elements around it. */
#include "resnet18.h"
#include "rig.h"

#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#define RGB "video/x-raw,format=RGB"

static guint count_background_threads(void) {
  GDir *folder = g_dir_open("/proc/self/task", 0, NULL);
  const gchar *task;
  guint n = 0;
  while ((task = g_dir_read_name(folder)))
    n += sched_getscheduler(atoi(task)) == SCHED_BATCH;
  g_dir_close(folder);
  return n;
}

static GstBuffer *frame_of(Rig *rig) {
  GstBuffer *buffer = gst_buffer_copy_deep(gst_sample_get_buffer(rig->picture));
  GST_BUFFER_PTS(buffer) = rig->frames++ * RIG_FRAME;
  GST_BUFFER_DURATION(buffer) = RIG_FRAME;
  return buffer;
}

static void end_of_stream_comes_after_the_last_result(void **state) {
  static const char *const modes[] = {"mode=sync", "mode=async"};
  for (guint i = 0; i < G_N_ELEMENTS(modes); i++) {
    Rig *rig = rig_new(modes[i], "chelsea.png", RGB);
    assert_int_equal(gst_harness_push(rig->harness, frame_of(rig)), GST_FLOW_OK);
    assert_true(gst_harness_push_event(rig->harness, gst_event_new_eos()));
    assert_int_equal(rig->results, 1);
    assert_int_equal(rig_class(rig->last, 0), TIGER_CAT);
    assert_int_equal(gst_harness_buffers_in_queue(rig->harness), 1);
    rig_free(rig);
  }
}

static void flush(Rig *rig) {
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  assert_true(gst_harness_push_event(rig->harness, gst_event_new_flush_start()));
  assert_true(gst_harness_push_event(rig->harness, gst_event_new_flush_stop(TRUE)));
  assert_true(gst_harness_push_event(rig->harness, gst_event_new_segment(&segment)));
}

/* A new segment with another start, as after a seek that does not flush. */
static void segment_at(Rig *rig, GstClockTime start) {
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.start = segment.time = start;
  assert_true(gst_harness_push_event(rig->harness, gst_event_new_segment(&segment)));
}

static void nothing_from_before_a_flush_comes_after_it(void **state) {
  Rig *rig = rig_new("mode=async", "chelsea.png", RGB);
  for (guint i = 0; i < rig_rounds(50, 2000); i++) {
    GstStructure *result = rig_await_result(rig);
    gst_structure_free(result);
    flush(rig);
    assert_null(rig_result(rig));
  }
  rig_free(rig);
}

static void nothing_from_before_a_segment_comes_after_it(void **state) {
  Rig *rig = rig_new("mode=async interval=1000000", "chelsea.png", RGB);
  GstStructure *result = rig_await_result(rig);
  gst_structure_free(result);
  segment_at(rig, GST_SECOND);
  rig->frames = 25;
  assert_null(rig_result(rig));
  result = rig_await_result(rig);
  assert_int_equal(rig_time(result, "pts"), GST_SECOND);
  assert_int_equal(rig_time(result, "running-time"), 0);
  assert_int_equal(rig_time(result, "stream-time"), GST_SECOND);
  gst_structure_free(result);
  rig_free(rig);
}

static void a_flush_counts_what_it_drops(void **state) {
  Rig *rig = rig_new("mode=async", "chelsea.png", RGB);
  for (guint i = 0; i < 20; i++) {
    gst_buffer_unref(rig_frame(rig));
    if (i % 3 == 0)
      flush(rig);
  }
  flush(rig);
  assert_int_equal(rig_stat(rig, "frames"), 20);
  assert_int_equal(rig_stat(rig, "classified") + rig_stat(rig, "dropped") + rig_stat(rig, "skipped"), 20);
  assert_int_equal(rig_stat(rig, "queue"), 0);
  rig_free(rig);
}

static void run_to_end(GstElement *pipeline) {
  GstBus *bus = gst_element_get_bus(pipeline);
  GstMessage *message;
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
    GError *error;
    gchar *debug;
    gst_message_parse_error(message, &error, &debug);
    fail_msg("%s (%s)", error->message, debug);
  }
  gst_message_unref(message);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(bus);
}

static void stops_and_starts_again(void **state) {
  Rig *rig = rig_new("", "chelsea.png", RGB);
  for (guint i = 0; i < 3; i++) {
    assert_int_equal(rig_best(rig), TIGER_CAT);
    gst_element_set_state(rig->element, GST_STATE_READY);
    gst_element_set_state(rig->element, GST_STATE_PLAYING);
    gst_harness_push_event(rig->harness, gst_event_new_stream_start("again"));
    gst_harness_set_src_caps(rig->harness, gst_caps_ref(gst_sample_get_caps(rig->picture)));
    segment_at(rig, 0);
  }
  rig_free(rig);
}

static void is_disposed_of_in_any_state(void **state) {
  GstElement *element = gst_element_factory_make("resnet18classify", NULL);
  gst_object_unref(element);
  element = gst_element_factory_make("resnet18classify", NULL);
  gst_element_set_state(element, GST_STATE_READY);
  gst_element_set_state(element, GST_STATE_NULL);
  gst_object_unref(element);
}

/* One model, one team of threads, for all. */
static void sixteen_elements_share_one_pool(void **state) {
  Rig *rig = rig_new("", "chelsea.png", RGB), *more[15];
  guint with_one;
  assert_int_equal(rig_best(rig), TIGER_CAT);
  with_one = rig_count_threads();
  assert_true(with_one > 0);
  for (guint i = 0; i < G_N_ELEMENTS(more); i++)
    more[i] = rig_new("", "coffee.png", RGB ",width=300,height=200");
  assert_int_equal(rig_best(rig), TIGER_CAT);
  for (guint i = 0; i < G_N_ELEMENTS(more); i++)
    assert_int_equal(rig_best(more[i]), ESPRESSO);
  rig_await_threads(with_one);
  rig_free(rig);
  assert_int_equal(rig_best(more[0]), ESPRESSO);
  rig_await_threads(with_one);
  for (guint i = 0; i < G_N_ELEMENTS(more); i++)
    rig_free(more[i]);
  rig_await_threads(0);
}

static gsize resident_bytes(void) {
  gchar *text;
  gsize pages;
  assert_true(g_file_get_contents("/proc/self/statm", &text, NULL, NULL));
  pages = strtoul(strchr(text, ' '), NULL, 10);
  g_free(text);
  return pages * (gsize)sysconf(_SC_PAGESIZE);
}

/* 15 further elements together cost less than one more copy of the weights, which is 11.7 million floats. */
static void sixteen_elements_have_one_copy_of_the_weights(void **state) {
  const gsize copy = 11689512 * sizeof(float);
  Rig *rig[16];
  gsize with_one = 0;
  if (g_getenv("RESNET18_PRELOAD")) {
    print_message("the sanitizer keeps memory that was given back\n");
    skip();
  }
  for (guint i = 0; i < G_N_ELEMENTS(rig); i++) {
    rig[i] = rig_new("", "chelsea.png", RGB ",width=224,height=224");
    rig_best(rig[i]);
    if (i == 0)
      with_one = resident_bytes();
  }
  assert_true(resident_bytes() - with_one < copy);
  for (guint i = 0; i < G_N_ELEMENTS(rig); i++)
    rig_free(rig[i]);
}

/* Where a pass takes one CPU of several, the second stream gets a worker of its own, with the same weights. */
static void free_cpus_work_on_other_streams(void **state) {
  Rig *one = rig_new("threads=1", "chelsea.png", RGB), *two;
  rig_await_threads(1); /* the worker is the pass's only thread */
  two = rig_new("threads=1", "coffee.png", RGB);
  rig_await_threads(1 + (resnet18_cpu_count() > 1));
  assert_int_equal(rig_best(one), TIGER_CAT);
  assert_int_equal(rig_best(two), ESPRESSO);
  rig_free(one);
  assert_int_equal(rig_best(two), ESPRESSO);
  rig_free(two);
}

/* Workers that wake up must not push a thread that passes frames off its CPU, unless frames wait for them. */
static void workers_let_frames_pass_where_none_waits(void **state) {
  Rig *async, *sync;
  if (sched_getscheduler(0) != SCHED_OTHER) {
    print_message("this process runs with a policy that was chosen for it, which is kept\n");
    skip();
  }
  async = rig_new("mode=async", "chelsea.png", RGB);
  gst_structure_free(rig_await_result(async));
  assert_true(count_background_threads() > 0);
  sync = rig_new("mode=sync", "coffee.png", RGB);
  assert_int_equal(rig_best(sync), ESPRESSO);
  gst_structure_free(rig_await_result(async));
  assert_int_equal(count_background_threads(), 0);
  rig_free(sync);
  rig_free(async);
}

/* All submit at once, so that frames of several streams go through one pass together; nobody gets another's result. */
static void streams_do_not_mix(void **state) {
  enum { N = 8 };
  Rig *rig[N];
  for (guint i = 0; i < N; i++)
    rig[i] = rig_new("mode=async", i % 2 ? "coffee.png" : "chelsea.png", RGB);
  for (guint round = 0; round < 10; round++)
    for (guint i = 0; i < N; i++)
      gst_buffer_unref(rig_frame(rig[i]));
  for (guint i = 0; i < N; i++) {
    GstStructure *result = rig_await_result(rig[i]);
    assert_int_equal(rig_class(result, 0), i % 2 ? ESPRESSO : TIGER_CAT);
    gst_structure_free(result);
    rig_free(rig[i]);
  }
}

static void latency_is_declared_in_sync_only(void **state) {
  static const struct {
    const char *properties;
    gboolean latency;
  } rows[] = {{"mode=sync", TRUE}, {"mode=async", FALSE}, {"mode=auto", FALSE}};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    Rig *rig = rig_new(rows[i].properties, "chelsea.png", RGB);
    GstClockTime latency = gst_harness_query_latency(rig->harness);
    assert_int_equal(latency > 0, rows[i].latency);
    rig_free(rig);
  }
}

static gboolean has_latency_message(Rig *rig) {
  rig_read_bus(rig);
  for (guint i = 0; i < rig->messages->len; i++)
    if (GST_MESSAGE_TYPE(rig->messages->pdata[i]) == GST_MESSAGE_LATENCY)
      return TRUE;
  return FALSE;
}

/* What is declared follows what was measured: after enough frames it is the slowest one's time, to 10 %. */
static void latency_follows_what_is_measured(void **state) {
  Rig *rig = rig_new("mode=sync", "chelsea.png", RGB ",width=4000,height=3000");
  GstClockTime before = gst_harness_query_latency(rig->harness), after;
  for (guint i = 0; i < 64; i++)
    rig_best(rig);
  after = gst_harness_query_latency(rig->harness);
  assert_int_equal(has_latency_message(rig), before != after);
  assert_true(after <= rig_stat(rig, "buffer-time-max") * 11 / 10);
  assert_true(after * 11 / 10 >= rig_stat(rig, "latency-p50"));
  rig_free(rig);
}

static guint count_results_after(const char *more, const char *tail) {
  gchar *path = g_build_filename(g_getenv("RESNET18_MEDIA"), "chelsea.png", NULL);
  gchar *text = g_strdup_printf("filesrc location=\"%s\" ! pngdec ! imagefreeze num-buffers=5 ! videoconvert ! "
                                "resnet18classify mode=sync precision=fp32 %s ! %s ! appsink name=out sync=false",
                                path, more, tail);
  GstElement *pipeline = rig_launch(text), *out = gst_bin_get_by_name(GST_BIN(pipeline), "out");
  guint n = 0;
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  for (;;) {
    GstSample *sample;
    const GstStructure *result;
    g_signal_emit_by_name(out, "pull-sample", &sample);
    if (!sample)
      break;
    result = gst_resnet18_buffer_get_result(gst_sample_get_buffer(sample), 0);
    n += result && rig_class(result, 0) == TIGER_CAT;
    gst_sample_unref(sample);
  }
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(out);
  gst_object_unref(pipeline);
  g_free(text);
  g_free(path);
  return n;
}

static void meta_survives(void **state) {
  static const char *const tails[] = {
      "videoconvert ! video/x-raw,format=NV12",
      "videoscale ! video/x-raw,width=100,height=80",
      "videoconvert ! video/x-raw,format=I420 ! videoscale ! video/x-raw,width=64 ! queue",
      "queue ! tee ! queue",
      "videoflip method=clockwise",
      "videocrop left=10",
      "videoconvert ! x264enc tune=zerolatency speed-preset=ultrafast"};
  for (guint i = 0; i < G_N_ELEMENTS(tails); i++)
    if (count_results_after("", tails[i]) != 5)
      fail_msg("not every result is there after %s", tails[i]);
}

/* The tee's other branch keeps its buffers as they were: without our meta, and with its own pixels. */
static void a_tee_keeps_branches_apart(void **state) {
  gchar *path = g_build_filename(g_getenv("RESNET18_MEDIA"), "chelsea.png", NULL);
  gchar *text = g_strdup_printf("filesrc location=\"%s\" ! pngdec ! videoconvert ! video/x-raw,format=RGB ! tee name=t "
                                "t. ! queue ! resnet18classify overlay=true ! appsink name=one sync=false "
                                "t. ! queue ! appsink name=two sync=false",
                                path);
  GstElement *pipeline = rig_launch(text);
  GstSample *sample[2];
  GstMapInfo map[2];
  for (guint i = 0; i < 2; i++) {
    GstElement *out = gst_bin_get_by_name(GST_BIN(pipeline), i ? "two" : "one");
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    g_signal_emit_by_name(out, "pull-sample", &sample[i]);
    gst_object_unref(out);
  }
  assert_non_null(gst_resnet18_buffer_get_result(gst_sample_get_buffer(sample[0]), 0));
  assert_null(gst_resnet18_buffer_get_result(gst_sample_get_buffer(sample[1]), 0));
  for (guint i = 0; i < 2; i++)
    gst_buffer_map(gst_sample_get_buffer(sample[i]), &map[i], GST_MAP_READ);
  assert_int_equal(map[0].size, map[1].size);
  assert_memory_not_equal(map[0].data, map[1].data, map[0].size);
  for (guint i = 0; i < 2; i++) {
    gst_buffer_unmap(gst_sample_get_buffer(sample[i]), &map[i]);
    gst_sample_unref(sample[i]);
  }
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
  g_free(text);
  g_free(path);
}

static void gap_buffers_pass(void **state) {
  Rig *rig = rig_new("", "chelsea.png", RGB);
  GstBuffer *buffer = frame_of(rig);
  GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_GAP);
  buffer = gst_harness_push_and_pull(rig->harness, buffer);
  assert_true(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP));
  assert_int_equal(rig->results, 0);
  gst_buffer_unref(buffer);
  assert_int_equal(rig_best(rig), TIGER_CAT);
  rig_free(rig);
}

static void seeks_in_a_file(void **state) {
  gchar *path = g_build_filename(g_getenv("RESNET18_MEDIA"), "bigbuckbunny.mp4", NULL);
  gchar *text = g_strdup_printf("filesrc location=\"%s\" ! qtdemux ! h264parse ! avdec_h264 ! resnet18classify "
                                "mode=sync interval=25 ! fakesink name=out",
                                path);
  GstElement *pipeline = rig_launch(text);
  gst_element_set_state(pipeline, GST_STATE_PAUSED);
  gst_element_get_state(pipeline, NULL, NULL, GST_CLOCK_TIME_NONE);
  for (guint i = 0; i < rig_rounds(10, 2000); i++) {
    assert_true(gst_element_seek_simple(pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_KEY_UNIT,
                                        i * 7919 % 5000 * GST_MSECOND));
    if (i % 2)
      gst_element_get_state(pipeline, NULL, NULL, GST_CLOCK_TIME_NONE);
  }
  run_to_end(pipeline);
  gst_object_unref(pipeline);
  g_free(text);
  g_free(path);
}

static gchar *write_labels(const char *folder, const char *name, guint n) {
  gchar *path = g_build_filename(folder, name, NULL);
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < n; i++)
    g_string_append_printf(text, "%s %u\n", name, i);
  assert_true(g_file_set_contents(path, text->str, (gssize)text->len, NULL));
  g_string_free(text, TRUE);
  return path;
}

/* Pushes frames until the best class is called so. */
static void await_label(Rig *rig, const char *label) {
  for (guint i = 0; i < 2000; i++) {
    GstStructure *result = rig_result(rig);
    gboolean same = result && strcmp(gst_resnet18_result_get_label(result), label) == 0;
    g_clear_pointer(&result, gst_structure_free);
    if (same)
      return;
    g_usleep(5000);
  }
  fail_msg("%s does not come", label);
}

static GstMessage *await_warning(Rig *rig) {
  GstMessage *message = gst_bus_timed_pop_filtered(rig->bus, 60 * GST_SECOND, GST_MESSAGE_WARNING);
  assert_non_null(message);
  return message;
}

static void weights_and_labels_change_while_playing(void **state) {
  gchar *folder = g_dir_make_tmp("resnet18-XXXXXX", NULL), *weights, *whole, *kept, *text;
  gchar *one = write_labels(folder, "one", 1000), *two = write_labels(folder, "two", 1000);
  gchar *few = write_labels(folder, "few", 12), *copy = g_build_filename(folder, "copy.safetensors", NULL);
  gchar *cut = g_build_filename(folder, "cut.safetensors", NULL);
  Rig *rig = rig_new("", "coffee.png", RGB);
  GstStructure *result;
  GstMessage *message;
  GError *error;
  gsize length;
  weights = g_build_filename(g_getenv("RESNET18_WEIGHTS_DIR"), "resnet18.safetensors", NULL);
  assert_true(g_file_get_contents(weights, &whole, &length, NULL));
  assert_true(g_file_set_contents(copy, whole, (gssize)length, NULL));
  assert_true(g_file_set_contents(cut, whole, (gssize)length / 2, NULL));
  assert_int_equal(rig_best(rig), ESPRESSO);

  for (guint i = 0; i < rig_rounds(3, 100); i++) {
    g_object_set(rig->element, "labels", one, NULL);
    await_label(rig, "one 967");
    g_object_set(rig->element, "labels", two, NULL);
    await_label(rig, "two 967");
    g_object_set(rig->element, "labels", few, NULL);
    message = await_warning(rig);
    gst_message_parse_warning(message, &error, NULL);
    assert_non_null(strstr(error->message, "labels"));
    assert_non_null(strstr(error->message, few));
    g_error_free(error);
    gst_message_unref(message);
    await_label(rig, "two 967");
    g_object_get(rig->element, "labels", &kept, NULL);
    assert_string_equal(kept, two);
    g_free(kept);

    g_object_set(rig->element, "weights", cut, NULL);
    gst_message_unref(await_warning(rig));
    await_label(rig, "two 967");
    text = i % 2 ? weights : copy;
    g_object_set(rig->element, "weights", text, NULL);
    do
      result = rig_result(rig);
    while (strcmp(gst_structure_get_string(result, "model"), text) != 0 && (gst_structure_free(result), 1));
    assert_int_equal(rig_class(result, 0), ESPRESSO);
    gst_structure_free(result);
  }
  assert_int_equal(rig->results, rig->frames); /* not a frame was lost */
  rig_free(rig);
  text = g_strdup_printf("rm -r '%s'", folder);
  assert_int_equal(system(text), 0);
  g_free(text);
  g_free(whole);
  g_free(weights);
  g_free(copy);
  g_free(cut);
  g_free(one);
  g_free(two);
  g_free(few);
  g_free(folder);
}

/* Requests faster than files can be read, and a stop in the middle of it. */
static void changes_in_a_storm_end(void **state) {
  gchar *folder = g_dir_make_tmp("resnet18-XXXXXX", NULL), *text;
  gchar *one = write_labels(folder, "one", 1000), *few = write_labels(folder, "few", 3);
  for (guint round = 0; round < 5; round++) {
    Rig *rig = rig_new("mode=async", "coffee.png", RGB);
    for (guint i = 0; i < 40; i++) {
      g_object_set(rig->element, "labels", i % 3 == 0 ? few : i % 3 == 1 ? one : NULL, NULL);
      gst_buffer_unref(rig_frame(rig));
    }
    rig_free(rig);
  }
  text = g_strdup_printf("rm -r '%s'", folder);
  assert_int_equal(system(text), 0);
  g_free(text);
  g_free(one);
  g_free(few);
  g_free(folder);
}

/* Without a new segment: what was does not hold up what comes, and is not said of it. */
static void time_may_go_back(void **state) {
  static const guint64 times[] = {90000, 0, 1000, 90000, 10};
  Rig *rig = rig_new("max-rate=1/100 smoothing=10000000000 hysteresis=0.5", "chelsea.png", RGB ",width=400,height=300");
  GstSample *cat = gst_sample_ref(rig->picture), *coffee;
  rig_show(rig, "coffee.png", RGB ",width=400,height=300");
  coffee = gst_sample_ref(rig->picture);
  for (guint i = 0; i < G_N_ELEMENTS(times); i++) {
    const gboolean back = i > 0 && times[i] < times[i - 1];
    const guint before = rig->results;
    gst_sample_unref(rig->picture);
    rig->picture = gst_sample_ref(i % 2 ? coffee : cat);
    rig->frames = (guint)times[i];
    rig_best(rig);
    /* 1000 frames are 40 s, too soon for the next; an hour is enough. */
    assert_int_equal(rig->results, before + (i != 2));
    if (back)
      assert_int_equal(rig_class(rig->last, 0), i % 2 ? ESPRESSO : EGYPTIAN_CAT);
  }
  gst_sample_unref(cat);
  gst_sample_unref(coffee);
  rig_free(rig);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(end_of_stream_comes_after_the_last_result),
      cmocka_unit_test(nothing_from_before_a_flush_comes_after_it),
      cmocka_unit_test(nothing_from_before_a_segment_comes_after_it),
      cmocka_unit_test(a_flush_counts_what_it_drops),
      cmocka_unit_test(stops_and_starts_again),
      cmocka_unit_test(is_disposed_of_in_any_state),
      cmocka_unit_test(sixteen_elements_share_one_pool),
      cmocka_unit_test(sixteen_elements_have_one_copy_of_the_weights),
      cmocka_unit_test(free_cpus_work_on_other_streams),
      cmocka_unit_test(workers_let_frames_pass_where_none_waits),
      cmocka_unit_test(streams_do_not_mix),
      cmocka_unit_test(latency_is_declared_in_sync_only),
      cmocka_unit_test(latency_follows_what_is_measured),
      cmocka_unit_test(meta_survives),
      cmocka_unit_test(a_tee_keeps_branches_apart),
      cmocka_unit_test(gap_buffers_pass),
      cmocka_unit_test(seeks_in_a_file),
      cmocka_unit_test(time_may_go_back),
      cmocka_unit_test(weights_and_labels_change_while_playing),
      cmocka_unit_test(changes_in_a_storm_end),
  };
  gst_init(&argc, &argv);
  return cmocka_run_group_tests(tests, NULL, NULL);
}

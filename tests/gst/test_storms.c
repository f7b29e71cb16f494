/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ends, flushes, seeks and changes of state, one after another and from several threads, as often as R18_TEST_STORMS
 * says. Frames are small and the network is the quick one: what is tested is who waits for whom. ThreadSanitizer
 * watches it in `script/test --tsan`. */
#include "rig.h"

#include <stdlib.h>

#define SMALL "video/x-raw,format=RGB,width=64,height=48"

static guint rounds(void) {
  const char *wanted = g_getenv("R18_TEST_STORMS");
  return wanted ? (guint)atoi(wanted) : rig_rounds(60, 10000);
}

static GstBuffer *frame_of(Rig *rig) {
  GstBuffer *buffer = gst_buffer_copy_deep(gst_sample_get_buffer(rig->picture));
  GST_BUFFER_PTS(buffer) = rig->frames++ * RIG_FRAME;
  GST_BUFFER_DURATION(buffer) = RIG_FRAME;
  return buffer;
}

static void push_flush(GstPad *pad) {
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_pad_push_event(pad, gst_event_new_flush_start());
  gst_pad_push_event(pad, gst_event_new_flush_stop(TRUE));
  gst_pad_push_event(pad, gst_event_new_segment(&segment));
}

/* End after end, with what a flush and a new segment begin again; each ends after its own result. */
static void ends(void **state) {
  static const char *const modes[] = {"mode=sync precision=int8", "mode=async precision=int8"};
  for (guint i = 0; i < G_N_ELEMENTS(modes); i++) {
    Rig *rig = rig_new(modes[i], "chelsea.png", SMALL);
    for (guint round = 1; round <= (rounds() + 1) / 2; round++) {
      assert_int_equal(gst_harness_push(rig->harness, frame_of(rig)), GST_FLOW_OK);
      assert_true(gst_harness_push_event(rig->harness, gst_event_new_eos()));
      assert_int_equal(gst_harness_push(rig->harness, frame_of(rig)), GST_FLOW_EOS);
      assert_int_equal(rig->results, round);
      gst_buffer_unref(gst_harness_pull(rig->harness));
      push_flush(rig->harness->srcpad);
    }
    rig_free(rig);
  }
}

typedef struct {
  GstPad *pad;
  GMutex stream; /* held while a frame is pushed, as the lock of a source's stream */
  gint frames;   /* pushed so far; atomic */
  gint done;     /* atomic */
} Flusher;

/* As a source does it: the start of the flush sets a waiting frame free, and the rest waits for that. */
static void flush_stream(Flusher *flusher) {
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_pad_push_event(flusher->pad, gst_event_new_flush_start());
  g_mutex_lock(&flusher->stream);
  gst_pad_push_event(flusher->pad, gst_event_new_flush_stop(TRUE));
  gst_pad_push_event(flusher->pad, gst_event_new_segment(&segment));
  g_mutex_unlock(&flusher->stream);
}

/* Until no more frames come; at least as many flushes as frames, but not all of them before the first. */
static gpointer flush_from_elsewhere(gpointer data) {
  Flusher *flusher = data;
  for (gint i = 0; i < (gint)rounds() || !g_atomic_int_get(&flusher->done); i++) {
    flush_stream(flusher);
    while (i > g_atomic_int_get(&flusher->frames) && !g_atomic_int_get(&flusher->done))
      g_usleep(100);
  }
  return NULL;
}

static void flushes(void **state) {
  static const char *const modes[] = {"mode=sync precision=int8", "mode=async precision=int8"};
  for (guint i = 0; i < G_N_ELEMENTS(modes); i++) {
    Rig *rig = rig_new(modes[i], "chelsea.png", SMALL);
    Flusher flusher = {.pad = rig->harness->srcpad};
    GThread *thread;
    gst_harness_set_drop_buffers(rig->harness, TRUE);
    g_mutex_init(&flusher.stream);
    thread = g_thread_new("flush", flush_from_elsewhere, &flusher);
    for (guint round = 0; round < rounds(); round++) {
      GstFlowReturn flow;
      g_mutex_lock(&flusher.stream);
      flow = gst_harness_push(rig->harness, frame_of(rig));
      g_mutex_unlock(&flusher.stream);
      assert_true(flow == GST_FLOW_OK || flow == GST_FLOW_FLUSHING);
      g_atomic_int_inc(&flusher.frames);
      g_usleep(round * 7919 % 3000);
    }
    g_atomic_int_set(&flusher.done, TRUE);
    g_thread_join(thread);
    g_mutex_clear(&flusher.stream);
    push_flush(rig->harness->srcpad);
    gst_harness_set_drop_buffers(rig->harness, FALSE);
    gst_structure_free(rig_await_result(rig));
    rig_free(rig);
  }
}

/* A minute is for what hangs. */
static void await_state(GstElement *pipeline) {
  assert_int_not_equal(gst_element_get_state(pipeline, NULL, NULL, 60 * GST_SECOND), GST_STATE_CHANGE_ASYNC);
}

static void assert_no_error(GstElement *pipeline) {
  GstBus *bus = gst_element_get_bus(pipeline);
  GstMessage *message;
  while ((message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING))) {
    GError *error;
    gst_message_parse_error(message, &error, NULL);
    fail_msg("%s", error->message);
  }
  gst_object_unref(bus);
}

/* In both modes at once; every other seek does not wait until the one before has a frame. */
static void seeks(void **state) {
  GstElement *pipeline =
      rig_launch("videotestsrc num-buffers=100000 pattern=ball ! video/x-raw,width=64,height=48,framerate=25/1 ! tee "
                 "name=t ! queue ! resnet18classify precision=int8 mode=sync interval=5 ! fakesink t. ! queue ! "
                 "resnet18classify precision=int8 mode=async ! fakesink");
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  await_state(pipeline);
  for (guint i = 0; i < rounds(); i++) {
    if (!gst_element_seek_simple(pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, i * 7919 % 5000 * GST_MSECOND))
      fail_msg("seek %u failed", i);
    if (i % 2)
      await_state(pipeline);
    else
      g_usleep(i * 7919 % 5000);
  }
  await_state(pipeline);
  assert_no_error(pipeline);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}

/* States in an order and at moments that nobody would choose. */
static void states(void **state) {
  static const GstState order[] = {GST_STATE_PLAYING, GST_STATE_READY,   GST_STATE_PAUSED, GST_STATE_NULL,
                                   GST_STATE_PAUSED,  GST_STATE_PLAYING, GST_STATE_NULL};
  GstElement *pipeline =
      rig_launch("videotestsrc is-live=true pattern=ball ! video/x-raw,width=64,height=48,framerate=100/1 ! tee "
                 "name=t ! queue ! resnet18classify precision=int8 mode=async ! fakesink t. ! queue ! "
                 "resnet18classify precision=int8 mode=sync ! fakesink");
  for (guint i = 0; i < rounds(); i++) {
    gst_element_set_state(pipeline, order[i % G_N_ELEMENTS(order)]);
    g_usleep(i * 7919 % 20000);
  }
  assert_no_error(pipeline);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
  rig_await_threads(0);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ends),
      cmocka_unit_test(flushes),
      cmocka_unit_test(seeks),
      cmocka_unit_test(states),
  };
  gst_init(&argc, &argv);
  if (argc == 2)
    cmocka_set_test_filter(argv[1]); /* one of them alone */
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What GStreamer's gst-validate does to a player, done to a film with the element in it: its standard scenarios, with a
 * monitor on both pads of the element that knows the rules of data flow. (No Debian has gst-validate itself.) */
#include "rig.h"

/* What has passed a pad. Read by the test only when the pipeline is in NULL or data flow stands still. */
typedef struct {
  const char *name;
  gboolean has_start, has_caps, has_segment, flushing, ended;
  GstSegment segment;
  guint32 seqnum;        /* of the segment */
  GstClockTime previous; /* time of the buffer before, NONE after a segment */
  guint64 buffers, ends, flushes, segments;
  GstCaps *caps;
} Monitor;

typedef struct {
  GstElement *pipeline;
  Monitor in, out;
  GstClockTime first; /* time of the first frame since the last flush */
  guint64 results;
  gboolean sync; /* each due frame gets its result; else a short run may end before the first one */
} Player;

static void check(gboolean holds, const Monitor *monitor, const char *rule) {
  if (!holds)
    g_error("%s pad, buffer %" G_GUINT64_FORMAT ": %s", monitor->name, monitor->buffers, rule);
}

static void check_buffer(Monitor *m, GstBuffer *buffer) {
  const GstClockTime pts = GST_BUFFER_PTS(buffer);
  check(m->has_start, m, "a buffer before stream-start");
  check(m->has_caps, m, "a buffer before caps");
  check(m->has_segment, m, "a buffer before a segment");
  check(!m->ended, m, "a buffer after the end");
  check(GST_CLOCK_TIME_IS_VALID(pts), m, "a buffer without a time");
  check(gst_segment_clip(&m->segment, GST_FORMAT_TIME, pts, pts + GST_BUFFER_DURATION(buffer), NULL, NULL), m,
        "a buffer outside the segment");
  if (GST_CLOCK_TIME_IS_VALID(m->previous))
    check(m->segment.rate > 0 ? pts > m->previous : pts < m->previous, m, "a buffer out of order");
  m->previous = pts;
  m->buffers++;
}

static void restart(Monitor *m) {
  m->has_segment = m->ended = FALSE;
  m->previous = GST_CLOCK_TIME_NONE;
}

static void check_event(Monitor *m, GstEvent *event) {
  GstCaps *caps;
  switch (GST_EVENT_TYPE(event)) {
  case GST_EVENT_STREAM_START:
    m->has_start = TRUE;
    m->ended = FALSE;
    break;
  case GST_EVENT_CAPS:
    check(m->has_start, m, "caps before stream-start");
    gst_event_parse_caps(event, &caps);
    gst_caps_replace(&m->caps, caps);
    m->has_caps = TRUE;
    break;
  case GST_EVENT_SEGMENT:
    check(m->has_caps, m, "a segment before caps");
    restart(m);
    gst_event_copy_segment(event, &m->segment);
    m->seqnum = gst_event_get_seqnum(event);
    m->has_segment = TRUE;
    m->segments++;
    break;
  case GST_EVENT_EOS:
    check(!m->ended, m, "two ends");
    m->ended = TRUE;
    m->ends++;
    break;
  case GST_EVENT_FLUSH_START:
    check(!m->flushing, m, "flush-start while flushing");
    m->flushing = TRUE;
    break;
  case GST_EVENT_FLUSH_STOP:
    check(m->flushing, m, "flush-stop without flush-start");
    m->flushing = FALSE;
    m->flushes++;
    restart(m);
    break;
  default:
    break;
  }
}

/* A result is of this frame or one before it, of the time since the last flush. */
static void check_result(Player *player, GstBuffer *buffer) {
  const GstStructure *result = gst_resnet18_buffer_get_result(buffer, 0);
  GstClockTime pts = result ? rig_time(result, "pts") : 0;
  if (!GST_CLOCK_TIME_IS_VALID(player->first))
    player->first = GST_BUFFER_PTS(buffer);
  if (!result)
    return;
  player->results++;
  if (player->out.segment.rate > 0)
    check(pts >= player->first && pts <= GST_BUFFER_PTS(buffer), &player->out, "a result from before the flush");
  else
    check(pts <= player->first && pts >= GST_BUFFER_PTS(buffer), &player->out, "a result from before the flush");
}

static void check_out(Player *player, GstBuffer *buffer) {
  check(player->out.buffers == player->in.buffers, &player->out, "a buffer more or less than went in");
  check(GST_BUFFER_PTS(buffer) == player->in.previous, &player->out, "another buffer than went in");
  check(player->out.seqnum == player->in.seqnum, &player->out, "another segment than went in");
  check(gst_caps_is_equal(player->out.caps, player->in.caps), &player->out, "other caps than went in");
  check_result(player, buffer);
}

static GstPadProbeReturn on_data(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
  Player *player = data;
  const gboolean out = GST_PAD_IS_SRC(pad);
  Monitor *m = out ? &player->out : &player->in;
  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    check_buffer(m, GST_PAD_PROBE_INFO_BUFFER(info));
    if (out)
      check_out(player, GST_PAD_PROBE_INFO_BUFFER(info));
    return GST_PAD_PROBE_OK;
  }
  if (out && GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_SEGMENT) {
    player->first = GST_CLOCK_TIME_NONE;
    player->out.buffers = player->in.buffers; /* a flush may have stopped one that was inside */
  }
  check_event(m, GST_PAD_PROBE_INFO_EVENT(info));
  return GST_PAD_PROBE_OK;
}

static void watch(Player *player, GstElement *element, const char *name) {
  GstPad *pad = gst_element_get_static_pad(element, name);
  gst_pad_add_probe(pad,
                    GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM | GST_PAD_PROBE_TYPE_EVENT_FLUSH,
                    on_data, player, NULL);
  gst_object_unref(pad);
}

/* Each time anew: the delayed links of gst_parse_launch are made once only, and the demuxer's pad goes in READY. */
static void on_pad_added(GstElement *demux, GstPad *pad, gpointer data) {
  Player *player = data;
  GstElement *parse = gst_bin_get_by_name(GST_BIN(player->pipeline), "parse");
  GstPad *sink = gst_element_get_static_pad(parse, "sink");
  gst_pad_link(pad, sink);
  gst_object_unref(sink);
  gst_object_unref(parse);
}

static Player *player_new(const char *properties) {
  Player *player = g_new0(Player, 1);
  gchar *path = g_build_filename(g_getenv("RESNET18_MEDIA"), "bigbuckbunny.mp4", NULL);
  gchar *text = g_strdup_printf("filesrc location=\"%s\" ! qtdemux name=demux h264parse name=parse ! avdec_h264 ! "
                                "resnet18classify name=it %s ! fakesink sync=false",
                                path, properties);
  GError *error = NULL;
  GstElement *element;
  player->pipeline = gst_parse_launch(text, &error);
  if (error)
    fail_msg("%s: %s", text, error->message);
  player->sync = strstr(properties, "mode=sync") != NULL;
  player->in.name = "sink";
  player->out.name = "source";
  player->in.previous = player->out.previous = player->first = GST_CLOCK_TIME_NONE;
  element = gst_bin_get_by_name(GST_BIN(player->pipeline), "demux");
  g_signal_connect(element, "pad-added", G_CALLBACK(on_pad_added), player);
  gst_object_unref(element);
  element = gst_bin_get_by_name(GST_BIN(player->pipeline), "it");
  watch(player, element, "sink");
  watch(player, element, "src");
  gst_object_unref(element);
  g_free(text);
  g_free(path);
  return player;
}

/* Says why, if something went wrong. */
static void check_no_error(Player *player) {
  GstBus *bus = gst_element_get_bus(player->pipeline);
  GstMessage *message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
  GError *error;
  gchar *debug;
  gst_object_unref(bus);
  if (!message)
    return;
  gst_message_parse_error(message, &error, &debug);
  fail_msg("%s (%s)", error->message, debug);
}

static void go(Player *player, GstState state) {
  gst_element_set_state(player->pipeline, state);
  if (gst_element_get_state(player->pipeline, NULL, NULL, GST_CLOCK_TIME_NONE) != GST_STATE_CHANGE_SUCCESS) {
    check_no_error(player);
    fail_msg("state %s is not reached", gst_element_state_get_name(state));
  }
  if (state <= GST_STATE_READY) {
    restart(&player->in);
    restart(&player->out);
    player->in.has_start = player->in.has_caps = player->out.has_start = player->out.has_caps = FALSE;
  }
}

static void await_end(Player *player) {
  GstBus *bus = gst_element_get_bus(player->pipeline);
  GstMessage *message = gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  assert_int_equal(GST_MESSAGE_TYPE(message), GST_MESSAGE_EOS);
  gst_message_unref(message);
  gst_object_unref(bus);
}

/* Times in ms; stop -1 = the end of the film. */
static void seek(Player *player, double rate, GstSeekFlags flags, gint64 start, gint64 stop) {
  assert_true(gst_element_seek(player->pipeline, rate, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH | flags, GST_SEEK_TYPE_SET,
                               start * GST_MSECOND, GST_SEEK_TYPE_SET, stop < 0 ? -1 : stop * GST_MSECOND));
}

/* The same in and out, and nothing lost. */
static void player_free(Player *player) {
  const Monitor *in = &player->in, *out = &player->out;
  go(player, GST_STATE_NULL);
  assert_true(out->buffers > 0);
  assert_int_equal(out->ends, in->ends);
  assert_int_equal(out->flushes, in->flushes);
  assert_true(player->results > 0 || !player->sync);
  gst_caps_replace(&player->in.caps, NULL);
  gst_caps_replace(&player->out.caps, NULL);
  gst_object_unref(player->pipeline);
  g_free(player);
}

/* ---- The scenarios, by gst-validate's names ------------------------------------------------------------- */

static void simple_playback(Player *player) {
  go(player, GST_STATE_PLAYING);
  await_end(player);
  assert_int_equal(player->out.buffers, 132);
}

static void seek_forward(Player *player) {
  go(player, GST_STATE_PLAYING);
  for (gint64 at = 500; at < 5000; at += 500)
    seek(player, 1, GST_SEEK_FLAG_KEY_UNIT, at, -1);
  await_end(player);
}

static void seek_backward(Player *player) {
  go(player, GST_STATE_PLAYING);
  for (gint64 at = 5000; at >= 0; at -= 500)
    seek(player, 1, GST_SEEK_FLAG_ACCURATE, at, -1);
  await_end(player);
}

static void seek_with_stop(Player *player) {
  go(player, GST_STATE_PAUSED);
  seek(player, 1, GST_SEEK_FLAG_ACCURATE, 1000, 2000);
  go(player, GST_STATE_PLAYING);
  await_end(player);
  assert_true(player->out.previous < 2 * GST_SECOND);
}

static void scrub_forward_seeking(Player *player) {
  go(player, GST_STATE_PAUSED);
  for (gint64 at = 0; at < 5000; at += 250) {
    seek(player, 1, GST_SEEK_FLAG_ACCURATE, at, -1);
    go(player, GST_STATE_PAUSED);
  }
  go(player, GST_STATE_PLAYING);
  await_end(player);
}

static void pause_resume(Player *player) {
  for (guint i = 0; i < 10; i++) {
    go(player, GST_STATE_PLAYING);
    go(player, GST_STATE_PAUSED);
  }
  go(player, GST_STATE_PLAYING);
  await_end(player);
  assert_int_equal(player->out.buffers, 132);
}

static void fast_forward(Player *player) {
  go(player, GST_STATE_PAUSED);
  seek(player, 4, GST_SEEK_FLAG_NONE, 0, -1);
  go(player, GST_STATE_PLAYING);
  await_end(player);
}

static void reverse_playback(Player *player) {
  go(player, GST_STATE_PAUSED);
  seek(player, -1, GST_SEEK_FLAG_NONE, 0, 4000);
  go(player, GST_STATE_PLAYING);
  await_end(player);
}

static void change_state_intensive(Player *player) {
  static const GstState states[] = {GST_STATE_PAUSED, GST_STATE_READY, GST_STATE_PLAYING, GST_STATE_NULL};
  for (guint i = 0; i < rig_rounds(20, 400); i++)
    go(player, states[i % G_N_ELEMENTS(states)]);
  go(player, GST_STATE_PLAYING);
  await_end(player);
}

static void play_again_after_the_end(Player *player) {
  go(player, GST_STATE_PLAYING);
  for (guint i = 0; i < rig_rounds(5, 200); i++) {
    await_end(player);
    seek(player, 1, GST_SEEK_FLAG_ACCURATE, 5000, -1);
  }
  await_end(player);
}

static void seek_storm(Player *player) {
  go(player, GST_STATE_PLAYING);
  for (guint i = 0; i < rig_rounds(40, 700); i++) {
    seek(player, 1, i % 2 ? GST_SEEK_FLAG_KEY_UNIT : GST_SEEK_FLAG_ACCURATE, i * 7919 % 5000, -1);
    if (i % 3 == 0)
      go(player, GST_STATE_PLAYING);
  }
  await_end(player);
}

static const struct {
  const char *name;
  void (*play)(Player *player);
} scenarios[] = {
    {"simple_playback", simple_playback},
    {"seek_forward", seek_forward},
    {"seek_backward", seek_backward},
    {"seek_with_stop", seek_with_stop},
    {"scrub_forward_seeking", scrub_forward_seeking},
    {"pause_resume", pause_resume},
    {"fast_forward", fast_forward},
    {"reverse_playback", reverse_playback},
    {"change_state_intensive", change_state_intensive},
    {"play_again_after_the_end", play_again_after_the_end},
    {"seek_storm", seek_storm},
};

static void play_all(const char *properties) {
  for (guint i = 0; i < G_N_ELEMENTS(scenarios); i++) {
    Player *player = player_new(properties);
    print_message("%s, %s\n", scenarios[i].name, properties);
    scenarios[i].play(player);
    player_free(player);
  }
}

static void in_sync(void **state) {
  play_all("mode=sync interval=5");
}

static void in_async(void **state) {
  play_all("mode=async max-age=18446744073709551615");
}

static void with_the_overlay(void **state) {
  play_all("mode=sync interval=20 overlay=true");
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(in_sync),
      cmocka_unit_test(in_async),
      cmocka_unit_test(with_the_overlay),
  };
  gst_init(&argc, &argv);
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What GStreamer's gst-validate does to a player, done to a film with the element in it: the scenarios that come with
 * GStreamer 1.28 and move a film, step for step, their times made shorter as the film is, with a monitor on both pads
 * of the element that knows the rules of data flow. (No Debian has gst-validate itself, nor has PyPI for Linux.) */
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
  GMutex lock;        /* guards the rest up to flushing */
  GCond changed;
  GstClockTime halt_at; /* the film stands still when it has come to this time, NONE = never */
  gboolean backward, halted, flushing;
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

static gint64 patience(void) {
  return g_get_monotonic_time() + 60 * G_TIME_SPAN_SECOND;
}

/* On the source pad: the frame after this one waits, if it has come to the time. */
static void halt_in_time(Player *player, GstClockTime now) {
  g_mutex_lock(&player->lock);
  if (GST_CLOCK_TIME_IS_VALID(player->halt_at))
    player->halted |= player->backward ? now <= player->halt_at : now >= player->halt_at;
  g_cond_broadcast(&player->changed);
  g_mutex_unlock(&player->lock);
}

/* On the sink pad. */
static void stand_still(Player *player) {
  const gint64 end = patience();
  gboolean in_time = TRUE;
  g_mutex_lock(&player->lock);
  while (in_time && player->halted && !player->flushing)
    in_time = g_cond_wait_until(&player->changed, &player->lock, end);
  g_mutex_unlock(&player->lock);
  check(in_time, &player->in, "stands still for a minute");
}

static void flush(Player *player, gboolean flushing) {
  g_mutex_lock(&player->lock);
  player->flushing = flushing;
  player->halted &= flushing;
  g_cond_broadcast(&player->changed);
  g_mutex_unlock(&player->lock);
}

static GstPadProbeReturn on_data(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
  Player *player = data;
  const gboolean out = GST_PAD_IS_SRC(pad);
  Monitor *m = out ? &player->out : &player->in;
  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    if (!out)
      stand_still(player);
    check_buffer(m, GST_PAD_PROBE_INFO_BUFFER(info));
    if (out) {
      check_out(player, GST_PAD_PROBE_INFO_BUFFER(info));
      halt_in_time(player, GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info)));
    }
    return GST_PAD_PROBE_OK;
  }
  if (out && GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_SEGMENT) {
    player->first = GST_CLOCK_TIME_NONE;
    player->out.buffers = player->in.buffers; /* a flush may have stopped one that was inside */
  }
  if (!out && GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_FLUSH_START)
    flush(player, TRUE);
  if (!out && GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_FLUSH_STOP)
    flush(player, FALSE);
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
                                "resnet18classify name=it %s ! fakesink name=sink sync=false",
                                path, properties);
  GError *error = NULL;
  GstElement *element;
  player->pipeline = gst_parse_launch(text, &error);
  if (error)
    fail_msg("%s: %s", text, error->message);
  player->sync = strstr(properties, "mode=sync") != NULL;
  player->in.name = "sink";
  player->out.name = "source";
  player->in.previous = player->out.previous = player->first = player->halt_at = GST_CLOCK_TIME_NONE;
  g_mutex_init(&player->lock);
  g_cond_init(&player->changed);
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

/* Before the film runs on: in which direction, and until when, in ms. */
static void set_halt(Player *player, gboolean backward, gint64 ms) {
  g_mutex_lock(&player->lock);
  player->backward = backward;
  player->halt_at = ms < 0 ? GST_CLOCK_TIME_NONE : (GstClockTime)ms * GST_MSECOND;
  g_mutex_unlock(&player->lock);
}

static void await_halt(Player *player) {
  const gint64 end = patience();
  gboolean in_time = TRUE;
  g_mutex_lock(&player->lock);
  while (in_time && !player->halted)
    in_time = g_cond_wait_until(&player->changed, &player->lock, end);
  g_mutex_unlock(&player->lock);
  assert_true(in_time);
}

/* A step of a scenario: when the film has come to this time, a seek, all in ms. */
typedef struct {
  gint64 at;
  double rate;
  gint64 start, stop; /* stop -1 = the end of the film */
} Step;

static void take_steps(Player *player, const Step *step, guint n) {
  set_halt(player, FALSE, step[0].at);
  go(player, GST_STATE_PLAYING);
  for (guint i = 0; i < n; i++) {
    await_halt(player);
    set_halt(player, step[i].rate < 0, i + 1 < n ? step[i + 1].at : -1);
    seek(player, step[i].rate, GST_SEEK_FLAG_ACCURATE, step[i].start, step[i].stop);
  }
  await_end(player);
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
  g_mutex_clear(&player->lock);
  g_cond_clear(&player->changed);
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

/* A tenth of a second back each time. */
static void scrub_backward_seeking(Player *player) {
  go(player, GST_STATE_PAUSED);
  for (gint64 at = 4800, n = 0; at >= 0 && n < rig_rounds(10, 48); at -= 100, n++) {
    seek(player, 1, GST_SEEK_FLAG_ACCURATE, at, -1);
    go(player, GST_STATE_PAUSED);
  }
  go(player, GST_STATE_PLAYING);
  await_end(player);
}

static void simple_seeks(Player *player) {
  static const Step steps[] = {{1000, 1, 2000, -1}, {3000, 1, 0, -1}, {1000, 1, 2000, 3000}};
  take_steps(player, steps, G_N_ELEMENTS(steps));
  assert_true(player->out.previous < 3 * GST_SECOND);
}

/* A tenth of its times. */
static void seek_forward_backward(Player *player) {
  static const Step steps[] = {{0, 1, 500, -1},    {1000, 1, 0, -1},    {500, 1, 2500, -1},  {3000, 1, 0, -1},
                               {500, 1, 1500, -1}, {2000, 1, 3500, -1}, {4000, 1, 2500, -1}, {3000, 1, 500, 1000}};
  take_steps(player, steps, G_N_ELEMENTS(steps));
  assert_true(player->out.previous < 1 * GST_SECOND);
}

static void fast_forward(Player *player) {
  static const Step steps[] = {{0, 2, 0, -1}, {330, 4, 0, -1}, {660, 8, 0, -1}, {1320, 16, 0, -1}, {2640, 32, 0, -1}};
  take_steps(player, steps, G_N_ELEMENTS(steps));
}

/* A hundredth of its times, and later. */
static void fast_backward(Player *player) {
  static const Step steps[] = {
      {0, -2, 0, 5000}, {4900, -4, 0, 4900}, {4700, -8, 0, 4700}, {4300, -16, 0, 4300}, {3500, -32, 0, 3500}};
  take_steps(player, steps, G_N_ELEMENTS(steps));
}

static void alternate_fast_backward_forward(Player *player) {
  static const Step steps[] = {{0, -1, 0, 3100},     {3050, 1, 3050, -1},  {3100, 2, 3100, -1},
                               {3200, -2, 0, 3200},  {3100, 4, 3100, -1},  {3300, -4, 0, 3300},
                               {3100, 8, 3100, -1},  {3500, -8, 0, 3500},  {3100, 16, 3100, -1},
                               {3900, -16, 0, 3900}, {3100, 32, 3100, -1}, {4700, -32, 3100, 4700}};
  take_steps(player, steps, G_N_ELEMENTS(steps));
  assert_true(player->out.previous >= 3100 * GST_MSECOND);
}

/* Asks for a key frame from behind the element, then ends the film before its end. */
static void force_key_unit(Player *player) {
  GstElement *sink = gst_bin_get_by_name(GST_BIN(player->pipeline), "sink");
  set_halt(player, FALSE, 1000);
  go(player, GST_STATE_PLAYING);
  await_halt(player);
  gst_element_send_event(sink, gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 1));
  gst_element_send_event(player->pipeline, gst_event_new_eos());
  set_halt(player, FALSE, -1);
  flush(player, FALSE);
  await_end(player);
  gst_object_unref(sink);
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
  gboolean once; /* in one mode, if there is not time for all */
} scenarios[] = {
    {"simple_playback", simple_playback, FALSE},
    {"seek_forward", seek_forward, FALSE},
    {"seek_backward", seek_backward, FALSE},
    {"seek_with_stop", seek_with_stop, FALSE},
    {"scrub_forward_seeking", scrub_forward_seeking, FALSE},
    {"scrub_backward_seeking", scrub_backward_seeking, TRUE},
    {"simple_seeks", simple_seeks, TRUE},
    {"seek_forward_backward", seek_forward_backward, TRUE},
    {"pause_resume", pause_resume, FALSE},
    {"fast_forward", fast_forward, FALSE},
    {"fast_backward", fast_backward, TRUE},
    {"alternate_fast_backward_forward", alternate_fast_backward_forward, TRUE},
    {"force_key_unit", force_key_unit, TRUE},
    {"reverse_playback", reverse_playback, FALSE},
    {"change_state_intensive", change_state_intensive, FALSE},
    {"play_again_after_the_end", play_again_after_the_end, FALSE},
    {"seek_storm", seek_storm, FALSE},
};

static void play_all(const char *properties, gboolean all) {
  for (guint i = 0; i < G_N_ELEMENTS(scenarios); i++) {
    Player *player;
    if (scenarios[i].once && !all)
      continue;
    player = player_new(properties);
    print_message("%s, %s\n", scenarios[i].name, properties);
    scenarios[i].play(player);
    player_free(player);
  }
}

static void in_sync(void **state) {
  play_all("mode=sync interval=5", TRUE);
}

static void in_async(void **state) {
  play_all("mode=async max-age=18446744073709551615", rig_rounds(FALSE, TRUE));
}

static void with_the_overlay(void **state) {
  play_all("mode=sync interval=20 overlay=true", rig_rounds(FALSE, TRUE));
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

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resnet18publish: what is written, and what happens to the stream, the counts and the lines when nobody reads, the
 * reader goes away, or there is no room. */
#include "publish_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- Readers ------------------------------------------------------------------------------------------- */

static gchar *contents(const char *path) {
  gchar *text = NULL;
  if (!g_file_get_contents(path, &text, NULL, NULL))
    fail_msg("%s cannot be read", path);
  return text;
}

static void assert_file(Publish *p, const char *wanted) {
  gchar *found = contents(p->path);
  assert_string_equal(found, wanted);
  g_free(found);
}

static gint listen_at(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  gint fd = socket(AF_UNIX, SOCK_STREAM, 0), small = 4096;
  g_strlcpy(address.sun_path, path, sizeof address.sun_path);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  unlink(path);
  assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
  assert_int_equal(listen(fd, 4), 0);
  return fd;
}

/* Until the other side ends. */
static void read_all(gint fd, GString *text) {
  gchar chunk[5000];
  gssize n;
  while ((n = read(fd, chunk, sizeof chunk)) > 0)
    g_string_append_len(text, chunk, n);
  assert_int_equal(n, 0);
}

static void read_line(gint fd, GString *text) {
  gchar c = 0;
  while (c != '\n') {
    assert_int_equal(read(fd, &c, 1), 1);
    g_string_append_c(text, c);
  }
}

/* A pipe is at its end until its writer, who closes it when a reader has gone, has opened it again. */
static void read_line_of_pipe(gint fd, GString *text) {
  gchar c = 0;
  gssize n = 0;
  while (c != '\n') {
    n = read(fd, &c, 1);
    assert_true(n >= 0);
    if (n == 1)
      g_string_append_c(text, c);
    else
      g_usleep(1000);
  }
}

/* Reads what comes until no line waits. The count falls a moment after the last line was written, so nothing here waits
 * for a further byte. */
static void read_while_lines_wait(Publish *p, gint fd, GString *text) {
  gchar chunk[5000];
  while (stat_of(p, "waiting")) {
    const gssize n = recv(fd, chunk, sizeof chunk, MSG_DONTWAIT);
    if (n > 0)
      g_string_append_len(text, chunk, n);
    else
      g_usleep(1000);
  }
}

/* Each line of `found` is one of `wanted`, in the same order; returns how many. */
static guint assert_lines_of(const char *found, const char *wanted) {
  gchar **f = g_strsplit(found, "\n", -1), **w = g_strsplit(wanted, "\n", -1);
  guint n = 0;
  gchar **next = w;
  for (n = 0; f[n] && *f[n]; n++) {
    while (*next && strcmp(*next, f[n]) != 0)
      next++;
    if (!*next)
      fail_msg("line %u is none that was attached, or out of order: %s", n, f[n]);
    next++;
  }
  assert_true(found[0] == 0 || g_str_has_suffix(found, "\n"));
  g_strfreev(f);
  g_strfreev(w);
  return n;
}

/* The same, for a thread of its own. */
static gpointer end_of_stream(gpointer data) {
  gst_harness_push_event(data, gst_event_new_eos());
  return NULL;
}

/* ---- Files --------------------------------------------------------------------------------------------- */

static void a_file_has_what_the_metas_say(void **state) {
  Publish *p = publish_new("location=%s");
  GstMessage *message;
  play(p);
  for (guint i = 0; i < 500; i++)
    push_result(p);
  end(p);
  assert_file(p, p->wanted->str);
  counts_add_up(p, 500);
  assert_int_equal(stat_of(p, "written"), 500);
  message = message_of(p, GST_MESSAGE_ELEMENT);
  assert_non_null(message);
  assert_true(gst_message_has_name(message, "resnet18-publish-stats"));
  gst_message_unref(message);
  publish_free(p);
}

/* A result for each of three regions, carried by four frames, the last with one region less. */
static void a_result_is_written_once(void **state) {
  static const struct {
    const char *properties;
    guint lines;
  } cases[] = {{"location=%s", 6}, {"location=%s every-frame=true", 2 * (3 + 3 + 3 + 2)}};
  for (guint c = 0; c < G_N_ELEMENTS(cases); c++) {
    Publish *p = publish_new(cases[c].properties);
    play(p);
    for (guint frame = 0; frame < 8; frame++) {
      GstBuffer *buffer = gst_buffer_new_allocate(NULL, 64, NULL);
      for (gint roi = 1; roi <= (frame % 4 == 3 ? 2 : 3); roi++) {
        GstStructure *result = make_result(frame / 4, roi);
        gst_structure_set(result, "age", G_TYPE_UINT64, (guint64)(frame % 4) * RIG_FRAME, NULL);
        if (frame % 4 == 0 || cases[c].lines > 6)
          want(p, result);
        attach(buffer, result);
        gst_structure_free(result);
      }
      push(p, buffer);
    }
    end(p);
    assert_file(p, p->wanted->str);
    assert_int_equal(stat_of(p, "written"), cases[c].lines);
    publish_free(p);
  }
}

/* As static-threshold does: new times, the same forward pass. But two passes that say the same are two results. */
static void a_result_that_stands_still_is_written_once(void **state) {
  Publish *p = publish_new("location=%s");
  play(p);
  for (guint frame = 0; frame < 10; frame++) {
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, 64, NULL);
    GstStructure *result = make_result(0, 0);
    gst_structure_set(result, "pts", G_TYPE_UINT64, frame * RIG_FRAME, NULL);
    if (frame >= 5)
      gst_structure_set(result, "inference-time", G_TYPE_UINT64, (guint64)1000, NULL);
    attach(buffer, result);
    gst_structure_free(result);
    push(p, buffer);
  }
  end(p);
  assert_int_equal(stat_of(p, "written"), 2);
  publish_free(p);
}

static void append_keeps_what_is_there(void **state) {
  static const char *const properties[] = {"location=%s append=true", "location=%s append=false", "location=%s"};
  for (guint i = 0; i < G_N_ELEMENTS(properties); i++) {
    Publish *p = publish_new(properties[i]);
    assert_true(g_file_set_contents(p->path, "before\n", -1, NULL));
    play(p);
    push_result(p);
    end(p);
    if (i != 1)
      g_string_prepend(p->wanted, "before\n");
    assert_file(p, p->wanted->str);
    publish_free(p);
  }
}

static void the_stream_has_a_name(void **state) {
  Publish *p = publish_new("location=%s stream-name=\"the \\\"back\\\" door\"");
  GString *wanted;
  play(p);
  push_result(p);
  end(p);
  wanted = g_string_new("{\"stream\":\"the \\\"back\\\" door\",");
  g_string_append(wanted, p->wanted->str + 1);
  assert_file(p, wanted->str);
  g_string_free(wanted, TRUE);
  publish_free(p);
}

/* Nothing is lost when the pipeline is stopped without an end of the stream. */
static void stopping_writes_what_waits(void **state) {
  Publish *p = publish_new("location=%s");
  play(p);
  for (guint i = 0; i < 300; i++)
    push_result(p);
  gst_element_set_state(p->element, GST_STATE_NULL);
  assert_file(p, p->wanted->str);
  counts_add_up(p, 300);
  assert_int_equal(stat_of(p, "written"), 300);
  publish_free(p);
}

static void a_full_disk_stops_nothing(void **state) {
  Publish *p = publish_new("location=/dev/full queue-size=10 drain-timeout=1");
  play(p);
  for (guint i = 0; i < 100; i++)
    push_result(p);
  assert_message(p, GST_MESSAGE_WARNING, GST_RESOURCE_ERROR_NO_SPACE_LEFT, "/dev/full", g_strerror(ENOSPC));
  end(p);
  counts_add_up(p, 100);
  assert_int_equal(stat_of(p, "dropped"), 100);
  assert_null(message_of(p, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR));
  publish_free(p);
}

/* The file's size is limited in the middle of a line: the half that was written is taken back, and written again, from
 * its beginning, when there is room. */
static void a_line_is_whole_or_not_there(void **state) {
  Publish *p = publish_new("location=%s");
  struct rlimit before, limit;
  gchar *three;
  getrlimit(RLIMIT_FSIZE, &before);
  play(p);
  for (guint i = 0; i < 3; i++)
    push_result(p);
  await_stat(p, "written", 3);
  three = g_strdup(p->wanted->str);
  limit = (struct rlimit){strlen(three) + 100, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &limit);
  push_result(p);
  assert_message(p, GST_MESSAGE_WARNING, GST_RESOURCE_ERROR_WRITE, p->path, g_strerror(EFBIG));
  assert_file(p, three);
  g_free(three);
  setrlimit(RLIMIT_FSIZE, &before);
  await_stat(p, "written", 4);
  end(p);
  assert_file(p, p->wanted->str);
  publish_free(p);
}

static void a_bad_place_is_an_error_that_says_why(void **state) {
  const struct {
    const char *location;
    gint code;
    const char *says, *reason;
  } cases[] = {
      {"/nonexistent/out", GST_RESOURCE_ERROR_OPEN_WRITE, "\"/nonexistent/out\"", g_strerror(ENOENT)},
      {"/tmp", GST_RESOURCE_ERROR_OPEN_WRITE, "\"/tmp\"", g_strerror(EISDIR)},
      {"", GST_RESOURCE_ERROR_OPEN_WRITE, "location", "empty"},
      {"unix:", GST_RESOURCE_ERROR_OPEN_WRITE, "socket", "0 bytes"},
      {"unix:/tmp/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123"
       "45678901234567890",
       GST_RESOURCE_ERROR_OPEN_WRITE, "socket", "107"}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    Publish *p = publish_new("");
    g_object_set(p->element, "location", cases[i].location, NULL);
    assert_int_equal(gst_element_set_state(p->element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
    assert_message(p, GST_MESSAGE_ERROR, cases[i].code, cases[i].says, cases[i].reason);
    gst_element_set_state(p->element, GST_STATE_NULL);
    publish_free(p);
  }
}

/* ---- Sockets and pipes --------------------------------------------------------------------------------- */

/* Nobody reads while 3000 frames pass; then everything is read. */
static void a_slow_reader_delays_nothing(void **state) {
  Publish *p = publish_new("location=unix:%s queue-size=50 drain-timeout=0");
  gint listener = listen_at(p->path), reader;
  GString *found = g_string_new(NULL);
  GThread *thread;
  guint lines;
  play(p);
  reader = accept(listener, NULL, NULL);
  for (guint i = 0; i < 3000; i++)
    push_result(p);
  assert_int_equal(gst_harness_buffers_received(p->harness), 3000);
  counts_add_up(p, 3000);
  /* The queue, and the line that is being written. */
  await_stat(p, "waiting", 51);
  g_object_set(p->element, "drain-timeout", G_MAXUINT64, NULL);
  for (guint i = 0; i < 50; i++)
    read_line(reader, found);
  thread = g_thread_new("eos", end_of_stream, p->harness);
  read_while_lines_wait(p, reader, found);
  g_thread_join(thread);
  counts_add_up(p, 3000);
  gst_element_set_state(p->element, GST_STATE_NULL);
  read_all(reader, found);
  lines = assert_lines_of(found->str, p->wanted->str);
  assert_int_equal(lines, stat_of(p, "written"));
  assert_int_equal(stat_of(p, "dropped"), 3000 - lines);
  assert_true(lines >= 51 && lines < 3000);
  assert_true(g_str_has_suffix(p->wanted->str, strrchr(found->str, '{')));
  close(reader);
  close(listener);
  g_string_free(found, TRUE);
  publish_free(p);
}

static void a_reader_may_go_and_come_back(void **state) {
  Publish *p = publish_new("location=unix:%s");
  gint listener = listen_at(p->path), reader;
  GString *first = g_string_new(NULL), *second = g_string_new(NULL), *wanted;
  play(p);
  reader = accept(listener, NULL, NULL);
  push_result(p);
  push_result(p);
  read_line(reader, first);
  read_line(reader, first);
  assert_string_equal(first->str, p->wanted->str);
  close(reader);
  close(listener);
  unlink(p->path);
  wanted = g_string_new(p->wanted->str);
  for (guint i = 0; i < 100; i++)
    push_result(p);
  /* It is noticed before anybody is back. */
  assert_message(p, GST_MESSAGE_WARNING, GST_RESOURCE_ERROR_WRITE, p->path, "again");
  listener = listen_at(p->path);
  reader = accept(listener, NULL, NULL);
  for (guint i = 0; i < 100; i++)
    read_line(reader, second);
  assert_string_equal(second->str, p->wanted->str + wanted->len);
  await_stat(p, "written", 102);
  counts_add_up(p, 102);
  assert_int_equal(stat_of(p, "dropped"), 0);
  assert_int_equal(stat_of(p, "reopened"), 1);
  assert_null(message_of(p, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR));
  close(reader);
  close(listener);
  g_string_free(first, TRUE);
  g_string_free(second, TRUE);
  g_string_free(wanted, TRUE);
  publish_free(p);
}

/* The second connection begins with a whole line, wherever in a line the first one ended. */
static void a_line_cut_off_comes_again(void **state) {
  Publish *p = publish_new("location=unix:%s queue-size=20");
  gint listener = listen_at(p->path), reader;
  GString *found = g_string_new(NULL);
  play(p);
  reader = accept(listener, NULL, NULL);
  while (stat_of(p, "dropped") < 10)
    push_result(p);
  close(reader);
  reader = accept(listener, NULL, NULL);
  for (guint i = 0; i < 15; i++)
    read_line(reader, found);
  assert_int_equal(assert_lines_of(found->str, p->wanted->str), 15);
  close(reader);
  close(listener);
  g_object_set(p->element, "drain-timeout", (guint64)0, NULL);
  g_string_free(found, TRUE);
  publish_free(p);
}

static void a_reader_may_come_late(void **state) {
  Publish *p = publish_new("location=unix:%s");
  GString *found = g_string_new(NULL);
  gint listener, reader;
  play(p);
  assert_message(p, GST_MESSAGE_WARNING, GST_RESOURCE_ERROR_WRITE, p->path, g_strerror(ENOENT));
  push_result(p);
  listener = listen_at(p->path);
  reader = accept(listener, NULL, NULL);
  read_line(reader, found);
  assert_string_equal(found->str, p->wanted->str);
  close(reader);
  close(listener);
  g_string_free(found, TRUE);
  publish_free(p);
}

/* The process lives on after the reader of a pipe has gone. */
static void a_pipe_may_lose_its_reader(void **state) {
  Publish *p = publish_new("location=%s");
  GString *found = g_string_new(NULL);
  gint reader;
  assert_int_equal(mkfifo(p->path, 0600), 0);
  play(p);
  push_result(p);
  for (guint i = 0; i < 2; i++) {
    const gsize before = p->wanted->len;
    reader = open(p->path, O_RDONLY);
    if (i == 0) {
      read_line_of_pipe(reader, found);
      assert_string_equal(found->str, p->wanted->str);
    }
    close(reader);
    push_result(p);
    reader = open(p->path, O_RDONLY);
    g_string_truncate(found, 0);
    read_line_of_pipe(reader, found);
    assert_string_equal(found->str, p->wanted->str + before);
    close(reader);
  }
  publish_free(p);
}

/* ---- Storms -------------------------------------------------------------------------------------------- */

/* Writing threads of all elements. */
static guint count_threads(void) {
  GDir *folder = g_dir_open("/proc/self/task", 0, NULL);
  const gchar *id;
  guint n = 0;
  while ((id = g_dir_read_name(folder))) {
    gchar *path = g_build_filename("/proc/self/task", id, "comm", NULL), *name = NULL;
    n += g_file_get_contents(path, &name, NULL, NULL) && g_str_has_prefix(name, "resnet18publish");
    g_free(name);
    g_free(path);
  }
  g_dir_close(folder);
  return n;
}

/* A thread names itself a moment after it began, and is listed a moment after it was joined. */
static void await_threads(guint wanted) {
  const gint64 limit = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
  while (count_threads() != wanted && g_get_monotonic_time() < limit)
    g_usleep(1000);
  assert_int_equal(count_threads(), wanted);
}

/* An end of the stream that would wait for ever for its reader. */
static void a_flush_ends_the_wait(void **state) {
  Publish *p = publish_new("location=unix:%s drain-timeout=18446744073709551615");
  gint listener = listen_at(p->path);
  GThread *thread;
  GstSegment segment;
  play(p);
  for (guint i = 0; i < 2000; i++)
    push_result(p);
  thread = g_thread_new("eos", end_of_stream, p->harness);
  g_usleep(20000);
  assert_true(gst_harness_push_event(p->harness, gst_event_new_flush_start()));
  g_thread_join(thread);
  assert_true(gst_harness_push_event(p->harness, gst_event_new_flush_stop(TRUE)));
  gst_segment_init(&segment, GST_FORMAT_TIME);
  assert_true(gst_harness_push_event(p->harness, gst_event_new_segment(&segment)));
  push_result(p);
  counts_add_up(p, 2001);
  assert_true(stat_of(p, "waiting") > 0);
  g_object_set(p->element, "drain-timeout", (guint64)0, NULL);
  gst_element_set_state(p->element, GST_STATE_NULL);
  counts_add_up(p, 2001);
  assert_int_equal(stat_of(p, "waiting"), 0);
  close(listener);
  publish_free(p);
}

static void states_in_any_order_leave_no_thread(void **state) {
  static const GstState states[] = {GST_STATE_PLAYING, GST_STATE_READY,   GST_STATE_PAUSED, GST_STATE_NULL,
                                    GST_STATE_PAUSED,  GST_STATE_PLAYING, GST_STATE_NULL};
  static const char *const locations[] = {"/dev/null", "/dev/full", "unix:/nonexistent/socket"};
  for (guint l = 0; l < G_N_ELEMENTS(locations); l++) {
    gchar *text = g_strdup_printf(
        "videotestsrc num-buffers=20 ! resnet18publish drain-timeout=1 location=%s ! fakesink", locations[l]);
    GstElement *pipeline = gst_parse_launch(text, NULL);
    gst_element_set_state(pipeline, GST_STATE_PAUSED);
    await_threads(1);
    for (guint i = 0; i < rig_rounds(50, 2000); i++) {
      gst_element_set_state(pipeline, states[i % G_N_ELEMENTS(states)]);
      g_usleep(i * 7919 % 3000);
    }
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
    await_threads(0);
    g_free(text);
  }
}

/* ---- With the classifier ------------------------------------------------------------------------------- */

static guint run(const char *text) {
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch(text, &error), *publish;
  GstBus *bus;
  GstMessage *message;
  GstStructure *stats;
  guint64 written;
  if (error)
    fail_msg("%s: %s", text, error->message);
  bus = gst_element_get_bus(pipeline);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  assert_int_equal(GST_MESSAGE_TYPE(message), GST_MESSAGE_EOS);
  gst_message_unref(message);
  publish = gst_bin_get_by_name(GST_BIN(pipeline), "p");
  g_object_get(publish, "stats", &stats, NULL);
  assert_true(gst_structure_get_uint64(stats, "written", &written));
  gst_structure_free(stats);
  gst_object_unref(publish);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(bus);
  gst_object_unref(pipeline);
  return (guint)written;
}

static void the_classifier_s_results_are_written(void **state) {
#define RUN(classify, publish)                                                                                         \
  run("videotestsrc num-buffers=12 ! resnet18classify mode=sync " classify                                             \
      " ! resnet18publish name=p location=/dev/null " publish " ! fakesink")
  assert_int_equal(RUN("", ""), 12);
  assert_int_equal(RUN("interval=4", ""), 3);
  assert_int_equal(RUN("interval=4", "every-frame=true"), 12);
  assert_int_equal(RUN("attach-meta=false", ""), 0);
  assert_int_equal(RUN("", "! resnet18classify roi=0,0,100,100 interval=6 ! resnet18publish location=/dev/null"), 12);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_file_has_what_the_metas_say),
      cmocka_unit_test(a_result_is_written_once),
      cmocka_unit_test(a_result_that_stands_still_is_written_once),
      cmocka_unit_test(append_keeps_what_is_there),
      cmocka_unit_test(the_stream_has_a_name),
      cmocka_unit_test(stopping_writes_what_waits),
      cmocka_unit_test(a_full_disk_stops_nothing),
      cmocka_unit_test(a_line_is_whole_or_not_there),
      cmocka_unit_test(a_bad_place_is_an_error_that_says_why),
      cmocka_unit_test(a_slow_reader_delays_nothing),
      cmocka_unit_test(a_reader_may_go_and_come_back),
      cmocka_unit_test(a_line_cut_off_comes_again),
      cmocka_unit_test(a_reader_may_come_late),
      cmocka_unit_test(a_pipe_may_lose_its_reader),
      cmocka_unit_test(a_flush_ends_the_wait),
      cmocka_unit_test(states_in_any_order_leave_no_thread),
      cmocka_unit_test(the_classifier_s_results_are_written),
  };
  gst_init(&argc, &argv);
  return cmocka_run_group_tests(tests, NULL, NULL);
}

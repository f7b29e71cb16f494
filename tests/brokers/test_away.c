/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resnet18publish and a broker that goes away under 25 results a second and comes back: each result arrives, in order,
 * and the stream does not notice. 6 s, or 60 s where RESNET18_LONG_TESTS is set. */
#include "publish_rig.h"
#include "servers.h"

#include <glib/gstdio.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#define RATE 25

static const BrokerKind *const kinds[] = {
#ifdef HAVE_MQTT
    &mqtt_kind,
#endif
#ifdef HAVE_NATS
    &nats_kind,
#endif
#ifdef HAVE_KAFKA
    &kafka_kind,
#endif
};

typedef struct {
  const BrokerKind *kind;
  gchar *folder;
  World *world;
  Publish *publish;
  gint64 next; /* when the next frame is due */
} Scene;

/* ---- A broker, and the element beside it --------------------------------------------------------------- */

static void remove_all(const gchar *folder) {
  gchar *argv[] = {"rm", "-rf", (gchar *)folder, NULL};
  assert_true(g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));
}

static void start_element(Scene *s, const gchar *properties) {
  gchar *location = s->kind->location(s->world);
  gchar *text = g_strdup_printf("location=%s spool=%s/spool client-id=camera %s", location, s->folder, properties);
  s->publish = publish_new(text);
  play(s->publish);
  g_free(text);
  g_free(location);
}

static Scene *scene_new(const BrokerKind *kind) {
  Scene *s = g_new0(Scene, 1);
  s->kind = kind;
  s->folder = g_dir_make_tmp("broker-XXXXXX", NULL);
  s->world = kind->begin(s->folder);
  return s;
}

static void scene_free(Scene *s) {
  s->kind->end(s->world);
  remove_all(s->folder);
  g_free(s->folder);
  g_free(s);
}

/* How the stream was treated. */
typedef struct {
  GArray *times; /* us that the element kept a frame: gint64 */
  guint waits; /* how often the streaming thread gave the processor away by itself: for a lock, the disk, the network */
} Treatment;

static glong count_waits(void) {
  struct rusage usage;
  assert_int_equal(getrusage(RUSAGE_THREAD, &usage), 0);
  return usage.ru_nvcsw;
}

static void film_frame(Scene *s, Treatment *treatment) {
  GstBuffer *buffer = gst_buffer_new_allocate(NULL, 64, NULL);
  GstStructure *result = make_result(s->publish->frames, 0);
  glong waits;
  gint64 begin, time;
  attach(buffer, result);
  gst_structure_free(result);
  while ((begin = g_get_monotonic_time()) < s->next)
    g_usleep((gulong)(s->next - begin));
  waits = count_waits();
  push(s->publish, buffer);
  if (treatment) {
    time = g_get_monotonic_time() - begin;
    g_array_append_val(treatment->times, time);
    treatment->waits += (guint)(count_waits() - waits);
  }
  s->next += G_USEC_PER_SEC / RATE;
}

/* A result every 40 ms. */
static void film(Scene *s, guint frames, Treatment *treatment) {
  if (!s->next)
    s->next = g_get_monotonic_time();
  for (guint i = 0; i < frames; i++)
    film_frame(s, treatment);
}

static gint by_time(gconstpointer a, gconstpointer b) {
  return (gint)(*(const gint64 *)a - *(const gint64 *)b);
}

static void print_treatment(const char *when, Treatment *t) {
  const guint n = t->times->len;
  const gint64 *times = (const gint64 *)t->times->data;
  g_array_sort(t->times, by_time);
  print_message(
      "  %s: %u frames, kept for %d us in the median, %d us at the 99th percentile, %d us at most; the thread "
      "waited %u times\n",
      when, n, (gint)times[n / 2], (gint)times[n * 99 / 100], (gint)times[n - 1], t->waits);
  g_array_free(t->times, TRUE);
}

/* ---- What arrives -------------------------------------------------------------------------------------- */

/* The value of a member, up to the next comma. */
static gchar *member(const gchar *line, const gchar *name) {
  gchar *key = g_strdup_printf("\"%s\":", name);
  const gchar *found = strstr(line, key);
  if (!found)
    fail_msg("%s: no \"%s\"", line, name);
  found += strlen(key);
  g_free(key);
  return g_strndup(found, strcspn(found, ","));
}

/* Results number 0 to frames - 1, in order, each under one id; returns how many came twice. */
static guint assert_all_in_order(GPtrArray *lines, guint frames) {
  GHashTable *ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  guint n = 0, twice = 0;
  for (guint i = 0; i < lines->len; i++) {
    gchar *id = member(lines->pdata[i], "id"), *pts = member(lines->pdata[i], "pts");
    const guint64 number = g_ascii_strtoull(pts, NULL, 10) / RIG_FRAME;
    g_free(pts);
    if (g_hash_table_contains(ids, id)) {
      assert_int_equal(GPOINTER_TO_UINT(g_hash_table_lookup(ids, id)), number);
      twice++;
      g_free(id);
      continue;
    }
    assert_int_equal(number, n);
    g_hash_table_insert(ids, id, GUINT_TO_POINTER(n++));
  }
  assert_int_equal(n, frames);
  g_hash_table_unref(ids);
  return twice;
}

static guint count_ids(GPtrArray *lines) {
  GHashTable *ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  guint n;
  for (guint i = 0; i < lines->len; i++)
    g_hash_table_add(ids, member(lines->pdata[i], "id"));
  n = g_hash_table_size(ids);
  g_hash_table_unref(ids);
  return n;
}

/* Waits until as many different ones have come; more would be found by the comparison. */
static GPtrArray *receive(Scene *s, guint wanted) {
  GPtrArray *lines = s->kind->read(s->world);
  while (count_ids(lines) < wanted) {
    g_ptr_array_free(lines, TRUE);
    g_usleep(20000);
    lines = s->kind->read(s->world);
  }
  return lines;
}

static guint assert_received(Scene *s, guint frames) {
  GPtrArray *lines = receive(s, frames);
  const guint twice = assert_all_in_order(lines, frames);
  assert_true(twice == 0 || !s->kind->once);
  g_ptr_array_free(lines, TRUE);
  return twice;
}

static void assert_stats(Scene *s, guint64 results, guint64 recovered, guint64 sent, guint64 spooled) {
  Publish *p = s->publish;
  assert_int_equal(stat_of(p, "results"), results);
  assert_int_equal(stat_of(p, "recovered"), recovered);
  assert_int_equal(stat_of(p, "sent"), sent);
  assert_int_equal(stat_of(p, "spooled"), spooled);
  assert_int_equal(stat_of(p, "dropped"), 0);
  assert_int_equal(stat_of(p, "waiting"), 0);
}

/* ---- The tests ----------------------------------------------------------------------------------------- */

/* Bytes that the process has from malloc; 0 under AddressSanitizer, which has its own. */
static gsize allocated(void) {
  return mallinfo2().uordblks + mallinfo2().hblkhd;
}

static void survives(const BrokerKind *kind) {
  const guint seconds = rig_rounds(6, 60), frames = (2 + seconds + 2) * RATE;
  Treatment with = {g_array_new(FALSE, FALSE, sizeof(gint64)), 0},
            without = {g_array_new(FALSE, FALSE, sizeof(gint64)), 0};
  Scene *s = scene_new(kind);
  gint64 growth;
  gsize before;
  guint64 spooled;
  guint twice;
  start_element(s, "drain-timeout=18446744073709551615");
  film(s, 2 * RATE, &with);
  assert_null(message_of(s->publish, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR));
  kind->away(s->world);
  film(s, 2 * RATE, &without);
  before = allocated();
  film(s, (seconds - 2) * RATE, &without);
  growth = (gint64)allocated() - (gint64)before;
  /* What the element still owes is on the disk, except for what had arrived. */
  spooled = stat_of(s->publish, "spooled");
  assert_in_range(spooled, (seconds - 1) * RATE, (seconds + 1) * RATE);
  kind->back(s->world);
  film(s, 2 * RATE, &with);
  end(s->publish);
  assert_stats(s, frames, 0, frames, 0);
  assert_int_equal(gst_harness_buffers_received(s->publish->harness), frames);
  twice = assert_received(s, frames);
  print_message("%s away for %u s: %u results sent, %u came twice, 0 lost; memory grew by %d bytes\n", kind->kind,
                seconds, frames, twice, (gint)growth);
  print_treatment("with the broker", &with);
  print_treatment("while it was away", &without);
  /* Every line has more than 300 bytes: half of that would be kept if lines were. */
  assert_true(growth < (gint64)(seconds - 2) * RATE * 150);
  publish_free(s->publish);
  scene_free(s);
}

/* The process ends while the broker is away, and starts again while it still is. */
static void outlives(const BrokerKind *kind) {
  Scene *s = scene_new(kind);
  start_element(s, "drain-timeout=1");
  film(s, 10, NULL);
  await_stat(s->publish, "sent", 10);
  kind->away(s->world);
  film(s, 10, NULL);
  end(s->publish);
  gst_element_set_state(s->publish->element, GST_STATE_NULL);
  assert_stats(s, 20, 0, 10, 10);
  publish_free(s->publish);
  start_element(s, "drain-timeout=1");
  assert_stats(s, 0, 10, 0, 10);
  s->publish->frames = 20;
  film(s, 10, NULL);
  gst_element_set_state(s->publish->element, GST_STATE_NULL);
  assert_stats(s, 10, 10, 0, 20);
  publish_free(s->publish);
  kind->back(s->world);
  start_element(s, "");
  await_stat(s->publish, "sent", 20);
  assert_stats(s, 0, 20, 20, 0);
  publish_free(s->publish);
  assert_received(s, 30);
  scene_free(s);
}

/* Nobody has ever been there. */
static void comes_late(const BrokerKind *kind) {
  Scene *s = scene_new(kind);
  kind->away(s->world);
  start_element(s, "");
  film(s, 5, NULL);
  assert_message(s->publish, GST_MESSAGE_WARNING, GST_RESOURCE_ERROR_WRITE, "broker", "again");
  await_stat(s->publish, "spooled", 5);
  kind->back(s->world);
  await_stat(s->publish, "sent", 5);
  assert_received(s, 5);
  publish_free(s->publish);
  scene_free(s);
}

/* More than the spool may hold: the oldest are gone, the rest is there, and the counts say so. */
static void has_a_bound(const BrokerKind *kind) {
  const guint frames = 8000;
  Scene *s = scene_new(kind);
  GPtrArray *lines;
  guint64 dropped, sent;
  kind->away(s->world);
  start_element(s, "spool-size=1048576 queue-size=10000 drain-timeout=18446744073709551615");
  s->next = g_get_monotonic_time() - 3600 * (gint64)G_USEC_PER_SEC; /* as fast as it goes */
  film(s, frames, NULL);
  await_stat(s->publish, "waiting", 0);
  assert_true(stat_of(s->publish, "dropped") > 0);
  kind->back(s->world);
  end(s->publish);
  dropped = stat_of(s->publish, "dropped");
  sent = stat_of(s->publish, "sent");
  assert_int_equal(dropped + sent, frames);
  assert_int_equal(stat_of(s->publish, "spooled"), 0);
  lines = receive(s, (guint)sent);
  /* What was on its way while it was dropped has arrived all the same. */
  assert_in_range(count_ids(lines), sent, sent + stat_of(s->publish, "repeated"));
  g_ptr_array_free(lines, TRUE);
  publish_free(s->publish);
  scene_free(s);
}

static void states_in_any_order(const BrokerKind *kind) {
  static const GstState states[] = {GST_STATE_PLAYING, GST_STATE_READY, GST_STATE_PAUSED, GST_STATE_NULL};
  Scene *s = scene_new(kind);
  gchar *location = kind->location(s->world);
  gchar *text =
      g_strdup_printf("videotestsrc num-buffers=20 ! resnet18publish drain-timeout=1 spool=%s/spool location=%s ! "
                      "fakesink",
                      s->folder, location);
  GstElement *pipeline = gst_parse_launch(text, NULL);
  for (guint i = 0; i < rig_rounds(12, 200); i++) {
    gst_element_set_state(pipeline, states[i % G_N_ELEMENTS(states)]);
    g_usleep(i * 7919 % 30000);
  }
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
  g_free(text);
  g_free(location);
  scene_free(s);
}

/* ---- For each kind ------------------------------------------------------------------------------------- */

static const struct {
  const char *name;
  void (*run)(const BrokerKind *kind);
} cases[] = {{"survives", survives},
             {"outlives", outlives},
             {"comes_late", comes_late},
             {"has_a_bound", has_a_bound},
             {"states_in_any_order", states_in_any_order}};

typedef struct {
  const BrokerKind *kind;
  guint number;
} Case;

static void run(void **state) {
  const Case *c = *state;
  gchar *reason = c->kind->missing();
  if (reason) {
    print_message("%s\n", reason);
    g_free(reason);
    skip();
  }
  cases[c->number].run(c->kind);
}

int main(int argc, char **argv) {
  struct CMUnitTest tests[G_N_ELEMENTS(kinds) * G_N_ELEMENTS(cases)];
  Case of[G_N_ELEMENTS(tests)];
  guint n = 0;
  gint failed;
  gst_init(&argc, &argv);
  if (argc > 1)
    cmocka_set_test_filter(argv[1]);
  for (guint k = 0; k < G_N_ELEMENTS(kinds); k++)
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++, n++) {
      of[n] = (Case){kinds[k], i};
      tests[n] = (struct CMUnitTest){g_strdup_printf("%s_%s", kinds[k]->kind, cases[i].name), run, NULL, NULL, &of[n]};
    }
  failed = _cmocka_run_group_tests("brokers", tests, n, NULL, NULL);
  while (n > 0)
    g_free((gchar *)tests[--n].name);
  return failed;
}

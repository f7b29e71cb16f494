/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A request while memory runs out: each allocation that libmicrohttpd, jansson and the server's own code make for it
 * fails once. The answer is the whole one, or 500 or 503 with a reason, or the connection ends; never a piece that
 * looks whole. Nothing is kept, and the next request is answered as ever. Decoders and the classifier are stand-ins;
 * GLib ends the process when its own allocations fail, which nothing can change, so those succeed. */
#include "classify.h"
#include "events.h"
#include "groups.h"
#include "json_memory.h"
#include "kserve.h"
#include "listen.h"
#include "server.h"

#include <errno.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAIT = 60000, CLASSES = 1000, ANSWER = 1 << 16 };

/* ---- What fails ---------------------------------------------------------------------------------------- */

static gint armed, calls, wanted_call, happened;
static gpointer held[1 << 14];                   /* blocks of the program and the two libraries; NULL = a free entry */
static _Thread_local bool client;                /* the thread that asks is not the server */
static struct { guintptr begin, end; } texts[3]; /* machine code of the program and of both libraries */

static bool is_ours(const void *caller) {
  for (size_t i = 0; !client && i < G_N_ELEMENTS(texts); i++)
    if ((guintptr)caller >= texts[i].begin && (guintptr)caller < texts[i].end)
      return true;
  return false;
}

static bool is_refused(const void *caller) {
  if (!g_atomic_int_get(&armed) || !is_ours(caller) || g_atomic_int_add(&calls, 1) + 1 != wanted_call)
    return false;
  g_atomic_int_set(&happened, 1);
  errno = ENOMEM;
  return true;
}

/* Puts `next` in the place of `old`, where that is. */
static void change_block(gpointer old, gpointer next) {
  for (size_t i = 0; i < G_N_ELEMENTS(held); i++)
    if (g_atomic_pointer_get(&held[i]) == old && g_atomic_pointer_compare_and_exchange(&held[i], old, next))
      return;
}

static void *counted(const void *caller, void *block) {
  if (block && is_ours(caller))
    change_block(NULL, block);
  return block;
}

#pragma GCC visibility push(default) /* libraries find these before the C library's */
#define HERE __builtin_return_address(0)

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void __libc_free(void *block);

void *malloc(size_t size) {
  return is_refused(HERE) ? NULL : counted(HERE, __libc_malloc(size));
}

void *calloc(size_t count, size_t size) {
  return is_refused(HERE) ? NULL : counted(HERE, __libc_calloc(count, size));
}

void *realloc(void *block, size_t size) {
  if (is_refused(HERE))
    return NULL;
  void *moved = __libc_realloc(block, size);
  if (moved && block && is_ours(HERE))
    change_block(block, NULL);
  return counted(HERE, moved);
}

char *strdup(const char *text) {
  const size_t size = strlen(text) + 1;
  char *copy = is_refused(HERE) ? NULL : counted(HERE, __libc_malloc(size));
  return copy ? memcpy(copy, text, size) : NULL;
}

void free(void *block) {
  if (block)
    change_block(block, NULL);
  __libc_free(block);
}

void *mmap(void *address, size_t size, int protection, int flags, int file, off_t offset) {
  if (is_refused(HERE))
    return MAP_FAILED;
  return counted(HERE, (void *)syscall(SYS_mmap, address, size, protection, flags, file, offset));
}

int munmap(void *block, size_t size) {
  change_block(block, NULL);
  return (int)syscall(SYS_munmap, block, size);
}
#pragma GCC visibility pop

static int find_text(struct dl_phdr_info *info, size_t size, void *data) {
  static const char *const names[G_N_ELEMENTS(texts)] = {NULL, "/libmicrohttpd.so", "/libjansson.so"};
  const unsigned at = *info->dlpi_name == '\0' ? 0 : strstr(info->dlpi_name, names[1]) ? 1 : 2;
  if (at == 2 && !strstr(info->dlpi_name, names[2]))
    return 0;
  for (int i = 0; i < info->dlpi_phnum && texts[at].end == 0; i++) {
    const ElfW(Phdr) *part = &info->dlpi_phdr[i];
    if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
      continue;
    texts[at].begin = info->dlpi_addr + part->p_vaddr;
    texts[at].end = texts[at].begin + part->p_memsz;
  }
  return 0;
}

static size_t count_blocks(void) {
  size_t n = 0;
  for (size_t i = 0; i < G_N_ELEMENTS(held); i++)
    n += g_atomic_pointer_get(&held[i]) != NULL;
  return n;
}

/* ---- Stand-ins ----------------------------------------------------------------------------------------- */

static resnet18_model *model;
static resnet18_labels *labels;
static guint8 *groups;
static gint admitted;

bool classifier_admit(classifier *c, unsigned count) {
  g_atomic_int_add(&admitted, (gint)count);
  return true;
}

void classifier_leave(classifier *c, unsigned count) {
  g_atomic_int_add(&admitted, -(gint)count);
}

size_t classifier_classes(const classifier *c) {
  return CLASSES;
}

resnet18_model *classifier_model(const classifier *c) {
  return model;
}

resnet18_labels *classifier_labels(const classifier *c) {
  return labels;
}

const guint8 *classifier_groups(const classifier *c) {
  return groups;
}

const char *classifier_precision(const classifier *c) {
  return "int8";
}

const char *classifier_kernels(const classifier *c) {
  return "c";
}

unsigned classifier_room(const classifier *c) {
  return 4;
}

static float *numbers(size_t count) {
  float *all = g_new(float, count);
  for (size_t i = 0; i < count; i++)
    all[i] = (float)(i * 7 % count) / (float)(count * count);
  return all;
}

void classifier_push(classifier *c, job *j) {
  j->logits = numbers(CLASSES);
  j->features = numbers(RESNET18_FEATURES);
  j->status = 200;
  j->done(j);
}

void decoder_push(decoder *d, job *j) {
  if (j->size % 2)
    return job_fail(j, 400, "the picture is damaged");
  j->width = 640;
  j->height = 480;
  j->scores = numbers(CLASSES);
  j->cam = j->want_cam ? numbers(49) : NULL;
  j->status = 200;
  j->done(j);
}

/* ---- The server ---------------------------------------------------------------------------------------- */

static server s;
static const route routes[] = {
    {"POST", "/classify", classify_handle, 0, "top_k threshold cam cam_class groups"},
    {"GET", "/events", events_handle, 0, NULL},
    {NULL},
};

static int set_up(void **state) {
  static const route *const tables[] = {routes, kserve_routes, NULL};
  resnet18_error error;
  dl_iterate_phdr(find_text, NULL);
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
    assert_true(texts[i].end > texts[i].begin);
  assert_int_equal(resnet18_model_load(NULL, &model, &error), RESNET18_OK);
  assert_int_equal(resnet18_labels_load(NULL, CLASSES, &labels, &error), RESNET18_OK);
  groups = gst_resnet18_groups_of_labels(labels, CLASSES);
  s.settings = (settings){.bind = (char *)"127.0.0.1",
                          .max_body = 1 << 20,
                          .max_body_total = 1 << 21,
                          .max_header = 4096,
                          .max_megapixels = 25,
                          .connections = 64,
                          .per_address = 64,
                          .streams = 4,
                          .idle_time = WAIT,
                          .header_time = WAIT,
                          .body_time = WAIT,
                          .send_time = WAIT,
                          .body_rate = 1 << 20};
  s.ready = 1;
  assert_true(kserve_start());
  s.http = http_new(&s.settings, tables, &s);
  return s.http ? 0 : -1;
}

static int tear_down(void **state) {
  assert_true(http_drain(s.http, WAIT));
  http_free(s.http);
  kserve_stop();
  g_free(groups);
  resnet18_labels_unref(labels);
  resnet18_model_unref(model);
  return 0;
}

/* ---- Asking -------------------------------------------------------------------------------------------- */

typedef struct {
  const char *name, *head; /* of the request, without Host, Connection and Content-Length */
  size_t body;             /* its bytes: an inference's picture, or one that decoder_push knows by its size */
  bool endless;            /* the answer is a stream, whose first bytes will do */
  unsigned status;
} question;

#define INFER "POST /v2/models/resnet18-rgb/infer"
static const char infer_json[] = "{\"id\":\"7\",\"inputs\":[{\"name\":\"input\",\"datatype\":\"UINT8\",\"shape\":"
                                 "[1,224,224,3],\"parameters\":{\"binary_data_size\":150528}}],\"outputs\":[{\"name\":"
                                 "\"logits\",\"parameters\":{\"binary_data\":%s,\"classification\":5}}]}";

static const question questions[] = {
    {"metadata", "GET /v2", 0, false, 200},
    {"a model's metadata", "GET /v2/models/resnet18", 0, false, 200},
    {"a model's configuration", "GET /v2/models/resnet18/config", 0, false, 200},
    {"nothing there", "GET /nothing", 0, false, 404},
    {"a picture", "POST /classify?top_k=3&cam=1&groups=1", 40, false, 200},
    {"a damaged picture", "POST /classify", 41, false, 400},
    {"an inference", INFER, RESNET18_RGB_BYTES, false, 200},
    {"an inference in binary", INFER, RESNET18_RGB_BYTES + 1, false, 200},
    {"events", "GET /events", 0, true, 200},
};

static GByteArray *make_request(const question *q) {
  static const guint8 png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 26, '\n', 0,   0, 0, 13, 'I', 'H', 'D',
                               'R',  0,   0,   2,   128,  0,    0,  1,    224, 8, 2, 0,  0,   0};
  GByteArray *body = g_byte_array_new();
  GString *head = g_string_new(NULL);
  g_string_printf(head, "%s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n", q->head);
  if (q->body >= RESNET18_RGB_BYTES) {
    char *json = g_strdup_printf(infer_json, q->body > RESNET18_RGB_BYTES ? "true" : "false");
    g_byte_array_append(body, (const guint8 *)json, (guint)strlen(json));
    g_string_append_printf(head, "Inference-Header-Content-Length: %zu\r\n", strlen(json));
    g_byte_array_set_size(body, body->len + RESNET18_RGB_BYTES);
    memset(body->data + strlen(json), 0, RESNET18_RGB_BYTES);
    g_free(json);
  } else if (q->body) {
    g_byte_array_append(body, png, sizeof png);
    g_byte_array_set_size(body, (guint)q->body);
    memset(body->data + sizeof png, 0, q->body - sizeof png);
  }
  if (body->len)
    g_string_append_printf(head, "Content-Length: %u\r\n", body->len);
  g_string_append(head, "\r\n");
  g_byte_array_prepend(body, (const guint8 *)head->str, (guint)head->len);
  g_string_free(head, TRUE);
  return body;
}

/* What came until the connection ended; a stream's first bytes are its header and a comment. */
static size_t ask(const question *q, char *text) {
  GByteArray *message = make_request(q);
  size_t length = 0, sent = 0;
  ssize_t n = 1;
  const int socket = connect_to("127.0.0.1", (int)http_port(s.http), WAIT);
  assert_true(socket >= 0);
  while (sent < message->len && n > 0) {
    n = send(socket, message->data + sent, message->len - sent, MSG_NOSIGNAL);
    sent += n > 0 ? (size_t)n : 0;
  }
  for (n = 1; n > 0;) {
    n = recv(socket, text + length, ANSWER - 1 - length, 0);
    assert_true(n >= 0 || errno == ECONNRESET || errno == EPIPE);
    length += n > 0 ? (size_t)n : 0;
    text[length] = '\0';
    const char *body = strstr(text, "\r\n\r\n");
    if (q->endless && body && strchr(body + 4, ':'))
      break;
  }
  close(socket);
  g_byte_array_unref(message);
  return length;
}

/* The time of the answer is not a part of it. */
static void blank_date(char *text) {
  char *date = strstr(text, "\r\nDate: ");
  for (size_t i = 8; date && date[i] != '\r'; i++)
    date[i] = '-';
}

static unsigned status_of(const char *text) {
  return strncmp(text, "HTTP/1.1 ", 9) == 0 ? (unsigned)atoi(text + 9) : 0;
}

/* Whether an answer announces a body that came. */
static bool is_whole(const char *text, size_t length) {
  const char *body = strstr(text, "\r\n\r\n"), *field = strstr(text, "\r\nContent-Length: ");
  return body && field && field < body && length - (size_t)(body + 4 - text) == strtoul(field + 18, NULL, 10);
}

/* The daemon frees a connection a moment after its end, that of a stream once there is something to send. */
static void assert_nothing_kept(const question *q, size_t before) {
  size_t now = count_blocks();
  for (int i = 0; i < WAIT && (now != before || g_atomic_int_get(&admitted)); i++) {
    g_usleep(1000);
    if (q->endless)
      events_keep_alive();
    now = count_blocks();
  }
  if (now != before)
    fail_msg("%s, allocation %d: %zu blocks, before: %zu", q->name, wanted_call, now, before);
  assert_int_equal(g_atomic_int_get(&admitted), 0);
}

static void until_quiet(void) {
  for (int i = 0; i < WAIT && http_count(s.http).connections; i++) {
    g_usleep(1000);
    events_keep_alive();
  }
  g_usleep(10000);
}

/* ---- The test ------------------------------------------------------------------------------------------ */

static void assert_good_or_nothing(const question *q, const char *text, size_t length, const char *good,
                                   size_t good_length) {
  const unsigned status = status_of(text);
  if (length == good_length && memcmp(text, good, length) == 0)
    return;
  if (!is_whole(text, length)) { /* cut short, but not another one */
    assert_memory_equal(text, good, MIN(length, good_length));
    return;
  }
  if ((status != 500 && status != 503) || !strstr(text, "{\"error\":\""))
    fail_msg("%s, allocation %d: %.*s", q->name, wanted_call, (int)MIN(length, 2000), text);
}

static void each_allocation_fails_once(void **state) {
  const question *q = *state;
  static char good[ANSWER], text[ANSWER];
  unsigned whole = 0, refused = 0, closed = 0;
  client = true;
  ask(q, good); /* what is made once a process is there */
  until_quiet();
  const size_t before = count_blocks(), good_length = ask(q, good);
  blank_date(good);
  assert_int_equal(status_of(good), q->status);
  assert_nothing_kept(q, before);
  for (wanted_call = 1;; wanted_call++) {
    g_atomic_int_set(&calls, 0);
    g_atomic_int_set(&happened, 0);
    g_atomic_int_set(&armed, 1);
    const size_t length = ask(q, text);
    assert_nothing_kept(q, before);
    g_atomic_int_set(&armed, 0);
    blank_date(text);
    assert_good_or_nothing(q, text, length, good, good_length);
    const unsigned status = status_of(text);
    whole += status == q->status;
    refused += status == 500 || status == 503;
    closed += status == 0;
    if (!happened)
      break;
  }
  print_message("%s: %d allocations; %u answers as ever, %u refusals, %u connections closed\n", q->name,
                wanted_call - 1, whole, refused, closed);
  assert_true(wanted_call > 5 && closed > 0);
  assert_int_equal(ask(q, text), good_length);
}

int main(void) {
  enum { COUNT = sizeof questions / sizeof *questions };
  struct CMUnitTest tests[COUNT];
  json_memory_watch();
  for (size_t i = 0; i < COUNT; i++)
    tests[i] = (struct CMUnitTest){.name = questions[i].name,
                                   .test_func = each_allocation_fails_once,
                                   .initial_state = (void *)(uintptr_t)&questions[i]};
  return _cmocka_run_group_tests("starved", tests, COUNT, set_up, tear_down);
}

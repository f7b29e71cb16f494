/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is where, and the small routes. */
#include "routes.h"

#include "classify.h"
#include "kserve.h"
#include "metrics.h"
#include "page.h"
#include "reload.h"
#include "server.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- Health (KServe v2) -------------------------------------------------------------------------------- */

static void health_live(request *r) {
  request_reply_json(r, 200, json_pack("{s:b}", "live", 1));
}

static bool is_ready(server *s) {
  return __atomic_load_n(&s->ready, __ATOMIC_ACQUIRE) != 0;
}

static void health_ready(request *r) {
  if (is_ready(request_server(r)))
    request_reply_json(r, 200, json_pack("{s:b}", "ready", 1));
  else
    request_busy(r, "the server is starting or being stopped");
}

/* ---- Metrics ------------------------------------------------------------------------------------------- */

/* Pages of memory of a process, from /proc/PID/statm. */
static double resident_bytes(void) {
  unsigned long size, resident = 0;
  FILE *file = fopen("/proc/self/statm", "re");
  if (file && fscanf(file, "%lu %lu", &size, &resident) != 2)
    resident = 0;
  if (file)
    fclose(file);
  return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void append_state(GString *text, server *s) {
  const http_numbers n = http_count(s->http);
  char *labels = g_strdup_printf("version=\"%s\",precision=\"%s\",kernels=\"%s\"", resnet18_version(),
                                 classifier_precision(s->classifier), classifier_kernels(s->classifier));
  const struct {
    const char *name, *type, *help, *labels;
    double value;
  } rows[] = {
      {"resnet18_build_info", "gauge", "What runs.", labels, 1},
      {"resnet18_ready", "gauge", "Whether requests are taken.", NULL, is_ready(s)},
      {"resnet18_threads", "gauge", "Threads that classify.", NULL, classifier_threads(s->classifier)},
      {"resnet18_pictures_in_progress", "gauge", "Pictures that wait or are worked on.", NULL,
       classifier_load(s->classifier)},
      {"resnet18_pictures_room", "gauge", "Pictures that may wait or be worked on.", NULL,
       classifier_room(s->classifier)},
      {"resnet18_decoders", "gauge", "Decoders that are ready.", NULL, decoder_alive(s->decoder)},
      {"resnet18_http_connections", "gauge", "Open connections.", NULL, n.connections},
      {"resnet18_http_requests_in_progress", "gauge", "Requests that are not answered yet.", NULL, n.requests},
      {"resnet18_http_streams", "gauge", "Streams of events and video.", NULL, n.streams},
      {"resnet18_http_body_bytes", "gauge", "Memory for bodies that are being received or worked on.", NULL,
       (double)n.body_bytes},
      {"resnet18_http_slow_connections_total", "counter", "Connections that were cut for being too slow.", NULL,
       (double)n.cut},
      {"resnet18_http_evicted_connections_total", "counter", "Idle connections that were cut to let others in.", NULL,
       (double)n.evicted},
      {"resnet18_process_resident_memory_bytes", "gauge", "Resident memory without the decoders.", NULL,
       resident_bytes()},
      {"resnet18_process_start_time_seconds", "gauge", "Start, in seconds since 1970.", NULL, (double)s->started / 1e6},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
    metrics_append_one(text, rows[i].name, rows[i].type, rows[i].help, rows[i].labels, rows[i].value);
  g_free(labels);
}

static void show_metrics(request *r) {
  GString *text = g_string_new(NULL);
  append_state(text, request_server(r));
  metrics_append(text);
  if (request_server(r)->settings.config)
    reload_append_metrics(text);
  live_append_metrics(request_server(r)->live, text);
  request_reply(r, 200, "text/plain; version=0.0.4; charset=utf-8", text->str, text->len);
  g_string_free(text, TRUE);
}

/* ---- The tables ---------------------------------------------------------------------------------------- */

static const route core_routes[] = {
    {"POST", "/classify", classify_handle, 0, "top_k threshold cam cam_class groups"},
    {"GET", "/v2/health/live", health_live, ROUTE_OPEN | ROUTE_ALWAYS, NULL},
    {"GET", "/v2/health/ready", health_ready, ROUTE_OPEN | ROUTE_ALWAYS, NULL},
    {"GET", "/metrics", show_metrics, 0, NULL},
    {NULL},
};

const route *const route_tables[] = {
    core_routes, kserve_routes, page_routes, live_routes, NULL,
};

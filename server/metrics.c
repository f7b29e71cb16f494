/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counters and histograms in the text format of Prometheus 0.0.4. */
#include "metrics.h"

#include <string.h>

enum { BUCKETS = 14 };
/* Seconds; the last bucket is everything. */
static const double bounds[BUCKETS] = {0.001, 0.002, 0.004, 0.006, 0.008, 0.012, 0.02,
                                       0.035, 0.06,  0.1,   0.2,   0.5,   1,     5};

typedef struct {
  guint64 counts[BUCKETS + 1];
  double sum;
} histogram;

/* A route with a status. */
typedef struct {
  char *route, *method;
  unsigned status;
  guint64 count;
} request_row;

/* A route's times. */
typedef struct {
  char *route;
  histogram times;
} time_row;

static GMutex lock; /* of all that follows */
static GArray *requests, *times;
static histogram decode_times, inference_times, wait_times;
static guint64 pictures, passes;
static const char *const reasons[] = {"late", "killed", "crashed"};
static guint64 ended[G_N_ELEMENTS(reasons)];

static void observe(histogram *h, double value) {
  unsigned i = 0;
  while (i < BUCKETS && value > bounds[i])
    i++;
  h->counts[i]++;
  h->sum += value;
}

static void observe_locked(histogram *h, double value) {
  g_mutex_lock(&lock);
  observe(h, value);
  g_mutex_unlock(&lock);
}

static request_row *find_request(const char *route, const char *method, unsigned status) {
  if (requests == NULL)
    requests = g_array_new(FALSE, TRUE, sizeof(request_row));
  for (guint i = 0; i < requests->len; i++) {
    request_row *row = &g_array_index(requests, request_row, i);
    if (row->status == status && strcmp(row->route, route) == 0 && strcmp(row->method, method) == 0)
      return row;
  }
  const request_row made = {.route = g_strdup(route), .method = g_strdup(method), .status = status};
  g_array_append_val(requests, made);
  return &g_array_index(requests, request_row, requests->len - 1);
}

static time_row *find_times(const char *route) {
  if (times == NULL)
    times = g_array_new(FALSE, TRUE, sizeof(time_row));
  for (guint i = 0; i < times->len; i++)
    if (strcmp(g_array_index(times, time_row, i).route, route) == 0)
      return &g_array_index(times, time_row, i);
  const time_row made = {.route = g_strdup(route)};
  g_array_append_val(times, made);
  return &g_array_index(times, time_row, times->len - 1);
}

/* Clients may make up methods; the table of rows must not grow with them. */
static const char *known_method(const char *method) {
  static const char *const known[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"};
  for (size_t i = 0; i < G_N_ELEMENTS(known); i++)
    if (strcmp(known[i], method) == 0)
      return method;
  return "other";
}

void metrics_request(const char *route, const char *method, unsigned status, double seconds) {
  g_mutex_lock(&lock);
  find_request(route, known_method(method), status)->count++;
  observe(&find_times(route)->times, seconds);
  g_mutex_unlock(&lock);
}

void metrics_decode(double seconds) {
  observe_locked(&decode_times, seconds);
}

void metrics_wait(double seconds) {
  observe_locked(&wait_times, seconds);
}

void metrics_inference(double seconds, unsigned batch) {
  g_mutex_lock(&lock);
  observe(&inference_times, seconds);
  pictures += batch;
  passes++;
  g_mutex_unlock(&lock);
}

void metrics_decoder_ended(const char *why) {
  g_mutex_lock(&lock);
  for (size_t i = 0; i < G_N_ELEMENTS(reasons); i++)
    if (strcmp(reasons[i], why) == 0)
      ended[i]++;
  g_mutex_unlock(&lock);
}

/* ---- Text ---------------------------------------------------------------------------------------------- */

void metrics_append_head(GString *text, const char *name, const char *type, const char *help) {
  g_string_append_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metrics_append_number(GString *text, double value) {
  char digits[G_ASCII_DTOSTR_BUF_SIZE];
  g_string_append(text, g_ascii_formatd(digits, sizeof digits, "%.15g", value));
  g_string_append_c(text, '\n');
}

void metrics_append_one(GString *text, const char *name, const char *type, const char *help, const char *labels,
                        double value) {
  metrics_append_head(text, name, type, help);
  g_string_append_printf(text, labels ? "%s{%s} " : "%s ", name, labels);
  metrics_append_number(text, value);
}

/* `labels`: "" or such as `route="/classify",`. */
static void append_histogram(GString *text, const char *name, const char *labels, const histogram *h) {
  char bound[G_ASCII_DTOSTR_BUF_SIZE];
  guint64 sum = 0;
  for (unsigned i = 0; i <= BUCKETS; i++) {
    sum += h->counts[i];
    const char *le = i < BUCKETS ? g_ascii_formatd(bound, sizeof bound, "%g", bounds[i]) : "+Inf";
    g_string_append_printf(text, "%s_bucket{%sle=\"%s\"} %" G_GUINT64_FORMAT "\n", name, labels, le, sum);
  }
  char *only = *labels ? g_strdup_printf("{%.*s}", (int)strlen(labels) - 1, labels) : g_strdup("");
  g_string_append_printf(text, "%s_sum%s ", name, only);
  metrics_append_number(text, h->sum);
  g_string_append_printf(text, "%s_count%s %" G_GUINT64_FORMAT "\n", name, only, sum);
  g_free(only);
}

static void append_requests(GString *text) {
  metrics_append_head(text, "resnet18_http_requests_total", "counter",
                      "Requests by route, method and status; status 0 was not answered.");
  for (guint i = 0; requests && i < requests->len; i++) {
    const request_row *row = &g_array_index(requests, request_row, i);
    g_string_append_printf(
        text, "resnet18_http_requests_total{route=\"%s\",method=\"%s\",status=\"%u\"} %" G_GUINT64_FORMAT "\n",
        row->route, row->method, row->status, row->count);
  }
  metrics_append_head(text, "resnet18_http_request_duration_seconds", "histogram",
                      "From a request's header to the end of its answer.");
  for (guint i = 0; times && i < times->len; i++) {
    const time_row *row = &g_array_index(times, time_row, i);
    char *labels = g_strdup_printf("route=\"%s\",", row->route);
    append_histogram(text, "resnet18_http_request_duration_seconds", labels, &row->times);
    g_free(labels);
  }
}

static void append_times(GString *text, const char *name, const char *help, const histogram *h) {
  metrics_append_head(text, name, "histogram", help);
  append_histogram(text, name, "", h);
}

void metrics_append(GString *text) {
  g_mutex_lock(&lock);
  append_requests(text);
  append_times(text, "resnet18_decode_duration_seconds", "Decoding and scaling of a picture.", &decode_times);
  append_times(text, "resnet18_inference_duration_seconds",
               "Forward passes of uploaded pictures; cameras have series of their own.", &inference_times);
  append_times(text, "resnet18_queue_duration_seconds", "Waiting of a decoded picture for its forward pass.",
               &wait_times);
  metrics_append_one(text, "resnet18_pictures_total", "counter", "Uploaded pictures that were classified.", NULL,
                     (double)pictures);
  metrics_append_one(text, "resnet18_forward_passes_total", "counter", "Forward passes of uploaded pictures.", NULL,
                     (double)passes);
  metrics_append_head(text, "resnet18_decoder_restarts_total", "counter", "Decoders that were replaced, by reason.");
  for (size_t i = 0; i < G_N_ELEMENTS(reasons); i++)
    g_string_append_printf(text, "resnet18_decoder_restarts_total{reason=\"%s\"} %" G_GUINT64_FORMAT "\n", reasons[i],
                           ended[i]);
  g_mutex_unlock(&lock);
}

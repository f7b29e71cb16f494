/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resnet18 bench: how long a forward pass takes, and where the time goes. */
#include "command.h"
#include "engine.h"
#include "peak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int run(int argc, char **argv);

const command bench_command = {
    .name = "bench",
    .arguments = "",
    .summary = "Time the forward pass",
    .help = "Times the way from a 224x224 picture to the logits, on a made-up picture, after 15\n"
            "runs to warm up. With --batch N a time is that of N pictures in one call.\n"
            "GFLOP/s count the operations of the direct convolution; Winograd does fewer, so its\n"
            "steps can exceed the processor's peak.\n\n"
            "Examples:\n"
            "  resnet18 bench --threads 1\n"
            "  resnet18 bench --precision fp32 --threads 2 --runs 200 --json\n"
            "  resnet18 bench --plan     (which kernel runs each step)\n"
            "  resnet18 bench --steps    (and how long each takes)\n",
    .run = run,
};

enum { WARM_UP = 15, DEFAULT_RUNS = 60, MAX_RUNS = 1000000 };

typedef struct {
  engine_options engine;
  int runs;
  gboolean json, plan, steps;
} bench_options;

/* Milliseconds of a call. */
typedef struct {
  double min, median, mean, p99;
} times;

/* ---- Measuring ----------------------------------------------------------------------------------------- */

/* Marsaglia's xorshift (doi 10.18637/jss.v008.i14), so that every run sees the same picture. */
static uint8_t *make_pictures(size_t batch) {
  const size_t bytes = batch * RESNET18_RGB_BYTES;
  uint8_t *rgb = g_malloc(bytes);
  uint32_t x = 2463534242u;
  for (size_t i = 0; i < bytes; i++) {
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    rgb[i] = (uint8_t)(x >> 24);
  }
  return rgb;
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Sorts `values`, of which there is one at least. */
static times summarize(double *values, size_t n) {
  double sum = 0.0;
  for (size_t i = 0; i < n; i++)
    sum += values[i]; /* NOLINT(clang-analyzer-core.uninitialized.Assign): as many were measured */
  qsort(values, n, sizeof *values, ascending);
  return (times){
      .min = values[0], .median = values[n / 2], .mean = sum / (double)n, .p99 = values[(n * 99 + 99) / 100 - 1]};
}

typedef struct {
  engine engine;
  size_t batch, runs;
  uint8_t *rgb;
  float *logits;
  double *values; /* milliseconds, one a run */
} bench;

/* False after a sentence. */
static bool forward(bench *b, double *milliseconds) {
  resnet18_error error;
  const double start = engine_clock();
  if (resnet18_session_run(b->engine.session, b->rgb, b->batch, b->logits, &error) != RESNET18_OK) {
    command_fail("%s", error.message);
    return false;
  }
  *milliseconds = (engine_clock() - start) * 1e3;
  return true;
}

static bool measure(bench *b, times *result) {
  double ignored;
  for (int i = 0; i < WARM_UP; i++)
    if (!forward(b, &ignored))
      return false;
  for (size_t i = 0; i < b->runs; i++)
    if (!forward(b, &b->values[i]))
      return false;
  *result = summarize(b->values, b->runs);
  return true;
}

/* Median seconds of each step; to be freed. NULL after a sentence. */
static double *measure_steps(bench *b) {
  const size_t steps = resnet18_session_steps(b->engine.session);
  double *all = g_new(double, steps * b->runs), *median = g_new(double, steps);
  double ignored;
  bool ok = true;
  resnet18_session_profile(b->engine.session, true);
  for (size_t i = 0; ok && i < b->runs; i++) {
    ok = forward(b, &ignored);
    for (size_t k = 0; k < steps; k++) {
      resnet18_step_info info;
      resnet18_session_step(b->engine.session, k, &info);
      all[k * b->runs + i] = info.seconds;
    }
  }
  resnet18_session_profile(b->engine.session, false);
  for (size_t k = 0; k < steps; k++)
    median[k] = summarize(all + k * b->runs, b->runs).median;
  g_free(all);
  if (!ok)
    g_clear_pointer(&median, g_free);
  return median;
}

/* ---- Printing ------------------------------------------------------------------------------------------ */

static void print_json(const bench *b, const times *t) {
  const resnet18_session *s = b->engine.session;
  printf("{\"median_ms\":%.4f,\"min_ms\":%.4f,\"mean_ms\":%.4f,\"p99_ms\":%.4f,\"pictures_per_second\":%.2f,"
         "\"batch\":%zu,\"threads\":%u,\"runs\":%zu,\"precision\":\"%s\",\"kernels\":\"%s\"}\n",
         t->median, t->min, t->mean, t->p99, (double)b->batch * 1e3 / t->median, b->batch, resnet18_session_threads(s),
         b->runs, engine_precision(&b->engine), resnet18_session_kernels(s));
}

static void print_text(const bench *b, const times *t) {
  const resnet18_session *s = b->engine.session;
  printf("%s, %u thread%s, batch %zu, kernels for %s\n"
         "median %.3f ms, min %.3f ms, mean %.3f ms, p99 %.3f ms (%zu runs); %.1f pictures a second\n",
         engine_precision(&b->engine), resnet18_session_threads(s), resnet18_session_threads(s) == 1 ? "" : "s",
         b->batch, resnet18_session_kernels(s), t->median, t->min, t->mean, t->p99, b->runs,
         (double)b->batch * 1e3 / t->median);
}

static void print_step(const resnet18_step_info *info, const double *seconds, double flop, double peak) {
  char shape[40], kernel[64];
  snprintf(shape, sizeof shape, "%ux%ux%u", info->height, info->width, info->channels);
  snprintf(kernel, sizeof kernel, "%s %s", info->kernel, info->set);
  printf("%-24s %-30s %-12s %9.1f %9.1f", info->name, kernel, shape, info->flop * 1e-6,
         (double)info->weight_bytes / 1024.0);
  if (seconds)
    printf(" %8.1f %8.1f", *seconds * 1e6, *seconds > 0.0 ? flop / *seconds * 1e-9 : 0.0);
  if (seconds && peak > 0.0 && *seconds > 0.0)
    printf(" %6.1f", 100.0 * flop / *seconds / peak);
  puts("");
}

/* `seconds` NULL = without times. */
static void print_plan(const bench *b, const double *seconds) {
  const resnet18_session *s = b->engine.session;
  const bool int8 = resnet18_session_precision(s) == RESNET18_PRECISION_INT8;
  const double peak = seconds ? peak_measure(resnet18_session_kernels(s), int8, resnet18_session_threads(s)) : 0.0;
  double total = 0.0, flop = 0.0;
  resnet18_step_info info;

  printf("%-24s %-30s %-12s %9s %9s", "step", "kernel", "output", "MFLOP", "KiB");
  printf("%s%s\n", seconds ? "       us   GFLOP/s" + 2 : "", peak > 0.0 ? " % peak" : "");
  for (size_t i = 0; resnet18_session_step(s, i, &info); i++) {
    const double step_flop = info.flop * (double)b->batch;
    print_step(&info, seconds ? &seconds[i] : NULL, step_flop, peak);
    flop += step_flop;
    total += seconds ? seconds[i] : 0.0;
  }
  if (seconds && total > 0.0)
    printf("all: %.3f ms, %.1f GFLOP/s", total * 1e3, flop / total * 1e-9);
  if (seconds && peak > 0.0 && total > 0.0)
    printf(", %.1f %% of the measured peak, %.1f GFLOP/s", 100.0 * flop / total / peak, peak * 1e-9);
  if (seconds)
    puts("");
}

/* ---- Running ------------------------------------------------------------------------------------------- */

static bool run_bench(bench *b, const bench_options *o) {
  times t;
  if (o->plan && !o->steps) {
    print_plan(b, NULL);
    return true;
  }
  if (!measure(b, &t))
    return false;
  if (o->steps) {
    double *seconds = measure_steps(b);
    if (seconds == NULL)
      return false;
    print_plan(b, seconds);
    g_free(seconds);
  }
  (o->json ? print_json : print_text)(b, &t);
  return true;
}

static int bench_all(const bench_options *o) {
  bench b = {.batch = (size_t)o->engine.batch, .runs = (size_t)o->runs};
  if (!engine_open(&b.engine, &o->engine, false))
    return STATUS_FAILED;
  b.rgb = make_pictures(b.batch);
  b.logits = g_new(float, b.batch *b.engine.classes);
  b.values = g_new(double, b.runs);
  const bool ok = run_bench(&b, o);
  g_free(b.rgb);
  g_free(b.logits);
  g_free(b.values);
  engine_close(&b.engine);
  return command_output_done() && ok ? STATUS_DONE : STATUS_FAILED;
}

static bool check(const bench_options *o, int argc, char **argv) {
  const command *self = &bench_command;
  if (argc > 1) {
    command_misuse(self, "it takes no arguments, but got '%s'", argv[1]);
    return false;
  }
  if (o->json && (o->plan || o->steps)) {
    command_misuse(self, "--json goes without --plan and --steps");
    return false;
  }
  return command_in_range(self, "--runs", o->runs, 1, MAX_RUNS) &&
         command_in_range(self, "--batch", o->engine.batch, 1, RESNET18_MAX_BATCH) &&
         engine_options_check(self, &o->engine, NULL);
}

static int run(int argc, char **argv) {
  bench_options o = {.runs = DEFAULT_RUNS};
  const GOptionEntry entries[] = {
      {"runs", 'r', 0, G_OPTION_ARG_INT, &o.runs, "Timed runs (default: 60)", "N"},
      {"batch", 'b', 0, G_OPTION_ARG_INT, &o.engine.batch, "Pictures a call, 1 to 16 (default: 1)", "N"},
      {"json", 'j', 0, G_OPTION_ARG_NONE, &o.json, "One JSON object", NULL},
      {"plan", 0, 0, G_OPTION_ARG_NONE, &o.plan, "Print the steps and their kernels instead", NULL},
      {"steps", 0, 0, G_OPTION_ARG_NONE, &o.steps, "Also time each step, against the processor's measured peak", NULL},
      {NULL},
  };
  int status;
  engine_options_init(&o.engine, ENGINE_RUNS);
  if (command_parse(&bench_command, entries, o.engine.entries, &argc, &argv, &status))
    status = check(&o, argc, argv) ? bench_all(&o) : STATUS_USAGE;
  engine_options_clear(&o.engine);
  return status;
}

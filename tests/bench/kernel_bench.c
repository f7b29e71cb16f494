/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Times every float convolution kernel on the layers of ResNet-18, one thread, warm caches but for the weights, which
 * come from memory as in a forward pass when there are more of them than fit.
 *
 *   kernel_bench [-n RUNS] [-k KERNEL] [-l LAYER] [-b BATCH]     -k, -l: parts of names */
#include "conv_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_RUNS = 10000, FLUSH_BYTES = 40 << 20, MAX_LAYERS = 32 };

struct options {
  unsigned runs, batch;
  const char *kernel, *layer;
  bool flush;
};

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Brings the weights to where they are in a forward pass, in which 90 MB of other weights have gone through the caches
 * since the last time: in memory. Activations stay where they are, but for what falls out. */
static void flush_weights(const conv_case *c) {
  const unsigned char *weights = c->step.weights;
  for (size_t i = 0; i < c->step.weight_bytes; i += 64)
#if defined(__x86_64__)
    __builtin_ia32_clflush(weights + i);
#else
    (void)weights;
#endif
}

struct result {
  double min, median, pack;
};

static struct result measure(const r18_conv_kernel *kernel, const r18_conv *conv, const struct options *options) {
  static double seconds[MAX_RUNS];
  conv_case c = conv_case_new(kernel, conv, options->batch, 1);
  for (unsigned i = 0; i < options->runs; i++) {
    if (options->flush)
      flush_weights(&c);
    const double start = now();
    conv_case_run(&c, 1000000, false);
    seconds[i] = now() - start;
  }
  struct result result = {.pack = now()};
  for (unsigned first = 0; first < conv->out_channels; first += R18_PACK_GROUP)
    r18_pack_floats(kernel, conv, first, c.weights, c.bias, c.packed);
  result.pack = now() - result.pack;
  qsort(seconds, options->runs, sizeof *seconds, by_value);
  result.min = seconds[0];
  result.median = seconds[options->runs / 2];
  conv_case_free(&c);
  return result;
}

static double flop_of(const r18_conv *conv) {
  return 2.0 * conv->out_size * conv->out_size * conv->out_channels * conv->in_channels * conv->kernel * conv->kernel;
}

static struct options parse(int argc, char **argv) {
  struct options options = {.runs = 50, .batch = 1, .kernel = "", .layer = ""};
  for (int option; (option = getopt(argc, argv, "n:k:l:b:f")) != -1;) {
    if (option == 'n')
      options.runs = (unsigned)atoi(optarg);
    else if (option == 'b')
      options.batch = (unsigned)atoi(optarg);
    else if (option == 'k')
      options.kernel = optarg;
    else if (option == 'l')
      options.layer = optarg;
    else if (option == 'f')
      options.flush = true;
    else
      exit(2);
  }
  if (options.runs < 1 || options.runs > MAX_RUNS || options.batch < 1 || options.batch > 16) {
    fprintf(stderr, "kernel_bench: RUNS must be 1 to %d, BATCH 1 to 16\n", MAX_RUNS);
    exit(2);
  }
  return options;
}

int main(int argc, char **argv) {
  const struct options options = parse(argc, argv);
  double total_min = 0, total_median = 0, total_pack = 0;
  printf("%-15s %-20s %-8s %9s %9s %8s %8s\n", "layer", "kernel", "set", "min ms", "median ms", "GFLOP/s", "pack ms");
  for (unsigned i = 0; i < conv_case_layer_count; i++) {
    const conv_case_layer *layer = &conv_case_layers[i];
    bool first = true;
    for (const r18_conv_kernel *const *kernel = r18_conv_kernels_f32; *kernel; kernel++) {
      const bool allowed = (*kernel)->set == R18_CPU_C || (r18_cpu_sets() & (*kernel)->set);
      if (!allowed || !(*kernel)->accepts(&layer->conv) || !strstr((*kernel)->name, options.kernel) ||
          !strstr(layer->name, options.layer) || (!first && !*options.kernel))
        continue;
      const struct result result = measure(*kernel, &layer->conv, &options);
      printf("%-15s %-20s %-8s %9.3f %9.3f %8.1f %8.2f\n", layer->name, (*kernel)->name,
             r18_cpu_set_name((*kernel)->set), 1e3 * result.min, 1e3 * result.median,
             1e-9 * flop_of(&layer->conv) * options.batch / result.min, 1e3 * result.pack);
      fflush(stdout);
      if (first) {
        total_min += layer->times * result.min;
        total_median += layer->times * result.median;
        total_pack += layer->times * result.pack;
      }
      first = false;
    }
  }
  printf("all layers, each as often as it occurs: min %.2f ms, median %.2f ms, pack %.1f ms\n", 1e3 * total_min,
         1e3 * total_median, 1e3 * total_pack);
  return 0;
}

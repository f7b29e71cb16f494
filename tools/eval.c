/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resnet18 eval: how often the answer is right, on pictures whose class is known. */
#include "command.h"
#include "engine.h"
#include "output.h"
#include "prefetch.h"
#include "progress.h"
#include "table.h"

#include <gst/gst.h>
#include <math.h>
#include <stdio.h>

static int run(int argc, char **argv);

const command eval_command = {
    .name = "eval",
    .arguments = "",
    .summary = "Measure the accuracy on labelled pictures",
    .help = "The list is tab-separated text with the header \"file<TAB>class\"; file names are\n"
            "relative to it, classes are numbers from 0. Pictures are prepared as torchvision\n"
            "prepares them, and never turned.\n\n"
            "What is printed: top1 and top5, in percent; nll, the mean negative log-likelihood of\n"
            "the right class in nats; n, the pictures that count; failed, those that could not be\n"
            "read (named on standard error; the exit status is then 1).\n\n"
            "Examples:\n"
            "  resnet18 eval --labels val.tsv\n"
            "  resnet18 eval --labels val.tsv --precision int8 --first 301 --last 1500 --json\n"
            "  resnet18 eval --labels val.tsv --resize-short 227 --predictions answers.tsv\n",
    .run = run,
};

typedef struct {
  engine_options engine;
  resnet18_preprocess_options prepare;
  char *list, *predictions;
  gint64 first, last;
  gboolean json;
} eval_options;

typedef struct {
  size_t pictures, failed, top1, top5;
  double nll; /* sum */
  GString *predictions;
} tally;

/* -log of the softmax of `logits` at `expected`. */
static double negative_log_likelihood(const float *logits, size_t classes, unsigned expected) {
  double largest = -INFINITY, sum = 0.0;
  for (size_t i = 0; i < classes; i++)
    largest = fmax(largest, (double)logits[i]);
  for (size_t i = 0; i < classes; i++)
    sum += exp((double)logits[i] - largest);
  return largest + log(sum) - (double)logits[expected];
}

/* Takes e->scores, which are logits. */
static void count(tally *t, const engine *e, const char *file, unsigned expected) {
  resnet18_class best[5];
  const double nll = negative_log_likelihood(e->scores, e->classes, expected);
  resnet18_softmax(e->scores, e->classes, e->scores);
  const size_t n = resnet18_top_k(e->scores, e->classes, G_N_ELEMENTS(best), 0.0f, best);
  for (size_t i = 0; i < n; i++)
    t->top5 += best[i].index == expected;
  t->top1 += n && best[0].index == expected;
  t->nll += nll;
  t->pictures++;
  if (n)
    g_string_append_printf(t->predictions, "%s\t%u\t%u\t%.6f\t%.6f\n", file, expected, best[0].index,
                           (double)best[0].score, nll);
}

static bool judge(tally *t, engine *e, const table *list, const prepared *input) {
  double seconds;
  if (input->rgb == NULL) {
    progress_clear();
    command_fail("%s: %s", list->path[input->index],
                 input->error ? input->error->message : "it is not a still picture");
    t->failed++;
    return true;
  }
  if (!engine_run(e, input->rgb, &seconds))
    return false;
  count(t, e, list->file[input->index], list->expected[input->index]);
  return true;
}

static double percent(size_t part, size_t whole) {
  return whole ? 100.0 * (double)part / (double)whole : 0.0;
}

static void print_json(const tally *t, const engine *e, double seconds) {
  if (t->pictures)
    printf("{\"top1\":%.4f,\"top5\":%.4f,\"nll\":%.6f,", percent(t->top1, t->pictures), percent(t->top5, t->pictures),
           t->nll / (double)t->pictures);
  else
    printf("{\"top1\":null,\"top5\":null,\"nll\":null,");
  printf("\"n\":%zu,\"failed\":%zu,\"seconds\":%.3f,\"precision\":\"%s\",\"threads\":%u,\"kernels\":\"%s\"}\n",
         t->pictures, t->failed, seconds, engine_precision(e), resnet18_session_threads(e->session),
         resnet18_session_kernels(e->session));
}

static void print_text(const tally *t, const engine *e, double seconds) {
  if (t->pictures == 0) {
    printf("no picture could be read: %zu failed\n", t->failed);
    return;
  }
  printf("top1       %.2f %%\ntop5       %.2f %%\nnll        %.4f\nn          %zu\nfailed     %zu\n"
         "seconds    %.1f\nprecision  %s\nthreads    %u\nkernels    %s\n",
         percent(t->top1, t->pictures), percent(t->top5, t->pictures), t->nll / (double)t->pictures, t->pictures,
         t->failed, seconds, engine_precision(e), resnet18_session_threads(e->session),
         resnet18_session_kernels(e->session));
}

static bool write_predictions(const tally *t, const char *path) {
  return path == NULL || output_write(path, t->predictions->str, t->predictions->len);
}

static bool judge_all(tally *t, engine *e, const table *list, const resnet18_preprocess_options *prepare) {
  prefetch *ahead = prefetch_new((const char *const *)list->path, list->rows, prepare, false);
  prepared input;
  bool ok = true;
  while (ok && prefetch_next(ahead, &input)) {
    ok = judge(t, e, list, &input);
    prepared_clear(&input);
    progress_show("resnet18: %zu of %zu pictures, top1 %.2f %%", t->pictures + t->failed, list->rows,
                  percent(t->top1, t->pictures));
  }
  progress_clear();
  prefetch_free(ahead);
  return ok;
}

static int evaluate(const eval_options *o) {
  engine e;
  table list;
  tally t = {.predictions = g_string_new("file\tclass\tindex\tscore\tnll\n")};
  int status = STATUS_FAILED;
  gst_init(NULL, NULL);
  if (engine_open(&e, &o->engine, false)) {
    if ((o->predictions == NULL || output_check(o->predictions, o->list)) &&
        table_read(&list, o->list, e.classes, (size_t)o->first, (size_t)o->last)) {
      const double start = engine_clock();
      if (judge_all(&t, &e, &list, &o->prepare) && write_predictions(&t, o->predictions)) {
        (o->json ? print_json : print_text)(&t, &e, engine_clock() - start);
        status = command_output_done() && t.failed == 0 ? STATUS_DONE : STATUS_FAILED;
      }
      table_clear(&list);
    }
    engine_close(&e);
  }
  g_string_free(t.predictions, TRUE);
  return status;
}

static bool check(eval_options *o, int argc, char **argv) {
  const command *self = &eval_command;
  if (argc > 1 || o->list == NULL) {
    if (argc > 1)
      command_misuse(self, "the list of pictures goes after --labels; '%s' is left over", argv[1]);
    else
      command_misuse(self, "--labels FILE is missing: the list of pictures and their classes");
    return false;
  }
  if (o->last && o->last < o->first) {
    command_misuse(self, "--last must not be less than --first");
    return false;
  }
  return command_in_range(self, "--first", (double)o->first, 1, 1e15) &&
         command_in_range(self, "--last", (double)o->last, 0, 1e15) &&
         engine_options_check(self, &o->engine, &o->prepare);
}

static int run(int argc, char **argv) {
  eval_options o = {.first = 1};
  const GOptionEntry entries[] = {
      {"labels", 'l', 0, G_OPTION_ARG_FILENAME, &o.list, "The list of pictures and their classes (required)", "FILE"},
      {"first", 0, 0, G_OPTION_ARG_INT64, &o.first, "First row of the list, from 1 (default: 1)", "N"},
      {"last", 0, 0, G_OPTION_ARG_INT64, &o.last, "Last row of the list (default: the last)", "N"},
      {"predictions", 0, 0, G_OPTION_ARG_FILENAME, &o.predictions,
       "Also write a line a picture: file, class, index and score of the best class, nll", "FILE"},
      {"json", 'j', 0, G_OPTION_ARG_NONE, &o.json, "One JSON object", NULL},
      {NULL},
  };
  int status;
  engine_options_init(&o.engine, ENGINE_RUNS | ENGINE_PICTURES);
  if (command_parse(&eval_command, entries, o.engine.entries, &argc, &argv, &status))
    status = check(&o, argc, argv) ? evaluate(&o) : STATUS_USAGE;
  engine_options_clear(&o.engine);
  g_free(o.list);
  g_free(o.predictions);
  return status;
}

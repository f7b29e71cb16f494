/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resnet18 classify: what is on pictures, videos and streams. */
#include "answer.h"
#include "command.h"
#include "engine.h"
#include "frame.h"
#include "input.h"
#include "prefetch.h"
#include "progress.h"
#include "public.h"
#include "report.h"
#include "stream.h"

#include <stdio.h>
#include <string.h>

static int run(int argc, char **argv);

const command classify_command = {
    .name = "classify",
    .arguments = "FILE|URI...",
    .summary = "Say what is on pictures, videos and camera streams",
    .help = "A picture gets a block of lines, a video a line a frame. - reads standard input.\n"
            "With --json: one object a picture or frame, one a line; times are in nanoseconds.\n"
            "Pictures are turned as their EXIF orientation says, unless --as-stored is given.\n"
            "A live stream is never kept waiting: frames that come meanwhile are left out.\n"
            "The exit status is 0 only if every input was classified; what was wrong with the\n"
            "others is on standard error.\n\n"
            "Examples:\n"
            "  resnet18 classify cat.jpg dog.png\n"
            "  resnet18 classify --json --top-k 1 holiday/*.jpg > holiday.jsonl\n"
            "  resnet18 classify --interval 25 --threshold 0.3 film.mp4\n"
            "  resnet18 classify --json rtsp://camera.example/stream\n"
            "  curl -s http://camera.example/still.jpg | resnet18 classify -\n",
    .run = run,
};

typedef struct {
  engine_options engine;
  resnet18_preprocess_options prepare;
  gboolean json, as_stored;
  answer_options answer;
  int interval;
  gint64 max_frames;
} classify_options;

/* All that one run works with. */
typedef struct {
  const classify_options *options;
  engine engine;
  resnet18_class *best;
  bool printed; /* something is on standard output */
} job;

/* ---- One answer ---------------------------------------------------------------------------------------- */

/* An empty line between the blocks of two inputs. */
static void separate(job *j) {
  if (j->printed && !j->options->json)
    puts("");
  j->printed = true;
}

static bool classify_picture(job *j, const char *name, const uint8_t *rgb, int width, int height) {
  report r = {.input = name,
              .width = width,
              .height = height,
              .pts = GST_CLOCK_TIME_NONE,
              .running_time = GST_CLOCK_TIME_NONE,
              .stream_time = GST_CLOCK_TIME_NONE,
              .duration = GST_CLOCK_TIME_NONE};
  if (!answer_picture(&j->engine, rgb, &j->options->answer, j->best, &r))
    return false;
  progress_clear();
  separate(j);
  if (j->options->json)
    report_json(&r);
  else
    report_picture(&r);
  return true;
}

/* ---- Streams ------------------------------------------------------------------------------------------- */

/* Where the reading of one stream stands. */
typedef struct {
  stream *source;
  frame_preparer *preparer;
  guint64 frames, classified;
  double start; /* engine_clock */
} reading;

static bool classify_frame(job *j, const char *name, reading *read, GstSample *sample, GError **error) {
  static uint8_t rgb[RESNET18_RGB_BYTES];
  report r = {.input = name, .frame = true, .number = read->frames};
  if (!frame_preparer_run(read->preparer, sample, rgb, error))
    return false;
  frame_size(sample, &r.width, &r.height);
  if (stream_is_picture(read->source))
    return classify_picture(j, name, rgb, r.width, r.height);
  report_set_times(&r, sample);
  if (!answer_picture(&j->engine, rgb, &j->options->answer, j->best, &r))
    return false;
  progress_clear();
  if (j->options->json) {
    report_json(&r);
  } else {
    if (read->classified == 0) {
      separate(j);
      report_heading(name);
    }
    report_frame(&r);
  }
  read->classified++;
  progress_show("resnet18: %s: %" G_GUINT64_FORMAT " frames, %.1f a second", name, read->frames + 1,
                (double)(read->frames + 1) / (engine_clock() - read->start));
  return true;
}

/* Until the end, or as many frames as were asked for. */
static bool read_frames(job *j, const char *name, reading *read, GError **error) {
  const classify_options *o = j->options;
  bool ok = true;
  while (ok && (o->max_frames == 0 || read->classified < (guint64)o->max_frames)) {
    GstSample *sample = stream_next(read->source, error);
    if (sample == NULL)
      return *error == NULL;
    if (read->frames % (guint64)o->interval == 0)
      ok = classify_frame(j, name, read, sample, error);
    read->frames++;
    gst_sample_unref(sample);
  }
  return ok;
}

static void print_summary(const job *j, const reading *read) {
  const double seconds = engine_clock() - read->start;
  if (!j->options->json && read->classified)
    printf("  %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " frames classified in %.1f s, %.1f frames a second\n",
           read->classified, read->frames, seconds, (double)read->frames / seconds);
}

static bool classify_stream(job *j, const char *name, const char *uri) {
  GError *error = NULL;
  const bool ready = strcmp(name, "-") != 0 || input_wait_standard(&error);
  reading read = {.source = ready ? stream_open(uri, !j->options->as_stored, &error) : NULL, .start = engine_clock()};
  bool ok = read.source != NULL;
  if (ok) {
    read.preparer = frame_preparer_new(&j->options->prepare);
    ok = read_frames(j, name, &read, &error);
    progress_clear();
    print_summary(j, &read);
  }
  if (error) {
    char *sentence = public_text(error->message, uri);
    command_fail("%s: %s", name, sentence);
    g_free(sentence);
    g_error_free(error);
  }
  frame_preparer_free(read.preparer);
  stream_close(read.source);
  return ok;
}

/* ---- All inputs ---------------------------------------------------------------------------------------- */

static bool classify_input(job *j, const char *name, const prepared *input) {
  if (input->error) {
    progress_clear();
    command_fail("%s: %s", *name ? name : "''", input->error->message);
    return false;
  }
  if (input->rgb)
    return classify_picture(j, name, input->rgb, input->width, input->height);
  return classify_stream(j, name, input->uri);
}

static int classify(const classify_options *o, const char *const *names, size_t count) {
  job j = {.options = o};
  prepared input;
  bool ok = true;
  gst_init(NULL, NULL);
  prefetch *ahead = prefetch_new(names, count, &o->prepare, !o->as_stored); /* decodes while the weights load */
  if (!engine_open(&j.engine, &o->engine, true)) {
    prefetch_free(ahead);
    return STATUS_FAILED;
  }
  j.best = g_new(resnet18_class, ANSWER_MAX_TOP_K);
  while (prefetch_next(ahead, &input)) {
    char *name = public_uri(names[input.index]);
    ok &= classify_input(&j, name, &input);
    g_free(name);
    prepared_clear(&input);
    progress_show("resnet18: %zu of %zu inputs", input.index + 1, count);
  }
  progress_clear();
  prefetch_free(ahead);
  engine_close(&j.engine);
  g_free(j.best);
  return command_output_done() && ok ? STATUS_DONE : STATUS_FAILED;
}

static bool check(const classify_options *o, int argc) {
  const command *self = &classify_command;
  if (argc < 2) {
    command_misuse(self, "which picture, video or stream?");
    return false;
  }
  return command_in_range(self, "--top-k", o->answer.top_k, 1, ANSWER_MAX_TOP_K) &&
         command_in_range(self, "--threshold", o->answer.threshold, 0, 1) &&
         command_in_range(self, "--interval", o->interval, 1, G_MAXINT) &&
         command_in_range(self, "--max-frames", (double)o->max_frames, 0, 1e15);
}

static int run(int argc, char **argv) {
  classify_options o = {.answer.top_k = 5, .interval = 1};
  const GOptionEntry entries[] = {
      {"json", 'j', 0, G_OPTION_ARG_NONE, &o.json, "One JSON object a picture or frame, one a line", NULL},
      {"top-k", 'k', 0, G_OPTION_ARG_INT, &o.answer.top_k, "Classes in an answer (default: 5)", "N"},
      {"threshold", 0, 0, G_OPTION_ARG_DOUBLE, &o.answer.threshold,
       "Leave out classes with a lower score (0..1, default: 0)", "X"},
      {"interval", 'i', 0, G_OPTION_ARG_INT, &o.interval, "Classify every n-th frame of a video (default: 1)", "N"},
      {"max-frames", 'n', 0, G_OPTION_ARG_INT64, &o.max_frames, "Stop a stream after so many classified frames", "N"},
      {"as-stored", 0, 0, G_OPTION_ARG_NONE, &o.as_stored, "Do not turn pictures as their orientation tag says", NULL},
      {NULL},
  };
  int status;
  engine_options_init(&o.engine, ENGINE_LABELS | ENGINE_RUNS | ENGINE_PICTURES);
  if (command_parse(&classify_command, entries, o.engine.entries, &argc, &argv, &status))
    status = check(&o, argc) && engine_options_check(&classify_command, &o.engine, &o.prepare)
                 ? classify(&o, (const char *const *)argv + 1, (size_t)argc - 1)
                 : STATUS_USAGE;
  engine_options_clear(&o.engine);
  return status;
}

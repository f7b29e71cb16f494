/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resnet18 calibrate: what the int8 precision needs to know about weights of one's own. */
#include "command.h"
#include "engine.h"
#include "prefetch.h"
#include "progress.h"
#include "table.h"

#include <gst/gst.h>
#include <stdio.h>

static int run(int argc, char **argv);

const command calibrate_command = {
    .name = "calibrate",
    .arguments = "",
    .summary = "Make the int8 calibration of weights",
    .help = "Measures the network's activations on pictures like those to be classified; a few\n"
            "hundred are enough. The calibration is found by itself if its name is the weights'\n"
            "name with \".calibration\" appended. --images is a directory, a text file with a file\n"
            "name a line, or a list as 'resnet18 eval' takes; names are relative to the list.\n"
            "If a picture cannot be read, nothing is written.\n\n"
            "Examples:\n"
            "  resnet18 calibrate -w my.safetensors --images photos -o my.safetensors.calibration\n"
            "  resnet18 calibrate -w my.pth --images val.tsv --last 300 --resize-short 227 -o my.pth.calibration\n",
    .run = run,
};

typedef struct {
  engine_options engine;
  resnet18_preprocess_options prepare;
  char *images, *output;
  gint64 first, last;
} calibrate_options;

static bool add(resnet18_calibrator *calibrator, const char *path, const prepared *picture) {
  resnet18_error error;
  if (picture->rgb == NULL) {
    progress_clear();
    command_fail("%s: %s", path, picture->error ? picture->error->message : "it is not a still picture");
    return false;
  }
  if (resnet18_calibrator_add(calibrator, picture->rgb, &error) == RESNET18_OK)
    return true;
  command_fail("%s", error.message);
  return false;
}

/* All pictures are looked at, so that all bad ones are named at once. */
static bool add_all(resnet18_calibrator *calibrator, const table *list, const resnet18_preprocess_options *prepare) {
  prefetch *ahead = prefetch_new((const char *const *)list->path, list->rows, prepare, false);
  prepared picture;
  bool ok = true;
  while (prefetch_next(ahead, &picture)) {
    ok &= add(calibrator, list->path[picture.index], &picture);
    progress_show("resnet18: %zu of %zu pictures", picture.index + 1, list->rows);
    prepared_clear(&picture);
  }
  progress_clear();
  prefetch_free(ahead);
  return ok;
}

static int calibrate(const calibrate_options *o) {
  resnet18_model *model = NULL;
  resnet18_calibrator *calibrator = NULL;
  resnet18_error error = {.status = RESNET18_OK};
  table list = {.rows = 0};
  int status = STATUS_FAILED;

  gst_init(NULL, NULL);
  if (resnet18_model_load(o->engine.weights, &model, &error) == RESNET18_OK &&
      resnet18_calibrator_new(model, &calibrator, &error) == RESNET18_OK &&
      table_read_pictures(&list, o->images, (size_t)o->first, (size_t)o->last) &&
      add_all(calibrator, &list, &o->prepare) &&
      resnet18_calibrator_write(calibrator, o->output, &error) == RESNET18_OK) {
    printf("wrote %s, from %zu pictures\n", o->output, list.rows);
    status = command_output_done() ? STATUS_DONE : STATUS_FAILED;
  }
  if (error.status != RESNET18_OK)
    command_fail("%s", error.message);
  table_clear(&list);
  resnet18_calibrator_free(calibrator);
  resnet18_model_unref(model);
  return status;
}

static bool check(calibrate_options *o, int argc, char **argv) {
  const command *self = &calibrate_command;
  if (argc > 1)
    command_misuse(self, "the pictures go after --images; '%s' is left over", argv[1]);
  else if (o->images == NULL)
    command_misuse(self, "--images is missing: a directory of pictures, or a list of them");
  else if (o->output == NULL)
    command_misuse(self, "-o FILE is missing: where to write the calibration");
  else if (o->last && o->last < o->first)
    command_misuse(self, "--last must not be less than --first");
  else
    return command_in_range(self, "--first", (double)o->first, 1, 1e15) &&
           command_in_range(self, "--last", (double)o->last, 0, 1e15) &&
           engine_options_check(self, &o->engine, &o->prepare);
  return false;
}

static int run(int argc, char **argv) {
  calibrate_options o = {.first = 1};
  const GOptionEntry entries[] = {
      {"images", 0, 0, G_OPTION_ARG_FILENAME, &o.images, "Directory of pictures, or a list of them (required)", "PATH"},
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &o.output, "The file to write (required)", "FILE"},
      {"first", 0, 0, G_OPTION_ARG_INT64, &o.first, "First picture to take, from 1 (default: 1)", "N"},
      {"last", 0, 0, G_OPTION_ARG_INT64, &o.last, "Last picture to take (default: the last)", "N"},
      {NULL},
  };
  int status;
  engine_options_init(&o.engine, ENGINE_PICTURES);
  if (command_parse(&calibrate_command, entries, o.engine.entries, &argc, &argv, &status))
    status = check(&o, argc, argv) ? calibrate(&o) : STATUS_USAGE;
  engine_options_clear(&o.engine);
  g_free(o.images);
  g_free(o.output);
  return status;
}

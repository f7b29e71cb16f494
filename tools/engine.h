/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options about weights, precision, threads and preparation that several subcommands share, and what they make:
 * a loaded engine. */
#ifndef RESNET18_TOOLS_ENGINE_H
#define RESNET18_TOOLS_ENGINE_H

#include "command.h"

#include "resnet18.h"

enum { ENGINE_ENTRIES = 7 };

typedef struct {
  char *weights, *labels, *precision, *crop; /* as given; NULL = the default */
  int threads, resize_short, batch;
  GOptionEntry entries[ENGINE_ENTRIES]; /* for command_parse */
} engine_options;

/* What of the options a subcommand has. */
enum { ENGINE_LABELS = 1, ENGINE_PICTURES = 2, ENGINE_RUNS = 4 };
void engine_options_init(engine_options *options, unsigned parts);
void engine_options_clear(engine_options *options);

/* False after a sentence. `prepare` may be NULL. */
bool engine_options_check(const command *self, const engine_options *options, resnet18_preprocess_options *prepare);

typedef struct {
  resnet18_model *model;
  resnet18_labels *labels; /* NULL unless asked for */
  resnet18_session *session;
  size_t classes;
  float *scores; /* classes; room for one answer */
} engine;

/* Loads what the (checked) options name. False after a sentence. */
bool engine_open(engine *e, const engine_options *options, bool labels);
void engine_close(engine *e);

/* Another session of the same weights, for another thread. False after a sentence. */
bool engine_share(engine *e, const engine *first, const engine_options *options);

/* "fp32" or "int8". */
const char *engine_precision(const engine *e);

/* Forward pass of one picture of RESNET18_RGB_BYTES; *seconds is how long it took. e->scores receives the logits. */
bool engine_run(engine *e, const uint8_t *rgb, double *seconds);

/* A clock that does not jump, in seconds. */
double engine_clock(void);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every subcommand of `resnet18` has in common: its entry in the table, options, exit statuses, sentences. */
#ifndef RESNET18_TOOLS_COMMAND_H
#define RESNET18_TOOLS_COMMAND_H

#include <glib.h>
#include <stdbool.h>

/* Exit statuses. */
enum { STATUS_DONE = 0, STATUS_FAILED = 1, STATUS_USAGE = 2 };

typedef struct {
  const char *name;
  const char *arguments; /* after the options in the usage line */
  const char *summary;   /* one line for the list of commands */
  const char *help;      /* what comes after the options in --help: notes and examples */
  int (*run)(int argc, char **argv);
} command;

extern const command classify_command, eval_command, bench_command, import_command, calibrate_command, selftest_command,
    worker_command, submit_command;

/* Takes the options out of argv; `entries` and `shared` (NULL = none) end with a zeroed one and may not have -h. False
 * after --help (then *status is STATUS_DONE) and after a mistake, for which the sentence has been printed
 * (STATUS_USAGE). */
bool command_parse(const command *self, const GOptionEntry *entries, const GOptionEntry *shared, int *argc,
                   char ***argv, int *status);

/* Prints "resnet18 NAME: sentence" and where to find help. Returns STATUS_USAGE. */
int command_misuse(const command *self, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Prints "resnet18: sentence". Returns STATUS_FAILED. */
int command_fail(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* False, after a sentence, unless low <= value <= high. */
bool command_in_range(const command *self, const char *option, double value, double low, double high);

/* *value becomes the place of `text` in `choices` (which ends with NULL); left alone if `text` is NULL. False, after a
 * sentence, if it is not among them. */
bool command_choose(const command *self, const char *option, const char *text, const char *const *choices, int *value);

/* Whether everything printed so far has reached standard output; else says so on stderr. */
bool command_output_done(void);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every subcommand of `resnet18` has in common. */
#include "command.h"

#include <stdio.h>
#include <string.h>

/* GLib writes the ellipsis of "[OPTION...]" as one character that not every terminal has. */
static char *plain_help(GOptionContext *context) {
  char *help = g_option_context_get_help(context, TRUE, NULL);
  char **parts = g_strsplit(help, "\xe2\x80\xa6", -1);
  char *plain = g_strjoinv("...", parts);
  g_strfreev(parts);
  g_free(help);
  return plain;
}

static void print_help(GOptionContext *context) {
  char *help = plain_help(context);
  fputs(help, stdout);
  g_free(help);
}

bool command_parse(const command *self, const GOptionEntry *entries, const GOptionEntry *shared, int *argc,
                   char ***argv, int *status) {
  gboolean help = FALSE;
  const GOptionEntry help_entry[] = {
      {"help", 'h', 0, G_OPTION_ARG_NONE, &help, "Show this help", NULL},
      {NULL},
  };
  GOptionContext *context = g_option_context_new(self->arguments);
  GError *error = NULL;
  char *program = g_strdup_printf("resnet18 %s", self->name);
  bool go_on = false;

  g_set_prgname(program);
  g_option_context_set_help_enabled(context, FALSE);
  g_option_context_set_summary(context, self->summary);
  g_option_context_set_description(context, self->help);
  g_option_context_add_main_entries(context, entries, NULL);
  if (shared)
    g_option_context_add_main_entries(context, shared, NULL);
  g_option_context_add_main_entries(context, help_entry, NULL);
  if (!g_option_context_parse(context, argc, argv, &error)) {
    *status = command_misuse(self, "%s", error->message);
    g_error_free(error);
  } else if (help) {
    print_help(context);
    *status = command_output_done() ? STATUS_DONE : STATUS_FAILED;
  } else {
    /* GOption leaves a "--" that ended the options among the arguments. */
    if (*argc > 1 && strcmp((*argv)[1], "--") == 0) {
      memmove(*argv + 1, *argv + 2, (size_t)(*argc - 1) * sizeof **argv);
      --*argc;
    }
    go_on = true;
  }
  g_option_context_free(context);
  g_free(program);
  return go_on;
}

int command_misuse(const command *self, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char *sentence = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  fprintf(stderr, "resnet18 %s: %s\nTry 'resnet18 %s --help'.\n", self->name, sentence, self->name);
  g_free(sentence);
  return STATUS_USAGE;
}

int command_fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char *sentence = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  fflush(stdout); /* the two streams stay in order on a terminal */
  fprintf(stderr, "resnet18: %s\n", sentence);
  g_free(sentence);
  return STATUS_FAILED;
}

bool command_in_range(const command *self, const char *option, double value, double low, double high) {
  if (value >= low && value <= high)
    return true;
  command_misuse(self, "%s must be between %g and %g, not %g", option, low, high, value);
  return false;
}

bool command_choose(const command *self, const char *option, const char *text, const char *const *choices, int *value) {
  if (text == NULL)
    return true;
  for (int i = 0; choices[i]; i++)
    if (strcmp(text, choices[i]) == 0) {
      *value = i;
      return true;
    }
  char *list = g_strjoinv(", ", (char **)choices);
  command_misuse(self, "%s must be one of %s, not '%s'", option, list, text);
  g_free(list);
  return false;
}

bool command_output_done(void) {
  if (fflush(stdout) == 0 && !ferror(stdout))
    return true;
  command_fail("standard output cannot be written");
  return false;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every subcommand of `resnet18` has in common. */
#include "command.h"

#include <math.h>
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

/* ---- What GOption does not do -------------------------------------------------------------------------- */

/* One list of entries, then another (NULL = none). */
typedef struct {
  const GOptionEntry *list[2];
} option_tables;

/* By its long name of `length` bytes, or, if `name` is NULL, by its letter. */
static const GOptionEntry *find_option(const option_tables *tables, const char *name, size_t length, char letter) {
  for (size_t i = 0; i < G_N_ELEMENTS(tables->list); i++)
    for (const GOptionEntry *e = tables->list[i]; e && e->long_name; e++)
      if (name ? strlen(e->long_name) == length && memcmp(e->long_name, name, length) == 0 : e->short_name == letter)
        return e;
  return NULL;
}

static bool has_value(const GOptionEntry *entry) {
  return entry && entry->arg != G_OPTION_ARG_NONE;
}

/* Where in a group such as "-jk3" the value starts that is attached to an option; 0 = nowhere. *next: the value is the
 * next word. */
static size_t attached_value(const option_tables *tables, const char *word, bool *next) {
  for (size_t i = 1; word[i]; i++)
    if (has_value(find_option(tables, NULL, 0, word[i]))) {
      *next = word[i + 1] == '\0';
      return *next ? 0 : i + 1;
    }
  return 0;
}

/* Puts the words of argv into `words`, with "-k3" as "-k" and "3", which GOption wants. False, after a sentence, at a
 * value for an option that has none, which GOption would not mention. */
static bool split_words(const command *self, const option_tables *tables, int argc, char **argv, GPtrArray *words) {
  bool literal = true; /* the program's name; later the value of the option before, or all words after "--" */
  bool rest = false;
  for (int i = 0; i < argc; i++) {
    char *word = argv[i];
    const char *equals = strchr(word, '=');
    const bool is_long = g_str_has_prefix(word, "--");
    size_t value = 0;
    bool next = false;
    rest = rest || (!literal && strcmp(word, "--") == 0);
    if (!literal && !rest && is_long) {
      const size_t length = equals ? (size_t)(equals - word) - 2 : strlen(word + 2);
      const GOptionEntry *entry = find_option(tables, word + 2, length, 0);
      if (entry && equals && !has_value(entry)) {
        command_misuse(self, "--%s takes no value", entry->long_name);
        return false;
      }
      next = !equals && has_value(entry);
    } else if (!literal && !rest && word[0] == '-') {
      value = attached_value(tables, word, &next);
    }
    if (value) {
      char *option = g_strndup(word, value);
      g_ptr_array_add(words, (gpointer)g_intern_string(option)); /* GOption drops words, nobody could free them */
      g_free(option);
    }
    g_ptr_array_add(words, word + value);
    literal = next;
  }
  g_ptr_array_add(words, NULL);
  return true;
}

/* ---- The command line ---------------------------------------------------------------------------------- */

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
  static GPtrArray *words; /* the arguments point into it */
  bool go_on = false;

  g_set_prgname(program);
  g_option_context_set_help_enabled(context, FALSE);
  g_option_context_set_summary(context, self->summary);
  g_option_context_set_description(context, self->help);
  g_option_context_add_main_entries(context, entries, NULL);
  if (shared)
    g_option_context_add_main_entries(context, shared, NULL);
  g_option_context_add_main_entries(context, help_entry, NULL);
  const option_tables tables = {{entries, shared}};
  words = g_ptr_array_new();
  const bool split = split_words(self, &tables, *argc, *argv, words);
  if (split) {
    *argc = (int)words->len - 1;
    *argv = (char **)words->pdata;
  }
  if (!split) {
    *status = STATUS_USAGE;
  } else if (!g_option_context_parse(context, argc, argv, &error)) {
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

/* A whole number without an exponent; to be freed. */
static char *plain_number(double value) {
  return value == floor(value) && fabs(value) < 1e19 ? g_strdup_printf("%.0f", value) : g_strdup_printf("%g", value);
}

bool command_in_range(const command *self, const char *option, double value, double low, double high) {
  if (value >= low && value <= high)
    return true;
  char *from = plain_number(low), *to = plain_number(high), *is = plain_number(value);
  command_misuse(self, "%s must be between %s and %s, not %s", option, from, to, is);
  g_free(from);
  g_free(to);
  g_free(is);
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

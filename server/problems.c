/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A list of what is wrong with a file. */
#include "problems.h"

enum { MOST = 100 };

typedef struct {
  unsigned line, number; /* in the order in which they were found */
  char *text;
} problem;

struct problems {
  char *file;
  GArray *list;
  unsigned left_out;
};

static void clear(gpointer p) {
  g_free(((problem *)p)->text);
}

problems *problems_new(const char *file) {
  problems *p = g_new0(problems, 1);
  p->file = g_strdup(file);
  p->list = g_array_new(FALSE, FALSE, sizeof(problem));
  g_array_set_clear_func(p->list, clear);
  return p;
}

void problems_free(problems *p) {
  if (p == NULL)
    return;
  g_array_free(p->list, TRUE);
  g_free(p->file);
  g_free(p);
}

/* What a file holds may have been cut in the middle of a character, or be no text to print. */
static char *printable(char *text) {
  char *valid = g_utf8_make_valid(text, -1);
  for (char *at = valid; *at; at++)
    if (g_ascii_iscntrl(*at))
      *at = '?';
  g_free(text);
  return valid;
}

void problems_add(problems *p, unsigned line, const char *key, const char *format, ...) {
  if (p->list->len == MOST) {
    p->left_out++;
    return;
  }
  va_list arguments;
  va_start(arguments, format);
  char *sentence = printable(g_strdup_vprintf(format, arguments));
  va_end(arguments);
  char *place = line ? g_strdup_printf("%s:%u: ", p->file, line) : g_strdup_printf("%s: ", p->file);
  const problem made = {line, p->list->len, g_strconcat(place, key ? key : "", key ? ": " : "", sentence, "\n", NULL)};
  g_array_append_val(p->list, made);
  g_free(place);
  g_free(sentence);
}

bool problems_any(const problems *p) {
  return p->list->len > 0;
}

static gint compare(gconstpointer a, gconstpointer b) {
  const problem *first = a, *second = b;
  if (first->line != second->line)
    return first->line < second->line ? -1 : 1;
  return first->number < second->number ? -1 : first->number > second->number;
}

char *problems_text(problems *p) {
  GString *text = g_string_new(NULL);
  g_array_sort(p->list, compare);
  for (guint i = 0; i < p->list->len; i++)
    g_string_append(text, g_array_index(p->list, problem, i).text);
  if (p->left_out)
    g_string_append_printf(text, "%s: and %u problems more\n", p->file, p->left_out);
  return g_string_free(text, FALSE);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A list of labelled pictures. */
#include "table.h"

#include "command.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char header[] = "file\tclass";

/* "FILE<TAB>NUMBER" -> both. NULL on success, else what is wrong. */
static const char *parse_row(char *line, size_t classes, char **file, unsigned *expected) {
  char *tab = strchr(line, '\t');
  guint64 number;
  if (tab == NULL || tab == line)
    return "it should be a file name, a tab and a class";
  *tab = '\0';
  if (!g_ascii_string_to_unsigned(tab + 1, 10, 0, G_MAXUINT, &number, NULL))
    return "the class is not a number";
  if (number >= classes)
    return "the model has no such class";
  *file = line;
  *expected = (unsigned)number;
  return NULL;
}

static void append(table *t, const char *folder, const char *file) {
  t->file[t->rows] = g_strdup(file);
  t->path[t->rows++] = g_path_is_absolute(file) ? g_strdup(file) : g_build_filename(folder, file, NULL);
}

static void allocate(table *t, size_t rows) {
  memset(t, 0, sizeof *t);
  t->file = g_new0(char *, rows + 1);
  t->path = g_new0(char *, rows + 1);
  t->expected = g_new0(unsigned, rows + 1);
}

/* `line`: the rows below the header. */
static bool parse(table *t, const char *path, char **line, size_t classes) {
  char *folder = g_path_get_dirname(path);
  const char *wrong = NULL;
  for (size_t i = 0; wrong == NULL && line[i]; i++) {
    char *file = NULL;
    if (*line[i] == '\0')
      continue;
    wrong = parse_row(line[i], classes, &file, &t->expected[t->rows]);
    if (wrong)
      command_fail("%s: line %zu: %s", path, i + 2, wrong);
    else
      append(t, folder, file);
  }
  g_free(folder);
  return wrong == NULL;
}

static void take_names(table *t, const char *path, char **line) {
  char *folder = g_path_get_dirname(path);
  for (; *line; line++)
    if (**line)
      append(t, folder, *line);
  g_free(folder);
}

/* Leaves rows `first` to `last` (from 1). */
static bool cut(table *t, const char *path, size_t first, size_t last) {
  if (last == 0)
    last = t->rows;
  if (t->rows == 0) {
    command_fail("%s: it names no pictures", path);
    return false;
  }
  if (first > last || last > t->rows) {
    command_fail("%s: there are no rows %zu to %zu; the list has %zu", path, first, last, t->rows);
    return false;
  }
  for (size_t i = 0; i < t->rows; i++)
    if (i + 1 < first || i + 1 > last) {
      g_free(t->file[i]);
      g_free(t->path[i]);
      t->file[i] = t->path[i] = NULL;
    }
  t->rows = last - first + 1;
  memmove(t->file, t->file + first - 1, t->rows * sizeof *t->file);
  memmove(t->path, t->path + first - 1, t->rows * sizeof *t->path);
  memmove(t->expected, t->expected + first - 1, t->rows * sizeof *t->expected);
  t->file[t->rows] = t->path[t->rows] = NULL;
  return true;
}

/* All of a file or FIFO, with a NUL behind it. NULL after a sentence. */
static GString *read_text(const char *path) {
  GString *text = g_string_new(NULL);
  char part[4096];
  size_t got = 0;
  FILE *file = fopen(path, "re");
  while (file && (got = fread(part, 1, sizeof part, file)))
    g_string_append_len(text, part, (gssize)got);
  if (file == NULL || ferror(file)) {
    command_fail("%s: %s", path, g_strerror(errno));
    g_string_free(text, TRUE);
    text = NULL;
  }
  if (file)
    fclose(file);
  return text;
}

/* The lines of a text file. NULL after a sentence. */
static char **read_lines(const char *path) {
  static const char mark[] = "\xef\xbb\xbf"; /* U+FEFF, with which some editors begin a file */
  char **line = NULL;
  GString *text = read_text(path);
  if (text == NULL)
    return NULL;
  if (memchr(text->str, '\0', text->len))
    command_fail("%s: it is not text", path);
  else /* blank lines are skipped */
    line = g_strsplit(g_strdelimit(text->str, "\r", '\n') + (g_str_has_prefix(text->str, mark) ? strlen(mark) : 0),
                      "\n", -1);
  g_string_free(text, TRUE);
  return line;
}

bool table_read(table *t, const char *path, size_t classes, size_t first, size_t last) {
  char **line = read_lines(path);
  allocate(t, line ? g_strv_length(line) : 0);
  bool ok = line != NULL;
  if (ok && (line[0] == NULL || strcmp(line[0], header) != 0)) {
    command_fail("%s: line 1: it should be \"file\", a tab and \"class\"", path);
    ok = false;
  }
  ok = ok && parse(t, path, line + 1, classes) && cut(t, path, first, last);
  if (!ok)
    table_clear(t);
  g_strfreev(line);
  return ok;
}

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of all files but the hidden ones and the directories, sorted. NULL after a sentence. */
static char **list_folder(const char *path) {
  DIR *folder = opendir(path);
  const struct dirent *entry;
  if (folder == NULL) {
    command_fail("%s: %s", path, g_strerror(errno));
    return NULL;
  }
  GPtrArray *names = g_ptr_array_new();
  while ((entry = readdir(folder))) {
    char *full = g_build_filename(path, entry->d_name, NULL);
    if (entry->d_name[0] != '.' && !g_file_test(full, G_FILE_TEST_IS_DIR))
      g_ptr_array_add(names, full);
    else
      g_free(full);
  }
  closedir(folder);
  if (names->len > 0) /* without names there is no array either */
    qsort(names->pdata, names->len, sizeof *names->pdata, by_name);
  g_ptr_array_add(names, NULL);
  return (char **)g_ptr_array_free(names, FALSE);
}

bool table_read_pictures(table *t, const char *path, size_t first, size_t last) {
  const bool is_folder = g_file_test(path, G_FILE_TEST_IS_DIR);
  char **line = is_folder ? list_folder(path) : read_lines(path);
  allocate(t, line ? g_strv_length(line) : 0);
  bool ok = line != NULL;
  if (ok && is_folder)
    for (size_t i = 0; line[i]; i++)
      append(t, "", line[i]);
  else if (ok && line[0] && strcmp(line[0], header) == 0)
    ok = parse(t, path, line + 1, SIZE_MAX);
  else if (ok)
    take_names(t, path, line);
  ok = ok && cut(t, path, first, last);
  if (!ok)
    table_clear(t);
  g_strfreev(line);
  return ok;
}

void table_clear(table *t) {
  g_strfreev(t->file);
  g_strfreev(t->path);
  g_free(t->expected);
  memset(t, 0, sizeof *t);
}

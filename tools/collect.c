/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The inputs of a submission and their lines on the disk.
 *
 * OUTPUT.part: a line "resnet18-submit <tab> 1 <tab> RUN <tab> digest of the inputs", then "INDEX <tab> JSON" a line in
 * the order in which results come. A last line that is cut short was never acknowledged, and is cut off. */
#include "collect.h"

#include "command.h"
#include "output.h"
#include "result_json.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_INPUTS = 100000000, MAX_DEPTH = 32 };
static const char magic[] = "resnet18-submit\t1\t";

struct collection {
  GPtrArray *inputs;
  char *output, *part, *run, *digest;
  FILE *file;
  gint64 *offset; /* of each input's JSON in the file; 0 = none yet */
  size_t done, errors;
  bool fresh; /* nothing was there from an earlier call */
};

/* ---- Inputs -------------------------------------------------------------------------------------------- */

static bool list_folder(GPtrArray *inputs, const char *path, int depth) {
  GError *error = NULL;
  GDir *folder = g_dir_open(path, 0, &error);
  const char *name;
  bool ok = folder != NULL;
  if (folder == NULL) {
    command_fail("%s", error->message);
    g_error_free(error);
  }
  while (ok && (name = g_dir_read_name(folder))) {
    char *full = g_build_filename(path, name, NULL);
    if (name[0] == '.')
      g_free(full);
    else if (!g_file_test(full, G_FILE_TEST_IS_DIR))
      g_ptr_array_add(inputs, full);
    else {
      ok = depth >= MAX_DEPTH || g_file_test(full, G_FILE_TEST_IS_SYMLINK) || list_folder(inputs, full, depth + 1);
      g_free(full);
    }
  }
  if (folder)
    g_dir_close(folder);
  return ok;
}

static gint by_name(gconstpointer a, gconstpointer b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One input a line, taken as it is; empty lines are left out. */
static bool list_lines(GPtrArray *inputs, const char *path) {
  FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
  char *line = NULL;
  size_t room = 0;
  ssize_t length;
  if (file == NULL) {
    command_fail("%s: %s", path, g_strerror(errno));
    return false;
  }
  while ((length = getline(&line, &room, file)) >= 0) {
    while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
      line[--length] = '\0';
    if (strlen(line) != (size_t)length) {
      command_fail("%s: line %u has a zero byte in it; name a directory, or a list: a text with a path or URI a line",
                   path, inputs->len + 1);
      break;
    }
    if (length)
      g_ptr_array_add(inputs, g_strdup(line));
  }
  const bool ok = feof(file);
  free(line);
  if (file != stdin)
    fclose(file);
  return ok;
}

static GPtrArray *list_inputs(const char *path) {
  GPtrArray *inputs = g_ptr_array_new_with_free_func(g_free);
  const bool folder = g_file_test(path, G_FILE_TEST_IS_DIR);
  bool ok = folder ? list_folder(inputs, path, 0) : list_lines(inputs, path);
  if (folder)
    g_ptr_array_sort(inputs, by_name);
  if (ok && (inputs->len == 0 || inputs->len > MAX_INPUTS)) {
    command_fail("%s: %s", path, inputs->len ? "there are too many inputs in it" : "there is no input in it");
    ok = false;
  }
  if (ok)
    return inputs;
  g_ptr_array_unref(inputs);
  return NULL;
}

static char *digest_of(const GPtrArray *inputs) {
  GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
  for (guint i = 0; i < inputs->len; i++)
    g_checksum_update(sum, inputs->pdata[i], (gssize)strlen(inputs->pdata[i]) + 1);
  char *text = g_strdup(g_checksum_get_string(sum));
  g_checksum_free(sum);
  return text;
}

/* ---- OUTPUT.part --------------------------------------------------------------------------------------- */

static bool fail(const collection *c) {
  command_fail("%s: %s", c->part, g_strerror(errno));
  return false;
}

/* In JSON a quote inside a string has a backslash before it, so this is a member. */
static void count_line(collection *c, const char *json) {
  c->done++;
  c->errors += strstr(json, "\"error\":") != NULL;
}

static bool read_header(collection *c, char *line) {
  char **field = g_strsplit(line + sizeof magic - 1, "\t", -1);
  const bool ok = g_strv_length(field) == 2 && strlen(field[0]) == 16 && strspn(field[0], "0123456789abcdef") == 16;
  const bool same = ok && strcmp(field[1], c->digest) == 0;
  if (ok)
    c->run = g_strdup(field[0]);
  else
    command_fail("%s: it was not left by this command; move it away", c->part);
  if (ok && !same)
    command_fail("%s: it belongs to other inputs; name them as they were, or remove it to begin anew", c->part);
  g_strfreev(field);
  return same;
}

/* Notes where the line's JSON is. False if it is no line of ours. */
static bool read_line(collection *c, const char *line, gint64 at) {
  char *tab;
  const guint64 index = g_ascii_strtoull(line, &tab, 10);
  if (tab == line || *tab != '\t' || tab[1] != '{' || index >= c->inputs->len)
    return false;
  if (c->offset[index] == 0)
    count_line(c, tab + 1);
  c->offset[index] = at + (tab + 1 - line);
  return true;
}

/* What an earlier call left; the file is at its end then. */
static bool read_part(collection *c) {
  char *line = NULL;
  size_t room = 0;
  ssize_t length = getline(&line, &room, c->file);
  gint64 at = length > 0 ? length : 0;
  bool ok = length > 0 && line[length - 1] == '\n' && g_str_has_prefix(line, magic);
  if (ok) {
    line[length - 1] = '\0';
    ok = read_header(c, line);
  } else if (length >= 0) {
    command_fail("%s: it was not left by this command; move it away", c->part);
  }
  while (ok && (length = getline(&line, &room, c->file)) > 0 && line[length - 1] == '\n') {
    if (!read_line(c, line, at)) {
      command_fail("%s: the line at byte %" G_GINT64_FORMAT " was not written by this command", c->part, at);
      ok = false;
    }
    at += length;
  }
  free(line);
  if (ok && (ftruncate(fileno(c->file), at) != 0 || fseeko(c->file, at, SEEK_SET) != 0))
    ok = fail(c);
  return ok;
}

static bool begin_part(collection *c) {
  c->run = g_strdup_printf("%08x%08x", g_random_int(), g_random_int());
  return fprintf(c->file, "%s%s\t%s\n", magic, c->run, c->digest) > 0 && fflush(c->file) == 0;
}

static bool open_part(collection *c) {
  struct stat info;
  const int fd = open(c->part, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0)
    return fail(c);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    command_fail("%s: another submit is writing it", c->part);
    close(fd);
    return false;
  }
  if (fstat(fd, &info) != 0)
    return fail(c);
  c->file = fdopen(fd, "r+");
  if (c->file == NULL)
    return fail(c);
  c->fresh = info.st_size == 0;
  if (c->fresh)
    return begin_part(c) || fail(c);
  return read_part(c);
}

/* OUTPUT takes the place of a file; a device or a pipe has no place that could be taken. */
static bool check_output(const char *output, const char *inputs) {
  if (!output_check(output, inputs))
    return false;
  if (!g_file_test(output, G_FILE_TEST_EXISTS) || g_file_test(output, G_FILE_TEST_IS_REGULAR))
    return true;
  command_fail("%s: it is not a regular file", output);
  return false;
}

collection *collection_open(const char *inputs, const char *output) {
  if (!check_output(output, inputs))
    return NULL;
  collection *c = g_new0(collection, 1);
  c->inputs = list_inputs(inputs);
  c->output = g_strdup(output);
  c->part = g_strconcat(output, ".part", NULL);
  if (c->inputs) {
    c->digest = digest_of(c->inputs);
    c->offset = g_new0(gint64, c->inputs->len);
    if (open_part(c))
      return c;
  }
  collection_close(c);
  return NULL;
}

void collection_discard(collection *c) {
  if (c->fresh && c->done == 0)
    unlink(c->part);
}

void collection_close(collection *c) {
  if (c == NULL)
    return;
  if (c->file)
    fclose(c->file);
  if (c->inputs)
    g_ptr_array_unref(c->inputs);
  g_free(c->output);
  g_free(c->part);
  g_free(c->run);
  g_free(c->digest);
  g_free(c->offset);
  g_free(c);
}

size_t collection_count(const collection *c) {
  return c->inputs->len;
}

size_t collection_done(const collection *c) {
  return c->done;
}

size_t collection_errors(const collection *c) {
  return c->errors;
}

const char *collection_input(const collection *c, size_t index) {
  return c->inputs->pdata[index];
}

const char *collection_run(const collection *c) {
  return c->run;
}

bool collection_has(const collection *c, size_t index) {
  return c->offset[index] != 0;
}

/* Results come from other machines: only one JSON object on one line becomes a line. */
static char *checked(const char *json, size_t size) {
  json_t *root = json_loadb(json, size, JSON_REJECT_DUPLICATES, NULL);
  char *line = json_is_object(root) && memchr(json, '\n', size) == NULL ? g_strndup(json, size) : NULL;
  json_decref(root);
  return line;
}

bool collection_add(collection *c, size_t index, const char *json, size_t size) {
  char *line = checked(json, size);
  if (line == NULL)
    return collection_add_error(c, index, "the worker's result is not a JSON object");
  const off_t at = ftello(c->file);
  const int prefix = fprintf(c->file, "%zu\t", index);
  const bool ok = at >= 0 && prefix > 0 && fprintf(c->file, "%s\n", line) > 0;
  if (ok && c->offset[index] == 0)
    count_line(c, line);
  g_free(line);
  if (!ok)
    return fail(c);
  c->offset[index] = at + prefix;
  return true;
}

bool collection_add_error(collection *c, size_t index, const char *reason) {
  GString *json = g_string_new("{\"input\":");
  gst_resnet18_json_append_string(json, collection_input(c, index));
  g_string_append(json, ",\"error\":");
  gst_resnet18_json_append_string(json, reason);
  g_string_append_c(json, '}');
  const bool ok = collection_add(c, index, json->str, json->len);
  g_string_free(json, TRUE);
  return ok;
}

bool collection_flush(collection *c) {
  return fflush(c->file) == 0 || fail(c);
}

/* ---- OUTPUT -------------------------------------------------------------------------------------------- */

/* RFC 4180. */
static void put_field(FILE *out, const json_t *value, bool last) {
  if (json_is_string(value)) {
    fputc('"', out);
    for (const char *s = json_string_value(value); *s; s++)
      fputs(*s == '"' ? "\"\"" : (char[]){*s, '\0'}, out);
    fputc('"', out);
  } else if (json_is_integer(value)) {
    fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
  } else if (json_is_real(value)) {
    char text[G_ASCII_DTOSTR_BUF_SIZE];
    fputs(g_ascii_formatd(text, sizeof text, "%.6g", json_real_value(value)), out);
  }
  fputc(last ? '\n' : ',', out);
}

/* One type a column, whatever the line: what a reader of tables (Parquet, a data base) needs. */
static const char *const columns[] = {"input",     "frames", "width",       "height",
                                      "precision", "model",  "uncertainty", "error"};
static const char *const class_columns[] = {"index", "wnid", "label", "score"};

static void put_header(FILE *out) {
  for (size_t i = 0; i < G_N_ELEMENTS(columns); i++)
    fprintf(out, "%s,", columns[i]);
  for (size_t i = 0; i < G_N_ELEMENTS(class_columns); i++)
    fprintf(out, "%s%c", class_columns[i], i + 1 == G_N_ELEMENTS(class_columns) ? '\n' : ',');
}

static void put_row(FILE *out, const char *json) {
  json_t *root = json_loads(json, 0, NULL);
  const json_t *best = json_array_get(json_object_get(root, "classes"), 0);
  for (size_t i = 0; i < G_N_ELEMENTS(columns); i++)
    put_field(out, json_object_get(root, columns[i]), false);
  for (size_t i = 0; i < G_N_ELEMENTS(class_columns); i++)
    put_field(out, json_object_get(best, class_columns[i]), i + 1 == G_N_ELEMENTS(class_columns));
  json_decref(root);
}

static bool write_lines(FILE *out, void *user) {
  collection *c = user;
  const bool csv = g_str_has_suffix(c->output, ".csv");
  char *line = NULL;
  size_t room = 0;
  bool ok = true;
  if (csv)
    put_header(out);
  for (guint i = 0; ok && i < c->inputs->len; i++) {
    ok = fseeko(c->file, c->offset[i], SEEK_SET) == 0 && getline(&line, &room, c->file) > 0;
    if (ok && csv)
      put_row(out, line);
    else if (ok)
      fputs(line, out);
  }
  free(line);
  return ok;
}

bool collection_finish(collection *c) {
  if (!collection_flush(c) || !output_replace(c->output, write_lines, c))
    return false;
  return unlink(c->part) == 0 || fail(c);
}

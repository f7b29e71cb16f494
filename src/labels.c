/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Class names: a list with one name a line, or a table of index, WordNet id and name. */
#include "builtin.h"
#include "error.h"
#include "file.h"
#include "text.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_FILE = 16 << 20, MAX_LABEL = 1024 };

static const char table_header[] = "index\twnid\tname";

typedef struct {
  const char *name, *wnid; /* in `text` */
} label;

struct resnet18_labels {
  atomic_uint references;
  char *text; /* the file, cut into strings; owned */
  label *label;
  size_t count;
};

/* The text being cut; lines count from 1. */
typedef struct {
  const char *source;
  char *at, *end;
  size_t line;
  resnet18_error *error;
} cutter;

static resnet18_status line_fail(const cutter *c, const char *what) {
  return r18_fail(c->error, RESNET18_ERROR_FORMAT, "%s: line %zu %s", c->source, c->line, what);
}

/* Cuts off the next line and returns its length without the line's end. There is a byte after the text for the last
 * line's 0. */
static size_t next_line(cutter *c, char **line) {
  char *stop = memchr(c->at, '\n', (size_t)(c->end - c->at));
  *line = c->at;
  c->at = stop ? stop + 1 : c->end;
  c->line++;
  stop = stop ? stop : c->end;
  if (stop > *line && stop[-1] == '\r')
    stop--;
  *stop = '\0';
  return (size_t)(stop - *line);
}

/* Tabs are for tables only. */
static resnet18_status check_line(const cutter *c, const char *line, size_t length, bool table) {
  if (length == 0)
    return line_fail(c, "is empty");
  for (size_t i = 0, step; i < length; i += step) {
    unsigned char byte = (unsigned char)line[i];
    step = r18_utf8_length((const unsigned char *)line + i, length - i);
    if (step == 0)
      return line_fail(c, "is not UTF-8");
    if (byte == '\t' && !table)
      return line_fail(c, "has a tab, but the file does not begin with a table's header index, wnid, name");
    if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
      return line_fail(c, "has a control character");
  }
  return RESNET18_OK;
}

/* index <tab> wnid <tab> name; the indices count from 0. */
static resnet18_status cut_row(const cutter *c, char *line, size_t index, label *out) {
  char *wnid = strchr(line, '\t'), *name = wnid ? strchr(wnid + 1, '\t') : NULL, expected[24];
  if (!name || strchr(name + 1, '\t'))
    return line_fail(c, "does not have the three columns index, wnid, name");
  *wnid++ = '\0';
  *name++ = '\0';
  snprintf(expected, sizeof expected, "%zu", index);
  if (strcmp(line, expected) != 0)
    return r18_fail(c->error, RESNET18_ERROR_FORMAT, "%s: line %zu has the index '%s' instead of %zu", c->source,
                    c->line, line, index);
  *out = (label){.name = name, .wnid = wnid};
  return RESNET18_OK;
}

static resnet18_status cut_label(cutter *c, bool table, size_t index, label *out) {
  char *line;
  size_t length = next_line(c, &line);
  resnet18_status status = check_line(c, line, length, table);
  *out = (label){.name = line, .wnid = ""};
  if (!status && table)
    status = cut_row(c, line, index, out);
  if (!status && !*out->name)
    status = line_fail(c, "has an empty name");
  if (!status && strlen(out->name) > MAX_LABEL)
    status = line_fail(c, "has a name of more than 1024 bytes");
  return status;
}

static size_t count_lines(const char *text, size_t length) {
  size_t count = length > 0;
  for (size_t i = 0; i < length; i++)
    count += text[i] == '\n';
  return count;
}

/* Takes a table's header off the text. */
static bool take_header(cutter *c) {
  size_t left = (size_t)(c->end - c->at), length = sizeof table_header - 1;
  if (left < length || memcmp(c->at, table_header, length) != 0)
    return false;
  if (left > length && c->at[length] != '\n' && c->at[length] != '\r')
    return false;
  char *ignored;
  next_line(c, &ignored);
  return true;
}

/* Cuts labels->text, which has `length` bytes and one more. */
static resnet18_status cut_text(resnet18_labels *labels, const char *source, size_t length, size_t classes,
                                resnet18_error *error) {
  cutter c = {.source = source, .at = labels->text, .end = labels->text + length, .error = error};
  if (length >= 3 && memcmp(c.at, "\xef\xbb\xbf", 3) == 0)
    c.at += 3; /* a byte order mark */
  while (c.end > c.at && (c.end[-1] == '\n' || c.end[-1] == '\r'))
    c.end--;
  bool table = take_header(&c);
  size_t count = count_lines(c.at, (size_t)(c.end - c.at));
  if (count != classes)
    return r18_fail(error, RESNET18_ERROR_FORMAT, "%s: names %zu classes, but the model has %zu", source, count,
                    classes);
  labels->label = calloc(count, sizeof *labels->label);
  if (!labels->label)
    return r18_fail_memory(error, count * sizeof *labels->label);
  resnet18_status status = RESNET18_OK;
  for (; labels->count < count && !status; labels->count += !status)
    status = cut_label(&c, table, labels->count, &labels->label[labels->count]);
  return status;
}

/* The text of the file, or the built-in one, with one byte of room after it. */
static resnet18_status read_text(const char *path, char **text, size_t *length, resnet18_error *error) {
  int fd = -1;
  resnet18_status status = RESNET18_OK;
  *length = (size_t)(r18_builtin_labels_end - r18_builtin_labels);
  if (path)
    status = r18_file_open(path, MAX_FILE, &fd, length, error);
  if (status)
    return status;
  *text = malloc(*length + 1);
  if (!*text)
    status = r18_fail_memory(error, *length + 1);
  else if (path)
    status = r18_file_read(fd, path, *text, *length, 0, error);
  else
    memcpy(*text, r18_builtin_labels, *length);
  if (fd >= 0)
    close(fd);
  return status;
}

resnet18_status resnet18_labels_load(const char *path, size_t classes, resnet18_labels **labels,
                                     resnet18_error *error) {
  size_t length = 0;
  *labels = NULL;
  if (classes == 0)
    return r18_fail(error, RESNET18_ERROR_ARGUMENT, "a list of labels needs at least one class");
  if (path && !*path)
    return r18_fail(error, RESNET18_ERROR_ARGUMENT, "the name of the labels file is empty");
  resnet18_labels *l = calloc(1, sizeof *l);
  if (!l)
    return r18_fail_memory(error, sizeof *l);
  atomic_init(&l->references, 1);
  resnet18_status status = read_text(path, &l->text, &length, error);
  if (!status)
    status = cut_text(l, path ? path : "the built-in labels", length, classes, error);
  if (status) {
    resnet18_labels_unref(l);
    return status;
  }
  *labels = l;
  return r18_ok(error);
}

resnet18_labels *resnet18_labels_ref(resnet18_labels *labels) {
  atomic_fetch_add_explicit(&labels->references, 1, memory_order_relaxed);
  return labels;
}

void resnet18_labels_unref(resnet18_labels *labels) {
  if (!labels || atomic_fetch_sub_explicit(&labels->references, 1, memory_order_acq_rel) != 1)
    return;
  free(labels->label);
  free(labels->text);
  free(labels);
}

size_t resnet18_labels_count(const resnet18_labels *labels) {
  return labels->count;
}

const char *resnet18_labels_name(const resnet18_labels *labels, size_t index) {
  return index < labels->count ? labels->label[index].name : NULL;
}

const char *resnet18_labels_wnid(const resnet18_labels *labels, size_t index) {
  return index < labels->count ? labels->label[index].wnid : NULL;
}

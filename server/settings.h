/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All that can be set, with its limits: filled from the command line and the environment. */
#ifndef RESNET18_SERVER_SETTINGS_H
#define RESNET18_SERVER_SETTINGS_H

#include "field.h"

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

/* Times are in milliseconds, sizes in bytes. */
typedef struct {
  char *bind; /* address, IPv4 or IPv6 */
  int port;   /* 0 = any free one */
  char *weights, *labels;
  char *precision; /* auto, fp32, int8 */
  int threads;     /* of the forward pass, 0 = choose */
  int decoders;    /* decoder children, 0 = as many as threads */
  int batch;       /* most pictures in one forward pass */
  int queue;       /* pictures that may wait or be worked on */

  int max_body, max_body_total; /* of one request; of all requests at once */
  int max_header;
  double max_megapixels;
  int connections, per_address;
  int streams; /* connections that may be event or video streams */
  int idle_time, header_time, body_time, send_time, decode_time, drain_time;
  int body_rate; /* bytes a second that a body may add to body_time */

  char *config;             /* the file's path, NULL = none */
  gboolean check_config;    /* that is all that is to be done */
  char *token_file;         /* path, NULL = none */
  char *token;              /* NULL = none asked for */
  char *tls_cert, *tls_key; /* paths, NULL = no TLS */
  gboolean verbose;
  gboolean loop; /* files begin anew at their end */
  char **uris;   /* live sources, NULL-terminated */
} settings;

/* What the command line calls --NAME and the configuration file NAME. */
typedef struct {
  field_rule field;
  size_t offset; /* in settings: gboolean, int, double or char *, as the field's kind says */
} setting;
extern const setting settings_table[]; /* ends with a field without a name */
/* NULL if there is none. */
const setting *settings_find(const char *name);
/* Takes a value that fits the field; `path`: the value of a path that the file's folder was put before. */
void settings_set(settings *s, const setting *which, const toml_value *value, const char *path);
bool settings_same(const settings *a, const settings *b, const setting *which);

/* Before anything was read; to be cleared like all. */
settings settings_default(void);
settings settings_copy(const settings *s);
/* Reads the command line, and the configuration file that it names, over which it goes; of that also the cameras
 * (camera_spec). False when the program is to end with *status: after --help, --version or a sentence. */
bool settings_parse(settings *s, GPtrArray **cameras, int argc, char **argv, int *status);
void settings_clear(settings *s);

/* The properties of resnet18classify that make its engine the server's. */
void settings_describe_engine(const settings *s, GArray *properties);

#endif

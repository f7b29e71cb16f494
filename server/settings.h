/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All that can be set, with its limits: filled from the command line and the environment. */
#ifndef RESNET18_SERVER_SETTINGS_H
#define RESNET18_SERVER_SETTINGS_H

#include <glib.h>
#include <stdbool.h>

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

  char *token;              /* NULL = none asked for */
  char *tls_cert, *tls_key; /* paths, NULL = no TLS */
  gboolean verbose;
  gboolean loop; /* files begin anew at their end */
  char **uris;   /* live sources, NULL-terminated */
} settings;

/* Reads the command line. False when the program is to end with *status: after --help, --version or a sentence. */
bool settings_parse(settings *s, int argc, char **argv, int *status);
void settings_clear(settings *s);

#endif

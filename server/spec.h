/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What one camera is to be: plain data, made of the configuration file or of a URI of the command line. */
#ifndef RESNET18_SERVER_SPEC_H
#define RESNET18_SERVER_SPEC_H

#include "supervision.h"

#include <glib.h>
#include <stdbool.h>

/* Of a GStreamer element, as text. */
typedef struct {
  const char *name; /* static */
  char *value;
} spec_property;

/* A resnet18publish. */
typedef struct {
  char *name;
  GArray *properties; /* spec_property */
} spec_target;

typedef struct {
  char *name; /* unique among all cameras */
  char *uri;
  GArray *classify;   /* spec_property of resnet18classify */
  bool has_model;     /* else the server's own is to be added */
  GPtrArray *targets; /* spec_target */
  char *transport;    /* of RTSP, as rtspsrc's protocols; NULL = its own */
  int latency;        /* of RTSP, in milliseconds; -1 = its own */
  bool loop;          /* a file begins anew at its end */
  supervision supervision;
} camera_spec;

camera_spec *camera_spec_new(const char *name);
void camera_spec_free(camera_spec *spec);
bool camera_spec_equal(const camera_spec *a, const camera_spec *b);

/* Copies `value`; one that is set already is replaced. */
void spec_set(GArray *properties, const char *name, const char *value);
/* The target that was added. */
spec_target *camera_spec_add_target(camera_spec *spec, const char *name);

/* The URI of a file's name, which is relative to the folder `base`, or to the working directory where that is NULL; a
 * URI stays as it is. Free with g_free. */
char *spec_uri(const char *word, const char *base);

#endif

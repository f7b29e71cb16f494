/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of the running server, which handlers of requests reach with request_server. */
#ifndef RESNET18_SERVER_SERVER_H
#define RESNET18_SERVER_SERVER_H

#include "classifier.h"
#include "decoder.h"
#include "http.h"
#include "live.h"
#include "settings.h"

typedef struct server {
  settings settings;
  classifier *classifier;
  decoder *decoder;
  live *live;
  http *http;
  gint64 started; /* wall clock, in microseconds */
  int ready;      /* atomic: all parts run and none is being stopped */
} server;

#endif

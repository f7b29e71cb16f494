/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The live sources of the command line: their thread, their list, and their pictures over HTTP. */
#ifndef RESNET18_SERVER_LIVE_H
#define RESNET18_SERVER_LIVE_H

#include "http.h"

typedef struct live live;

/* Their thread starts GStreamer and the pipelines; nothing waits for that. */
live *live_new(const settings *s);
/* Before the end of the HTTP daemon, after its connections were drained. */
void live_stop(live *l);
void live_free(live *l);

extern const route live_routes[];

#endif

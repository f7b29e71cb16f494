/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The live sources of the command line and the configuration file: their list, and their pictures over HTTP. */
#ifndef RESNET18_SERVER_LIVE_H
#define RESNET18_SERVER_LIVE_H

#include "http.h"
#include "settings.h"

typedef struct live live;

/* Takes `cameras`, a list of camera_spec or NULL. A thread starts GStreamer and the cameras; nothing waits for that.
 * NULL if it cannot be created, which was said. */
live *live_new(const settings *s, GPtrArray *cameras);
/* Cameras of the configuration file that are as before go on untouched; those that are gone are stopped, those that are
 * new or have changed are started. Takes `cameras`. From one thread. */
void live_reload(live *l, GPtrArray *cameras);
/* What is counted of the cameras; appended. */
void live_append_metrics(live *l, GString *text);
/* Before the end of the HTTP daemon, after its connections were drained. False: a camera has not ended in time. */
bool live_stop(live *l);
void live_free(live *l);

extern const route live_routes[];

#endif

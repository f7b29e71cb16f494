/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GET /events: server-sent events. The newest are kept for all, so that a reader costs no memory; one that falls behind
 * by more than that is cut. */
#ifndef RESNET18_SERVER_EVENTS_H
#define RESNET18_SERVER_EVENTS_H

#include "http.h"

#include <glib.h>

/* `data`: one line of JSON, copied. From any thread. */
void events_publish(const char *name, const char *data);
/* A comment to all, so that connections of readers that are gone are noticed. */
void events_keep_alive(void);

void events_handle(request *r);

#endif

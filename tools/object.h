/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading a NATS object store (NATS architecture decision record 20). */
#ifndef RESNET18_TOOLS_OBJECT_H
#define RESNET18_TOOLS_OBJECT_H

#include "queue.h"

enum { OBJECT_MAX_BYTES = 256 << 20 };

/* `key`: "bucket/name". The object's bytes, checked against its digest. NULL with *error on failure. */
GBytes *object_read(queue *q, const char *key, GError **error);

#endif

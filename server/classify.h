/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* POST /classify. */
#ifndef RESNET18_SERVER_CLASSIFY_H
#define RESNET18_SERVER_CLASSIFY_H

#include "http.h"

void classify_handle(request *r);

/* Looks at encoded bytes as far as a header goes. 0, or the status that `reason` goes with. */
unsigned classify_check(const settings *s, const uint8_t *data, size_t size, int *kind, char *reason, size_t room);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes of the KServe v2 protocol but for the server's health. */
#ifndef RESNET18_SERVER_KSERVE_H
#define RESNET18_SERVER_KSERVE_H

#include "http.h"

#include <stdbool.h>

/* Starts the threads that read requests and write answers, before the first one comes. False after a sentence on
 * standard error. */
bool kserve_start(void);
/* When no handler runs any more. */
void kserve_stop(void);

/* Ended by a route without a method. */
extern const route kserve_routes[];

#endif

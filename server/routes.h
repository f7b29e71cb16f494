/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is where. */
#ifndef RESNET18_SERVER_ROUTES_H
#define RESNET18_SERVER_ROUTES_H

#include "http.h"

/* The tables of all parts, and a NULL. A part adds its own with a line in routes.c. */
extern const route *const route_tables[];

#endif

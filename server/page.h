/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The page and the description of the interface, as they were embedded. */
#ifndef RESNET18_SERVER_PAGE_H
#define RESNET18_SERVER_PAGE_H

#include "http.h"

/* Ended by a route without a method. */
extern const route page_routes[];

#endif

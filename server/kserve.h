/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes of the KServe v2 protocol but for the server's health. */
#ifndef RESNET18_SERVER_KSERVE_H
#define RESNET18_SERVER_KSERVE_H

#include "http.h"

/* Ended by a route without a method. */
extern const route kserve_routes[];

#endif

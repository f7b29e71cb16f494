/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resnet18-server health. */
#ifndef RESNET18_SERVER_HEALTH_H
#define RESNET18_SERVER_HEALTH_H

#include "settings.h"

/* Asks the server at the settings' address whether it is ready. The exit status; a sentence if it is not 0. */
int health_main(const settings *s);

#endif

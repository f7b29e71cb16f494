/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SIGHUP: the configuration file is read again. */
#ifndef RESNET18_SERVER_RELOAD_H
#define RESNET18_SERVER_RELOAD_H

#include "server.h"

/* With the command line of the start. A file that is wrong changes nothing; what is wrong, and what cannot change while
 * the server runs, is said on standard error. */
void reload(server *s, int argc, char **argv);
/* How often that went well or not; appended. */
void reload_append_metrics(GString *text);

#endif

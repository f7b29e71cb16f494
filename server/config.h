/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The configuration file: settings of the server, models, targets and cameras (docs/fleet.md). */
#ifndef RESNET18_SERVER_CONFIG_H
#define RESNET18_SERVER_CONFIG_H

#include "settings.h"
#include "spec.h"

/* NULL when the file is good: then what it sets is in *s, whose strings that it replaces are freed, and *cameras holds
 * a camera_spec for each camera. Files that it names must be there. Else one line for each thing that is wrong, and
 * nothing has changed. Free both. */
char *config_read(const char *path, settings *s, GPtrArray **cameras);
/* The same for a text, which is taken for the contents of `path`, without a look at the files that it names. */
char *config_parse(const char *path, const char *text, size_t size, settings *s, GPtrArray **cameras);

#endif

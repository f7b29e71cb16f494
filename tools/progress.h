/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One line on the terminal that says how far long work has come. */
#ifndef RESNET18_TOOLS_PROGRESS_H
#define RESNET18_TOOLS_PROGRESS_H

#include <glib.h>

/* Replaces the line, a few times a second at most. Does nothing where stderr is not a terminal, or where results
 * appear on the same terminal. */
void progress_show(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Takes the line away, before something else is printed. */
void progress_clear(void);

#endif

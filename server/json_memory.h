/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory of jansson. Where some is refused, a list or an object lacks what could not be added, and nobody says so; an
 * answer made of it must not be given. */
#ifndef RESNET18_SERVER_JSON_MEMORY_H
#define RESNET18_SERVER_JSON_MEMORY_H

#include <stdbool.h>

/* Before the first use of jansson. */
void json_memory_watch(void);
/* Whether memory was refused to the calling thread since it asked last. */
bool json_memory_lacked(void);

#endif

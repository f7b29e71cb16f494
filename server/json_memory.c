/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What jansson asks the system for. */
#include "json_memory.h"

#include <jansson.h>
#include <stdlib.h>

static _Thread_local bool lacked;

static void *allocate(size_t size) {
  void *block = malloc(size);
  lacked |= block == NULL;
  return block;
}

void json_memory_watch(void) {
  json_set_alloc_funcs(allocate, free);
}

bool json_memory_lacked(void) {
  const bool result = lacked;
  lacked = false;
  return result;
}

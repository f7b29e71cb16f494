/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The mock cluster of librdkafka as a program: prints its location, and ends after a line on standard input, for which
 * it prints all messages that it has. */
#include "servers.h"

#include <stdio.h>

int main(void) {
  World *world = kafka_kind.begin(NULL);
  gchar *location = kafka_kind.location(world);
  printf("%s\n", location);
  fflush(stdout);
  if (getchar() != EOF) {
    GPtrArray *lines = kafka_kind.read(world);
    for (guint i = 0; i < lines->len; i++)
      printf("%s\n", (const gchar *)lines->pdata[i]);
    g_ptr_array_unref(lines);
  }
  kafka_kind.end(world);
  g_free(location);
  return 0;
}

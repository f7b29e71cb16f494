/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs that a test starts live no longer than it does: they end with their standard input. */
#ifndef TESTS_END_OF_INPUT_H
#define TESTS_END_OF_INPUT_H

#include <glib.h>

static gboolean end_of_input_seen(GIOChannel *channel, GIOCondition condition, gpointer loop) {
  gchar byte;
  gsize got = 0;
  if (g_io_channel_read_chars(channel, &byte, 1, &got, NULL) == G_IO_STATUS_NORMAL)
    return G_SOURCE_CONTINUE;
  g_main_loop_quit(loop);
  return G_SOURCE_REMOVE;
}

/* The loop must live as long as the default context runs. */
static inline void quit_at_end_of_input(GMainLoop *loop) {
  GIOChannel *input = g_io_channel_unix_new(0);
  g_io_add_watch(input, G_IO_IN | G_IO_HUP | G_IO_ERR, end_of_input_seen, loop);
  g_io_channel_unref(input);
}

#endif

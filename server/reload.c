/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading the configuration file again. */
#include "reload.h"

#include "metrics.h"

#include <stdio.h>

static unsigned done, refused; /* atomic */
static int failed;             /* atomic: the last one */

/* Cameras follow the file; all else is as it was at the start. */
static void name_fixed(const settings *now, const settings *file) {
  for (const setting *row = settings_table; row->field.name; row++)
    if (!settings_same(now, file, row))
      fprintf(stderr, "resnet18-server: %s: %s stays as it is until the server is started anew\n", now->config,
              row->field.name);
  if (g_strcmp0(now->token, file->token) != 0)
    fprintf(stderr, "resnet18-server: %s: the token stays as it is until the server is started anew\n", now->config);
}

void reload(server *s, int argc, char **argv) {
  settings fresh;
  GPtrArray *cameras = NULL;
  int status;
  const bool good = settings_parse(&fresh, &cameras, argc, argv, &status) && cameras;
  __atomic_store_n(&failed, !good, __ATOMIC_RELAXED);
  __atomic_add_fetch(good ? &done : &refused, 1, __ATOMIC_RELAXED);
  if (good) {
    name_fixed(&s->settings, &fresh);
    const guint count = cameras->len;
    live_reload(s->live, g_steal_pointer(&cameras));
    fprintf(stderr, "resnet18-server: %s is read again: %u camera%s\n", s->settings.config, count,
            count == 1 ? "" : "s");
  } else {
    fprintf(stderr, "resnet18-server: %s is wrong, nothing has changed\n", s->settings.config);
  }
  if (cameras)
    g_ptr_array_unref(cameras);
  settings_clear(&fresh);
}

void reload_append_metrics(GString *text) {
  metrics_append_head(text, "resnet18_config_reloads_total", "counter", "Configuration files read again, by result.");
  g_string_append_printf(text,
                         "resnet18_config_reloads_total{result=\"done\"} %u\n"
                         "resnet18_config_reloads_total{result=\"refused\"} %u\n",
                         __atomic_load_n(&done, __ATOMIC_RELAXED), __atomic_load_n(&refused, __ATOMIC_RELAXED));
  metrics_append_one(text, "resnet18_config_last_reload_successful", "gauge",
                     "Whether the cameras are as the configuration file said when it was last read.", NULL,
                     !__atomic_load_n(&failed, __ATOMIC_RELAXED));
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the default weights are: named by the environment, the user's, the installation's. */
#include "locate.h"

#include "error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char weights_name[] = "resnet18/resnet18.safetensors";

/* `variable` unless it is unset or empty. A program that runs with somebody else's rights must not be led to a file by
 * the environment. */
static const char *environment(const char *variable) {
  const char *value = secure_getenv(variable);
  return value && *value ? value : NULL;
}

/* folder/below/weights_name if there is such a file; a file that cannot be reached is there, so that opening it says
 * why. */
static resnet18_status look_below(const char *folder, const char *below, char **path, resnet18_error *error) {
  size_t room = strlen(folder) + strlen(below) + sizeof weights_name + 2;
  char *candidate = malloc(room);
  if (!candidate)
    return r18_fail_memory(error, room);
  snprintf(candidate, room, "%s%s/%s", folder, below, weights_name);
  if (access(candidate, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
    free(candidate);
    return RESNET18_OK;
  }
  *path = candidate;
  return RESNET18_OK;
}

resnet18_status r18_locate_weights(char **path, resnet18_error *error) {
  const char *named = environment("RESNET18_WEIGHTS"), *data = environment("XDG_DATA_HOME"),
             *home = environment("HOME");
  resnet18_status status = RESNET18_OK;
  *path = NULL;
  if (named) {
    *path = strdup(named);
    return *path ? RESNET18_OK : r18_fail_memory(error, strlen(named) + 1);
  }
  /* XDG Base Directory Specification: a relative path is to be ignored. */
  if (data && data[0] == '/')
    status = look_below(data, "", path, error);
  else if (home)
    status = look_below(home, "/.local/share", path, error);
  if (!status && !*path)
    status = look_below(R18_DATADIR, "", path, error);
  return status;
}

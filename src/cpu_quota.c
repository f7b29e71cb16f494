/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CPU quotas of control groups, both versions. A process may see its own group as the root of the tree (a container),
 * or be given a path that is not there; what cannot be read sets no limit. */
#include "cpu_quota.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first line of a small file of /proc or /sys. */
static bool read_line(const char *path, char *line, size_t size) {
  FILE *file = fopen(path, "re");
  if (!file)
    return false;
  bool good = fgets(line, (int)size, file) != NULL;
  fclose(file);
  return good;
}

/* Whole processors; 0 = no limit. */
static unsigned processors(long long quota, long long period) {
  if (quota <= 0 || period <= 0)
    return 0;
  const long long whole = quota / period;
  return whole < 1 ? 1 : whole < UINT_MAX ? (unsigned)whole : 0;
}

/* cpu.max: "QUOTA PERIOD", microseconds, or "max PERIOD". */
static unsigned group_v2(const char *directory) {
  char path[PATH_MAX], line[64];
  long long quota, period;
  snprintf(path, sizeof path, "%s/cpu.max", directory);
  if (!read_line(path, line, sizeof line) || sscanf(line, "%lld %lld", &quota, &period) != 2)
    return 0;
  return processors(quota, period);
}

/* cpu.cfs_quota_us: -1 = no limit. */
static unsigned group_v1(const char *directory) {
  char path[PATH_MAX], quota[32], period[32];
  snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", directory);
  if (!read_line(path, quota, sizeof quota))
    return 0;
  snprintf(path, sizeof path, "%s/cpu.cfs_period_us", directory);
  if (!read_line(path, period, sizeof period))
    return 0;
  return processors(strtoll(quota, NULL, 10), strtoll(period, NULL, 10));
}

/* The tightest limit from group `path` ("/a/b") up to the root of the tree at `mount`. */
static unsigned tightest(const char *mount, char *path, unsigned (*group)(const char *), unsigned limit) {
  char directory[PATH_MAX];
  for (;;) {
    snprintf(directory, sizeof directory, "%s%s", mount, path);
    const unsigned quota = group(directory);
    if (quota && quota < limit)
      limit = quota;
    char *slash = strrchr(path, '/');
    if (!slash)
      return limit;
    *slash = '\0';
  }
}

/* Whether `name` is one of a list with commas. */
static bool lists(const char *list, const char *name) {
  const size_t length = strlen(name);
  for (; list; list = strchr(list, ','), list = list ? list + 1 : NULL)
    if (strncmp(list, name, length) == 0 && (list[length] == ',' || list[length] == '\0'))
      return true;
  return false;
}

/* A line of /proc/self/cgroup, "NUMBER:CONTROLLERS:PATH"; version 2 has number 0 and no controllers. */
static unsigned line_limit(const char *root, char *line, unsigned limit) {
  char mount[PATH_MAX], *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
  if (!path)
    return limit;
  *controllers++ = '\0';
  *path++ = '\0';
  path[strcspn(path, "\n")] = '\0';
  const bool v2 = strcmp(line, "0") == 0;
  if (!v2 && !lists(controllers, "cpu"))
    return limit;
  snprintf(mount, sizeof mount, v2 ? "%s/sys/fs/cgroup" : "%s/sys/fs/cgroup/cpu", root);
  return tightest(mount, path, v2 ? group_v2 : group_v1, limit);
}

unsigned r18_cpu_quota(const char *root, unsigned limit) {
  char line[PATH_MAX];
  snprintf(line, sizeof line, "%s/proc/self/cgroup", root);
  FILE *file = fopen(line, "re");
  while (file && fgets(line, sizeof line, file))
    limit = line_limit(root, line, limit);
  if (file)
    fclose(file);
  return limit < 1 ? 1 : limit;
}

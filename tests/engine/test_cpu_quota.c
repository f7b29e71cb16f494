/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How many processors may be used: affinity, and the quotas of control groups in a tree of files made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cpu_quota.h"
#include "resnet18.h"

enum { PROCESSORS = 16, MOST_FILES = 5 };

typedef struct {
  const char *path, *content;
} file;

static const struct {
  const char *what;
  file files[MOST_FILES];
  unsigned expected;
} cases[] = {
    {"nothing is there", {{0}}, PROCESSORS},
    {"version 2, no limit", {{"proc/self/cgroup", "0::/\n"}, {"sys/fs/cgroup/cpu.max", "max 100000\n"}}, PROCESSORS},
    {"version 2, four", {{"proc/self/cgroup", "0::/\n"}, {"sys/fs/cgroup/cpu.max", "400000 100000\n"}}, 4},
    {"version 2, one and a half is one",
     {{"proc/self/cgroup", "0::/\n"}, {"sys/fs/cgroup/cpu.max", "150000 100000\n"}},
     1},
    {"version 2, less than one is one",
     {{"proc/self/cgroup", "0::/\n"}, {"sys/fs/cgroup/cpu.max", "20000 100000\n"}},
     1},
    {"version 2, more than there are",
     {{"proc/self/cgroup", "0::/\n"}, {"sys/fs/cgroup/cpu.max", "6400000 100000\n"}},
     PROCESSORS},
    {"version 2, another period", {{"proc/self/cgroup", "0::/\n"}, {"sys/fs/cgroup/cpu.max", "30000 10000\n"}}, 3},
    {"version 2, the group's own",
     {{"proc/self/cgroup", "0::/a/b.service\n"},
      {"sys/fs/cgroup/a/b.service/cpu.max", "200000 100000\n"},
      {"sys/fs/cgroup/a/cpu.max", "800000 100000\n"}},
     2},
    {"version 2, the one above is tighter",
     {{"proc/self/cgroup", "0::/a/b.service\n"},
      {"sys/fs/cgroup/a/b.service/cpu.max", "max 100000\n"},
      {"sys/fs/cgroup/a/cpu.max", "300000 100000\n"}},
     3},
    {"version 2, another group's",
     {{"proc/self/cgroup", "0::/a\n"}, {"sys/fs/cgroup/b/cpu.max", "200000 100000\n"}},
     PROCESSORS},
    {"version 2, the path lies outside of the container's tree",
     {{"proc/self/cgroup", "0::/../../other\n"}, {"sys/fs/cgroup/cpu.max", "500000 100000\n"}},
     5},
    {"version 2, no numbers", {{"proc/self/cgroup", "0::/\n"}, {"sys/fs/cgroup/cpu.max", "many\n"}}, PROCESSORS},
    {"version 2, zeros", {{"proc/self/cgroup", "0::/\n"}, {"sys/fs/cgroup/cpu.max", "0 0\n"}}, PROCESSORS},
    {"version 2, an empty file", {{"proc/self/cgroup", "0::/\n"}, {"sys/fs/cgroup/cpu.max", ""}}, PROCESSORS},
    {"version 1, no limit",
     {{"proc/self/cgroup", "2:cpu,cpuacct:/\n1:name=systemd:/\n"},
      {"sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"},
      {"sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"}},
     PROCESSORS},
    {"version 1, two, seen from a container",
     {{"proc/self/cgroup", "7:cpuset:/\n2:cpuacct,cpu:/docker/0123\n"},
      {"sys/fs/cgroup/cpu/cpu.cfs_quota_us", "250000\n"},
      {"sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"}},
     2},
    {"version 1, the group's own",
     {{"proc/self/cgroup", "2:cpu:/a/b\n"},
      {"sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us", "300000\n"},
      {"sys/fs/cgroup/cpu/a/b/cpu.cfs_period_us", "100000\n"}},
     3},
    {"version 1, a group of another controller",
     {{"proc/self/cgroup", "3:cpuset:/a\n2:cpu:/\n"},
      {"sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "100000\n"},
      {"sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n"}},
     PROCESSORS},
    {"version 1, no period",
     {{"proc/self/cgroup", "2:cpu:/\n"}, {"sys/fs/cgroup/cpu/cpu.cfs_quota_us", "300000\n"}},
     PROCESSORS},
    {"both versions, the tighter",
     {{"proc/self/cgroup", "2:cpu:/\n0::/u\n"},
      {"sys/fs/cgroup/cpu/cpu.cfs_quota_us", "400000\n"},
      {"sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"},
      {"sys/fs/cgroup/u/cpu.max", "200000 100000\n"}},
     2},
    {"lines without meaning", {{"proc/self/cgroup", "0\n:\n\n::\nx:cpu\n"}}, PROCESSORS},
};

static void write_file(const char *root, const file *f) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%s", root, f->path);
  for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
    *slash = '\0';
    mkdir(path, 0700);
  }
  FILE *out = fopen(path, "w");
  assert_non_null(out);
  assert_true(fputs(f->content, out) >= 0);
  assert_int_equal(fclose(out), 0);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *at) {
  return remove(path);
}

static void quotas(void **state) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char root[] = "/tmp/resnet18-quota-XXXXXX";
    assert_non_null(mkdtemp(root));
    for (unsigned f = 0; f < MOST_FILES && cases[i].files[f].path; f++)
      write_file(root, &cases[i].files[f]);
    const unsigned found = r18_cpu_quota(root, PROCESSORS);
    nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    if (found != cases[i].expected)
      fail_msg("%s: %u processors, not %u", cases[i].what, found, cases[i].expected);
  }
}

static void one_is_the_least(void **state) {
  assert_int_equal(r18_cpu_quota("/nonexistent", 0), 1);
}

static void count_follows_the_affinity(void **state) {
  cpu_set_t all, one;
  assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
  const unsigned count = resnet18_cpu_count();
  assert_int_equal(count, r18_cpu_quota("", (unsigned)CPU_COUNT(&all)));
  CPU_ZERO(&one);
  for (int i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
    if (CPU_ISSET(i, &all))
      CPU_SET(i, &one);
  assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
  assert_int_equal(resnet18_cpu_count(), 1);
  assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
  assert_int_equal(resnet18_cpu_count(), count);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(quotas),
      cmocka_unit_test(one_is_the_least),
      cmocka_unit_test(count_follows_the_affinity),
  };
  return cmocka_run_group_tests_name("processors to use", tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The worker team: every part runs once a job, barriers hold, sleeping workers wake. */
#include "threads.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

enum { JOBS = 2000, ROUNDS = 5 };

struct tally {
  r18_team *team;
  atomic_uint runs[8];
  unsigned round_of[8]; /* plain on purpose: the barrier must make it visible */
  atomic_uint wrong;
};

static void job(void *data, unsigned part, unsigned parts) {
  struct tally *tally = data;
  tally->runs[part]++;
  for (unsigned round = 1; round <= ROUNDS; round++) {
    tally->round_of[part] = round;
    r18_team_barrier(tally->team);
    for (unsigned i = 0; i < parts; i++)
      tally->wrong += tally->round_of[i] != round;
    r18_team_barrier(tally->team);
  }
}

static void parts_run_once_and_barriers_hold(void **state) {
  for (unsigned threads = 1; threads <= 8; threads++) {
    struct tally tally = {0};
    assert_int_equal(r18_team_new(threads, &tally.team, NULL), RESNET18_OK);
    const unsigned jobs = threads <= 2 ? JOBS : JOBS / 20; /* more threads than processors: every barrier sleeps */
    for (unsigned i = 0; i < jobs; i++) {
      r18_team_run(tally.team, job, &tally);
      if (i % 100 == 50)
        usleep(2000); /* long enough for the workers to fall asleep */
    }
    for (unsigned i = 0; i < threads; i++)
      assert_int_equal(tally.runs[i], jobs);
    assert_int_equal(tally.wrong, 0);
    r18_team_free(tally.team);
  }
}

static void sizes_are_checked(void **state) {
  r18_team *team;
  resnet18_error error;
  assert_int_equal(r18_team_new(0, &team, &error), RESNET18_ERROR_ARGUMENT);
  assert_null(team);
  assert_int_equal(r18_team_new(65, &team, &error), RESNET18_ERROR_ARGUMENT);
  assert_string_equal(error.message, "threads is 65, must be 1 to 64");
  r18_team_free(NULL);
}

static void a_team_that_never_ran_can_be_freed(void **state) {
  r18_team *team;
  for (int i = 0; i < 50; i++) {
    assert_int_equal(r18_team_new(4, &team, NULL), RESNET18_OK);
    r18_team_free(team);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parts_run_once_and_barriers_hold),
      cmocka_unit_test(sizes_are_checked),
      cmocka_unit_test(a_team_that_never_ran_can_be_freed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

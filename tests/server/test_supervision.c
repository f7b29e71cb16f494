/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The promised times of the watchdog and of the pauses before a camera is begun again. */
#include "supervision.h"

#include "spec.h"

#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const supervision patient = {RETRY_PATIENT, NO_FRAME_TIMEOUT}, quick = {RETRY_QUICK, NO_FRAME_TIMEOUT};

/* Whole milliseconds, which can be compared. */
static int ms(double seconds) {
  return (int)(seconds * 1000 + 0.5);
}

static void a_patient_one_waits_longer_and_longer(void **state) {
  static const int promised[] = {1, 1, 1, 1, 1, 5, 5, 5, 5, 5, 10, 10, 10};
  for (unsigned i = 0; i < G_N_ELEMENTS(promised); i++)
    assert_int_equal(ms(supervision_pause(&patient, i)), promised[i] * 1000);
  assert_int_equal(ms(supervision_pause(&patient, UINT32_MAX)), 10000);
}

static void a_quick_one_never_waits_long(void **state) {
  static const int promised[] = {1, 1, 1, 1, 1, 2, 2, 2};
  for (unsigned i = 0; i < G_N_ELEMENTS(promised); i++)
    assert_int_equal(ms(supervision_pause(&quick, i)), promised[i] * 1000);
  assert_int_equal(ms(supervision_pause(&quick, UINT32_MAX)), 2000);
}

/* The longest time that a quick one lets pass between two packets which ask for a connection: TCP sends them at the
 * start of an attempt and 1, 3 and 7 s later. */
static void a_quick_one_asks_often(void **state) {
  static const int sent[] = {0, 1000, 3000, 7000};
  int now = 0, last = 0, longest = 0;
  for (unsigned attempt = 0; attempt < 20; attempt++) {
    const int answer = ms(supervision_answer(&quick, attempt));
    for (size_t i = 0; i < G_N_ELEMENTS(sent) && sent[i] < answer; i++) {
      longest = MAX(longest, now + sent[i] - last);
      last = now + sent[i];
    }
    now += answer + ms(supervision_pause(&quick, attempt));
  }
  assert_int_equal(longest, 4000);
}

static void a_slow_answer_is_waited_for(void **state) {
  assert_true(ms(supervision_answer(&quick, 1)) >= 9000);
  for (unsigned attempt = 0; attempt < 4; attempt++)
    assert_in_range(ms(supervision_answer(&patient, attempt)), 9000, NO_FRAME_TIMEOUT * 1000 - 1);
}

static void a_patient_one_is_lost_after_the_timeout(void **state) {
  static const double rates[] = {0, 0.01, 1, 10, 25, 1000};
  const supervision minute = {RETRY_PATIENT, 60};
  for (size_t i = 0; i < G_N_ELEMENTS(rates); i++) {
    assert_int_equal(ms(supervision_silence(&patient, rates[i])), 20000);
    assert_int_equal(ms(supervision_silence(&minute, rates[i])), 60000);
  }
}

static void a_quick_one_is_lost_after_ten_frames(void **state) {
  static const struct {
    double timeout, rate;
    int wanted;
  } cases[] = {
      {20, 0, 20000}, {20, 0.1, 20000}, {20, 0.5, 20000}, {20, 1, 10000},   {20, 2.5, 4000},
      {20, 25, 3000}, {20, 1e6, 3000},  {60, 0, 60000},   {60, 0.5, 20000}, {5, 0, 5000},
      {5, 1, 5000},   {5, 25, 3000},    {3, 25, 3000},    {3, 0.1, 3000},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    const supervision s = {RETRY_QUICK, cases[i].timeout};
    assert_int_equal(ms(supervision_silence(&s, cases[i].rate)), cases[i].wanted);
  }
}

static void twenty_seconds_of_frames_are_healthy(void **state) {
  assert_false(supervision_is_healthy(0));
  assert_false(supervision_is_healthy(20));
  assert_true(supervision_is_healthy(20.5));
}

static void a_camera_is_patient_unless_it_says_otherwise(void **state) {
  camera_spec *spec = camera_spec_new("door");
  assert_int_equal(spec->supervision.manner, RETRY_PATIENT);
  assert_int_equal(ms(spec->supervision.no_frame_timeout), 20000);
  camera_spec_free(spec);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_patient_one_waits_longer_and_longer),
      cmocka_unit_test(a_quick_one_never_waits_long),
      cmocka_unit_test(a_quick_one_asks_often),
      cmocka_unit_test(a_slow_answer_is_waited_for),
      cmocka_unit_test(a_patient_one_is_lost_after_the_timeout),
      cmocka_unit_test(a_quick_one_is_lost_after_ten_frames),
      cmocka_unit_test(twenty_seconds_of_frames_are_healthy),
      cmocka_unit_test(a_camera_is_patient_unless_it_says_otherwise),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each thing that libresnet18 asks of the system fails once: every allocation, thread, file that is opened, read,
 * written, closed or renamed. What comes of it is an error with a reason and nothing else: nothing stays allocated,
 * mapped, open or running, no file is left behind or half-written, and the same call works the next time.
 *
 *     test_faults WEIGHTS CALIBRATION CHECKPOINT OLD-CHECKPOINT [FIRST-WORD...]     only operations that begin so */
#include "faults.h"

#include "../engine/plain_gemm.h"
#include "../loading/files.h"
#include "blas.h"
#include "model.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { CLASSES = 1000 };

static const char *weights, *calibration, *checkpoint, *old_checkpoint;
static char beside[512]; /* a link to the weights, with their calibration beside it */
static char int8_weights[512], own_labels[512], output[512];
static resnet18_model *model; /* built in */
static uint8_t picture[RESNET18_RGB_BYTES];

/* ---- What is tried -------------------------------------------------------------------------------------- */

static resnet18_status load(const char *path, resnet18_error *error) {
  resnet18_model *loaded;
  resnet18_status status = resnet18_model_load(path, &loaded, error);
  assert_true((loaded == NULL) == (status != RESNET18_OK));
  resnet18_model_unref(loaded);
  return status;
}

static resnet18_status load_safetensors(resnet18_error *error) {
  return load(weights, error);
}

static resnet18_status load_checkpoint(resnet18_error *error) {
  return load(checkpoint, error);
}

static resnet18_status load_old_checkpoint(resnet18_error *error) {
  return load(old_checkpoint, error);
}

static resnet18_status load_int8(resnet18_error *error) {
  return load(int8_weights, error);
}

static resnet18_status load_builtin(resnet18_error *error) {
  return load(NULL, error);
}

static resnet18_status load_on(fault_system kind, resnet18_error *error) {
  fault_set_system(kind);
  const resnet18_status status = load(weights, error);
  fault_set_system(FAULT_MEMORY_FILES);
  return status;
}

static resnet18_status load_without_memory_files(resnet18_error *error) {
  return load_on(FAULT_NO_MEMORY_FILES, error);
}

static resnet18_status load_with_old_memory_files(resnet18_error *error) {
  return load_on(FAULT_OLD_MEMORY_FILES, error);
}

static resnet18_status load_named(resnet18_error *error) {
  setenv("RESNET18_WEIGHTS", weights, 1);
  resnet18_status status = load(NULL, error);
  unsetenv("RESNET18_WEIGHTS");
  return status;
}

static resnet18_status load_calibrated(resnet18_error *error) {
  resnet18_model *loaded;
  resnet18_status status = r18_model_load_calibrated(weights, calibration, &loaded, error);
  resnet18_model_unref(loaded);
  return status;
}

static resnet18_status load_labels_from(const char *path, resnet18_error *error) {
  resnet18_labels *labels;
  resnet18_status status = resnet18_labels_load(path, CLASSES, &labels, error);
  assert_true((labels == NULL) == (status != RESNET18_OK));
  resnet18_labels_unref(labels);
  return status;
}

static resnet18_status load_labels(resnet18_error *error) {
  return load_labels_from(own_labels, error);
}

static resnet18_status load_builtin_labels(resnet18_error *error) {
  return load_labels_from(NULL, error);
}

/* From the weights to the logits. */
static resnet18_status classify(resnet18_session_options options, resnet18_error *error) {
  static float logits[CLASSES];
  resnet18_session *session;
  resnet18_status status = resnet18_session_new(model, &options, &session, error);
  assert_true((session == NULL) == (status != RESNET18_OK));
  if (!status)
    status = resnet18_session_run(session, picture, 1, logits, error);
  resnet18_session_free(session);
  return status;
}

static resnet18_status classify_in_floats(resnet18_error *error) {
  return classify((resnet18_session_options){.precision = RESNET18_PRECISION_FP32, .threads = 1}, error);
}

static resnet18_status classify_in_int8(resnet18_error *error) {
  return classify((resnet18_session_options){.precision = RESNET18_PRECISION_INT8, .threads = 1}, error);
}

static resnet18_status classify_together(resnet18_error *error) {
  return classify((resnet18_session_options){.threads = 4, .max_batch = 3, .keep_layers = true}, error);
}

/* int8 that is made of floats. */
static resnet18_status quantize(resnet18_error *error) {
  resnet18_model *loaded;
  resnet18_session *session = NULL;
  const resnet18_session_options options = {.precision = RESNET18_PRECISION_INT8, .threads = 1};
  resnet18_status status = r18_model_load_calibrated(weights, calibration, &loaded, error);
  if (!status)
    status = resnet18_session_new(loaded, &options, &session, error);
  resnet18_session_free(session);
  resnet18_model_unref(loaded);
  return status;
}

static resnet18_status prepare(resnet18_format format, bool exact, uint32_t width, uint32_t height,
                               resnet18_error *error) {
  const resnet18_image_info info = {.format = format, .width = width, .height = height, .full_range = true};
  const resnet18_preprocess_options options = {.exact = exact};
  resnet18_preprocessor *preprocessor;
  resnet18_status status = resnet18_preprocessor_new(&info, &options, &preprocessor, error);
  assert_true((preprocessor == NULL) == (status != RESNET18_OK));
  resnet18_preprocessor_free(preprocessor);
  return status;
}

static resnet18_status prepare_rgb(resnet18_error *error) {
  return prepare(RESNET18_FORMAT_RGB, false, 640, 480, error);
}

static resnet18_status prepare_exactly(resnet18_error *error) {
  return prepare(RESNET18_FORMAT_RGB, true, 640, 480, error);
}

static resnet18_status prepare_yuv(resnet18_error *error) {
  return prepare(RESNET18_FORMAT_I420, false, 1920, 1080, error);
}

/* So wide that the sums need wider integers. */
static resnet18_status prepare_huge(resnet18_error *error) {
  return prepare(RESNET18_FORMAT_NV12, false, 65535, 65535, error);
}

static resnet18_status calibrate(resnet18_error *error) {
  resnet18_calibrator *calibrator;
  resnet18_status status = resnet18_calibrator_new(model, &calibrator, error);
  if (!status)
    status = resnet18_calibrator_add(calibrator, picture, error);
  if (!status)
    status = resnet18_calibrator_write(calibrator, output, error);
  resnet18_calibrator_free(calibrator);
  return status;
}

static resnet18_status import_floats(resnet18_error *error) {
  return resnet18_import(checkpoint, output, error);
}

static resnet18_status import_int8(resnet18_error *error) {
  return resnet18_import_int8(beside, output, error);
}

static resnet18_status import_int8_again(resnet18_error *error) {
  return resnet18_import(int8_weights, output, error);
}

static void note_failed_check(const char *check, bool passed, const char *detail, void *user) {
  if (!passed)
    snprintf(user, sizeof((resnet18_error *)0)->message, "%s: %s", check, detail);
}

/* It has no status: a check that fails says why, but for the memory of the report itself. */
static resnet18_status selftest(resnet18_error *error) {
  *error = (resnet18_error){.message = "no report"};
  if (resnet18_selftest(note_failed_check, error->message) == 0)
    error->message[0] = '\0';
  else
    error->status = strstr(error->message, "could not be created") ? RESNET18_ERROR_SYSTEM : RESNET18_ERROR_MEMORY;
  return error->status;
}

/* An OpenBLAS that cannot be tried is not used. */
static resnet18_status try_blas(resnet18_error *error) {
  *error = (resnet18_error){0};
  if (!r18_gemm_is_right(plain_gemm))
    *error = (resnet18_error){RESNET18_ERROR_MEMORY, "not used"};
  return error->status;
}

typedef struct {
  const char *name;
  resnet18_status (*run)(resnet18_error *error);
  const char *file; /* read or written: named by errors of files; NULL = none, or another tries its faults */
  bool writes;
} operation;

static const operation operations[] = {
    {"load weights", load_safetensors, "resnet18.", false},
    {"load weights without memory files", load_without_memory_files, "resnet18.", false},
    {"load weights with old memory files", load_with_old_memory_files, "resnet18.", false},
    {"load checkpoint", load_checkpoint, "checkpoint", false},
    {"load checkpoint before zip", load_old_checkpoint, "checkpoint", false},
    {"load int8 weights", load_int8, "int8", false},
    {"load built-in weights", load_builtin, NULL, false},
    {"load weights of the environment", load_named, NULL, false},
    {"load weights and calibration", load_calibrated, "resnet18.", false},
    {"load labels", load_labels, "labels", false},
    {"load built-in labels", load_builtin_labels, NULL, false},
    {"session fp32", classify_in_floats, NULL, false},
    {"session int8", classify_in_int8, NULL, false},
    {"session of four threads", classify_together, NULL, false},
    {"session int8 of floats", quantize, NULL, false},
    {"prepare RGB", prepare_rgb, NULL, false},
    {"prepare RGB exactly", prepare_exactly, NULL, false},
    {"prepare I420", prepare_yuv, NULL, false},
    {"prepare 65535x65535", prepare_huge, NULL, false},
    {"calibrate", calibrate, "out", true},
    {"import checkpoint", import_floats, "/", true},
    {"import as int8", import_int8, "/", true},
    {"import int8", import_int8_again, "/", true},
    {"selftest", selftest, NULL, false},
    {"blas", try_blas, NULL, false},
};

/* ---- How it is tried ------------------------------------------------------------------------------------ */

typedef struct {
  const char *name;
  fault_kind kind;
  fault_manner manner;
  int number;
} fault_case;

static const fault_case faults[] = {
    {"memory", FAULT_MEMORY, FAULT_FAIL, ENOMEM},
    {"thread", FAULT_THREAD, FAULT_FAIL, EAGAIN},
    {"open", FAULT_OPEN, FAULT_FAIL, EMFILE},
    {"stat", FAULT_STAT, FAULT_FAIL, EIO},
    {"read", FAULT_READ, FAULT_FAIL, EIO},
    {"read of a file cut short", FAULT_READ, FAULT_END, 0},
    {"short read", FAULT_READ, FAULT_SHORT, 0},
    {"interrupted read", FAULT_READ, FAULT_INTERRUPTED, EINTR},
    {"full disk", FAULT_WRITE, FAULT_FAIL, ENOSPC},
    {"short write", FAULT_WRITE, FAULT_SHORT, 0},
    {"interrupted write", FAULT_WRITE, FAULT_INTERRUPTED, EINTR},
    {"sync", FAULT_SYNC, FAULT_FAIL, EIO},
    {"close", FAULT_CLOSE, FAULT_FAIL, EIO},
    {"rename", FAULT_RENAME, FAULT_FAIL, EACCES},
    {"no random numbers yet", FAULT_RANDOM, FAULT_INTERRUPTED, EAGAIN},
};

/* Sites where memory was refused, over the whole run. */
static const void *refused[1024];
static unsigned refused_count, tries;

static bool is_no_fault(const fault_case *fault) {
  return fault->manner == FAULT_SHORT || fault->manner == FAULT_INTERRUPTED;
}

static void note_refused(const void *site) {
  for (unsigned i = 0; i < refused_count; i++)
    if (refused[i] == site)
      return;
  if (refused_count < sizeof refused / sizeof *refused)
    refused[refused_count++] = site;
}

/* Threads leave /proc a moment after they were joined. */
static void assert_nothing_kept(const fault_holdings *before, const operation *op, const fault_case *fault,
                                unsigned nth) {
  fault_holdings now = fault_held();
  for (int i = 0; i < 1000 && now.threads != before->threads; i++) {
    usleep(1000);
    now = fault_held();
  }
  if (memcmp(&now, before, sizeof now) != 0)
    fail_msg("%s, %s %u: %ld blocks, %ld bytes mapped, %u files, %u threads; before: %ld, %ld, %u, %u", op->name,
             fault->name, nth, now.blocks, now.mapped, now.descriptors, now.threads, before->blocks, before->mapped,
             before->descriptors, before->threads);
}

static void assert_reason(resnet18_status status, const resnet18_error *error, const operation *op,
                          const fault_case *fault, unsigned nth) {
  const size_t length = strlen(error->message);
  if (error->status != status || length == 0 || strchr(error->message, '\n') || error->message[length - 1] == '.')
    fail_msg("%s, %s %u: status %d and error %d '%s'", op->name, fault->name, nth, status, error->status,
             error->message);
  if (fault->kind == FAULT_THREAD)
    assert_int_equal(status, RESNET18_ERROR_SYSTEM);
  /* realpath says by errno what it lacked. */
  else if (fault->kind == FAULT_MEMORY && status != RESNET18_ERROR_MEMORY && !strstr(error->message, strerror(ENOMEM)))
    fail_msg("%s, %s %u: '%s'", op->name, fault->name, nth, error->message);
  else if (fault->kind > FAULT_THREAD && status != RESNET18_ERROR_MEMORY &&
           (status != RESNET18_ERROR_IO || !strstr(error->message, op->file)))
    fail_msg("%s, %s %u: status %d, '%s'", op->name, fault->name, nth, status, error->message);
}

static const char untouched[] = "what was there before";

static void put_output(void) {
  FILE *file = fopen(output, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(untouched, 1, sizeof untouched, file), sizeof untouched);
  assert_int_equal(fclose(file), 0);
}

/* After a failure the output is what it was, and there is nothing beside it. */
static void assert_output(const operation *op, resnet18_status status, unsigned files) {
  size_t size;
  if (!op->writes)
    return;
  unsigned char *now = read_file(output, &size);
  const bool same = size == sizeof untouched && memcmp(now, untouched, size) == 0;
  free(now);
  assert_int_equal(same, status != RESNET18_OK);
  assert_int_equal(count_files(), files);
}

static void try_once(const operation *op, const fault_case *fault, unsigned nth) {
  resnet18_error error = {RESNET18_OK, ""};
  if (op->writes)
    put_output();
  const unsigned files = count_files();
  const fault_holdings before = fault_held();
  fault_arm(fault->kind, fault->manner, nth, fault->number);
  const resnet18_status status = op->run(&error);
  fault_disarm();
  tries++;
  if (status)
    assert_reason(status, &error, op, fault, nth);
  if (status && is_no_fault(fault))
    fail_msg("%s, %s %u: '%s'", op->name, fault->name, nth, error.message);
  assert_nothing_kept(&before, op, fault, nth);
  assert_output(op, status, files);
}

static unsigned count_calls(const operation *op, const fault_case *fault, const void **sites, unsigned room) {
  resnet18_error error = {RESNET18_OK, ""};
  if (op->writes)
    put_output();
  fault_arm(fault->kind, fault->manner, 0, 0);
  assert_ok(op->run(&error), &error);
  const unsigned calls = fault_disarm();
  for (unsigned i = 0; i < calls && i < room; i++)
    sites[i] = fault_site(i + 1);
  return calls;
}

/* Of calls that the same place in the program makes again and again, the first and the last will do (where
 * R18_TEST_BRIEF is set the first). */
static bool is_one_of_many(const void *const *sites, unsigned calls, unsigned index) {
  unsigned before = 0, after = 0;
  for (unsigned i = 0; i < calls; i++)
    if (sites[i] == sites[index]) {
      before += i < index;
      after += i > index;
    }
  return before >= 1 && (after >= 1 || getenv("R18_TEST_BRIEF"));
}

static void try_fault(const operation *op, const fault_case *fault) {
  enum { ROOM = 4096 };
  static const void *sites[ROOM];
  const unsigned calls = count_calls(op, fault, sites, ROOM);
  assert_true(calls <= ROOM);
  for (unsigned i = 0; i < calls; i++) {
    if (!getenv("RESNET18_LONG_TESTS") && is_one_of_many(sites, calls, i))
      continue;
    if (fault->kind == FAULT_MEMORY)
      note_refused(sites[i]);
    try_once(op, fault, i + 1);
    /* With several threads, fewer calls may come once one has failed; with one, the call is made. */
    assert_true(fault_happened() || strstr(op->name, "threads"));
  }
  if (calls)
    print_message("%s, %s: %u calls\n", op->name, fault->name, calls);
}

static void every_call_fails_once(void **state) {
  const operation *op = *state;
  resnet18_error error = {RESNET18_OK, ""};
  if (op->writes)
    put_output();
  assert_ok(op->run(&error), &error); /* what is made once a process is there */
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
    if (op->file || faults[i].kind <= FAULT_THREAD)
      try_fault(op, &faults[i]);
  if (op->writes)
    put_output();
  assert_ok(op->run(&error), &error);
}

/* ---- The set-up ----------------------------------------------------------------------------------------- */

static void write_labels(const char *path) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  for (int i = 0; i < CLASSES; i++)
    fprintf(file, "class %d\n", i);
  assert_int_equal(fclose(file), 0);
}

static int set_up(void **state) {
  resnet18_error error;
  if (make_folder(state))
    return -1;
  snprintf(beside, sizeof beside, "%s", in_folder("resnet18.safetensors"));
  snprintf(int8_weights, sizeof int8_weights, "%s", in_folder("int8.safetensors"));
  snprintf(own_labels, sizeof own_labels, "%s", in_folder("labels.txt"));
  snprintf(output, sizeof output, "%s", in_folder("out"));
  write_labels(own_labels);
  if (symlink(weights, beside) || symlink(calibration, in_folder("resnet18.safetensors.calibration")))
    return -1;
  if (resnet18_import_int8(beside, int8_weights, &error) || r18_model_load_builtin(&model, &error)) {
    print_error("%s\n", error.message);
    return -1;
  }
  for (size_t i = 0; i < sizeof picture; i++)
    picture[i] = (uint8_t)(i * 7 / 5);
  return 0;
}

static int tear_down(void **state) {
  print_message("%u faults, memory refused at %u places of the program\n", tries, refused_count);
  resnet18_model_unref(model);
  return remove_folder(state);
}

static bool is_wanted(const char *name, int count, char **wanted) {
  for (int i = 0; i < count; i++)
    if (strncmp(name, wanted[i], strlen(wanted[i])) == 0)
      return true;
  return count == 0;
}

int main(int argc, char **argv) {
  enum { OPERATIONS = sizeof operations / sizeof *operations };
  struct CMUnitTest tests[OPERATIONS];
  size_t count = 0;
  if (argc < 5)
    return 2;
  weights = argv[1];
  calibration = argv[2];
  checkpoint = argv[3];
  old_checkpoint = argv[4];
  unsetenv("RESNET18_WEIGHTS");
  unsetenv("XDG_DATA_HOME");
  setenv("HOME", "/nonexistent", 1);
  for (size_t i = 0; i < OPERATIONS; i++)
    if (is_wanted(operations[i].name, argc - 5, argv + 5))
      tests[count++] = (struct CMUnitTest){.name = operations[i].name,
                                           .test_func = every_call_fails_once,
                                           .initial_state = (void *)(uintptr_t)&operations[i]};
  return _cmocka_run_group_tests("faults", tests, count, set_up, tear_down);
}

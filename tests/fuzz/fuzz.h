/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the fuzzers share. Each is one file with LLVMFuzzerTestOneInput: with clang it becomes a fuzzer (script/fuzz),
 * in the ordinary build a program that runs the inputs kept in corpus/ once. */
#ifndef RESNET18_TESTS_FUZZ_H
#define RESNET18_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process with what was expected if it is not true. */
void fuzz_expect(bool truth, const char *otherwise);

/* From here on the bytes that are allocated at one time are counted ... */
void fuzz_watch_memory(void);
/* ... and must not have been more than twice the `input` and `tables`, bytes that no input exceeds. Only where an
 * AddressSanitizer counts them; true of every input otherwise. */
void fuzz_expect_memory(size_t input, size_t tables);

/* The bytes as a regular file in memory that lives until the next call; `path` receives its name. */
bool fuzz_file(const uint8_t *data, size_t size, char *path, size_t room);

#endif

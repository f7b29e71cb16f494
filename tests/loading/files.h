/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small files in a folder of their own, for the tests of what is read from files. */
#ifndef RESNET18_TEST_FILES_H
#define RESNET18_TEST_FILES_H

#include "resnet18.h"

/* cmocka group fixtures: a new folder, removed with all its files. */
int make_folder(void **state);
int remove_folder(void **state);

/* The path of a file in the folder; valid until the fourth next call. */
const char *in_folder(const char *name);
const char *write_file(const char *name, const void *data, size_t size);

/* The bytes of a file, to be freed. */
unsigned char *read_file(const char *path, size_t *size);

/* How many files are in the folder. */
unsigned count_files(void);

/* The call has failed with this status, and its message has `sentence` in it. */
void assert_error(resnet18_status status, const resnet18_error *error, resnet18_status expected, const char *sentence);
void assert_ok(resnet18_status status, const resnet18_error *error);

#endif

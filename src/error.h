/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filling a resnet18_error. */
#ifndef RESNET18_ERROR_H
#define RESNET18_ERROR_H

#include "resnet18.h"

/* Formats the message and returns `status`, so that a caller can `return r18_fail(...)`. `error` may be NULL. Control
 * characters and broken UTF-8 in the message (file content may be quoted in it) become '?'. */
resnet18_status r18_fail(resnet18_error *error, resnet18_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The sentence for a failed allocation of `bytes`. */
resnet18_status r18_fail_memory(resnet18_error *error, size_t bytes);

/* So that a compiler, and what analyses the code, sees which status it is. */
#define r18_fail(error, status, ...) (r18_fail(error, status, __VA_ARGS__), (status))
#define r18_fail_memory(error, bytes) (r18_fail_memory(error, bytes), RESNET18_ERROR_MEMORY)

/* Success: clears *error where there is one. */
resnet18_status r18_ok(resnet18_error *error);

#endif

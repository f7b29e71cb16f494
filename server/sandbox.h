/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Giving up all rights but those of reading and writing what is open, and of taking memory. */
#ifndef RESNET18_SERVER_SANDBOX_H
#define RESNET18_SERVER_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

/* For this process and for good: no file, socket, process or thread can be opened or made, no memory made executable;
 * trying kills the process, except that looking for a file finds none. `memory`: bytes of address space on top of what
 * is in use; 0 = no limit. False after a sentence on standard error. Call it with one thread. */
bool sandbox_enter(size_t memory);

#endif

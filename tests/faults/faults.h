/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Faults on demand: the n-th call of a kind fails, and what is not given back is counted. meson wraps the functions at
 * link time (fault_functions), so that the calls of libresnet18 fail and those of other libraries do not. */
#ifndef RESNET18_FAULTS_H
#define RESNET18_FAULTS_H

#include <stdbool.h>

typedef enum {
  FAULT_MEMORY, /* malloc and its family, strdup, realpath, open_memstream and its end, mmap, memfd_create */
  FAULT_THREAD, /* pthread_create */
  FAULT_OPEN,
  FAULT_STAT,
  FAULT_READ,
  FAULT_WRITE,
  FAULT_SYNC,
  FAULT_CLOSE,
  FAULT_RENAME,
  FAULT_RANDOM, /* getrandom */
  FAULT_KINDS
} fault_kind;

/* What a call does instead of its work. SHORT and INTERRUPTED are what a system may do at any time to reads and writes
 * (not to those of memory files), and no fault at all. END is a file that became shorter. */
typedef enum { FAULT_FAIL, FAULT_SHORT, FAULT_INTERRUPTED, FAULT_END } fault_manner;

/* From now on calls of the kind are counted, and the `nth` of them (from 1; 0 = none) goes wrong, with `number` as
 * errno. */
void fault_arm(fault_kind kind, fault_manner manner, unsigned nth, int number);
/* Returns how many there were. */
unsigned fault_disarm(void);
/* Whether the nth call came since fault_arm. */
bool fault_happened(void);
/* The place in the program that made the nth call (from 1) after the last fault_arm. */
const void *fault_site(unsigned nth);

/* From now on memory files are what they are on a system that has none, or one that is too old for what is asked of it.
 */
typedef enum { FAULT_MEMORY_FILES, FAULT_NO_MEMORY_FILES, FAULT_OLD_MEMORY_FILES } fault_system;
void fault_set_system(fault_system kind);

/* What is held now and was taken by wrapped functions, since the start of the program. */
typedef struct {
  long blocks, mapped; /* mapped: bytes */
  unsigned descriptors, threads;
} fault_holdings;
fault_holdings fault_held(void);

#endif

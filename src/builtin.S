/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The weights, labels and calibration in the library itself: whole files, from a page boundary on, in a read-only section. An object
 * of its own, so that a static link without a model does without them. */
#include "builtin_files.h"

/* name, file */
.macro embed name, file
  .balign 4096
  .globl r18_builtin_\name
  .hidden r18_builtin_\name
  .type r18_builtin_\name, %object
r18_builtin_\name:
  .incbin "\file"
  .size r18_builtin_\name, . - r18_builtin_\name
  .globl r18_builtin_\name\()_end
  .hidden r18_builtin_\name\()_end
r18_builtin_\name\()_end:
  .byte 0
.endm

  .section .rodata.resnet18, "a", %progbits
  embed weights, R18_WEIGHTS_FILE
  embed labels, R18_LABELS_FILE
  embed calibration, R18_CALIBRATION_FILE
  .balign 4096
  .section .note.GNU-stack, "", %progbits

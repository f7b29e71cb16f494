/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The weights, labels and calibration in the library itself: whole files, from a page boundary on, in a read-only section. An object
 * of its own, so that a static link without a model does without them. */
#include R18_BUILTIN_FILES
#ifdef __CET__
#include <cet.h> /* the note that this object does not stand in the way of -fcf-protection */
#endif

.macro begin name
  .balign 4096
  .globl r18_builtin_\name
  .hidden r18_builtin_\name
  .type r18_builtin_\name, %object
r18_builtin_\name:
.endm

.macro finish name
  .size r18_builtin_\name, . - r18_builtin_\name
  .globl r18_builtin_\name\()_end
  .hidden r18_builtin_\name\()_end
r18_builtin_\name\()_end:
  .byte 0
.endm

.macro embed name, file
  begin \name
  .incbin "\file"
  finish \name
.endm

.macro without name
  begin \name
  finish \name
.endm

  .section .rodata.resnet18, "a", %progbits
#ifdef R18_WEIGHTS_FILE
  embed weights, R18_WEIGHTS_FILE
#else
  without weights
#endif
#ifdef R18_INT8_FILE
  embed int8, R18_INT8_FILE
  without calibration /* it is part of the file */
#else
  without int8
  embed calibration, R18_CALIBRATION_FILE
#endif
  embed labels, R18_LABELS_FILE
  .balign 4096
  .section .note.GNU-stack, "", %progbits

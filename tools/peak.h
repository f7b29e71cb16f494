/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The most arithmetic that the processor does in a second, measured: the yardstick of `resnet18 bench --steps`. */
#ifndef RESNET18_TOOLS_PEAK_H
#define RESNET18_TOOLS_PEAK_H

#include <stdbool.h>

/* Operations a second (2 for a multiply-add) of `threads` threads together, with the instruction set that
 * resnet18_session_kernels names; `int8`: 8-bit dot products rather than fp32. 0 where no loop has been written for
 * the set. Takes about 0.2 s. */
double peak_measure(const char *set, bool int8, unsigned threads);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* int8 convolutions with NEON and its dot product. */
#ifndef __ARM_FEATURE_DOTPROD
#error "to be compiled with -march=armv8.2-a+dotprod"
#endif
#include "u8_blocked.h"

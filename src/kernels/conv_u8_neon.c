/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* int8 convolutions with NEON. */
#ifndef __aarch64__
#error "to be compiled for 64-bit ARM"
#endif
#include "u8_blocked.h"

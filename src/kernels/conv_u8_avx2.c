/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* int8 convolutions with AVX2. */
#ifndef __AVX2__
#error "to be compiled with -mavx2"
#endif
#include "u8_blocked.h"

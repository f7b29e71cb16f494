/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* int8 convolutions with AVX512-VNNI. */
#ifndef __AVX512VNNI__
#error "to be compiled with -mavx512vnni"
#endif
#include "u8_blocked.h"

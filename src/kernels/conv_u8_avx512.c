/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* int8 convolutions with AVX-512. */
#ifndef __AVX512BW__
#error "to be compiled with -mavx512bw"
#endif
#include "u8_blocked.h"

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* int8 convolutions with AVX2 and AVX-VNNI. */
#ifndef __AVXVNNI__
#error "to be compiled with -mavxvnni"
#endif
#include "u8_blocked.h"

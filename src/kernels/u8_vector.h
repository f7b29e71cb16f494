/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The vectors and the register tile of the instruction set that this file is compiled for. */
#ifndef RESNET18_U8_VECTOR_H
#define RESNET18_U8_VECTOR_H

#if defined(__AVX512BW__)
#include "u8_vector_avx512.h"
#elif defined(__AVX2__) && defined(__FMA__)
#include "u8_vector_avx2.h"
#elif defined(__aarch64__)
#include "u8_vector_neon.h"
#else
#error "no int8 vectors for this instruction set"
#endif

#endif

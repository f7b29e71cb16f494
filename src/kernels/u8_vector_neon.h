/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The vectors that u8_blocked.h is written in: NEON. */
#ifndef RESNET18_U8_VECTOR_NEON_H
#define RESNET18_U8_VECTOR_NEON_H

#include <arm_neon.h>
#include <stdint.h>

/* Sixteen bytes; what they hold is the functions' business. */
typedef uint8x16_t vector_i;
typedef float32x4_t vector_f;

enum { LANES = 4, WIDE = 8, VECTOR_BYTES = 16 };

/* WIDE bytes, each in 16 bits. */
static inline vector_i load_wide(const uint8_t *p) {
  return vreinterpretq_u8_u16(vmovl_u8(vld1_u8(p)));
}

static inline vector_i add16(vector_i a, vector_i b) {
  return vreinterpretq_u8_s16(vaddq_s16(vreinterpretq_s16_u8(a), vreinterpretq_s16_u8(b)));
}

static inline vector_i sub16(vector_i a, vector_i b) {
  return vreinterpretq_u8_s16(vsubq_s16(vreinterpretq_s16_u8(a), vreinterpretq_s16_u8(b)));
}

static inline vector_i spread16(short a) {
  return vreinterpretq_u8_s16(vdupq_n_s16(a));
}

/* (a * factor + 2^14) >> 15 */
static inline vector_i scale16(vector_i a, const int16_t *factor) {
  return vreinterpretq_u8_s16(vqrdmulhq_s16(vreinterpretq_s16_u8(a), vld1q_s16(factor)));
}

/* Cut to int8, plus 128; eight of a, eight of b in turn. */
static inline vector_i pack_biased(vector_i a, vector_i b) {
  const int8x16_t cut = vcombine_s8(vqmovn_s16(vreinterpretq_s16_u8(a)), vqmovn_s16(vreinterpretq_s16_u8(b)));
  return veorq_u8(vreinterpretq_u8_s8(cut), vdupq_n_u8(0x80));
}

static inline vector_i load_bytes(const uint8_t *p) {
  return vld1q_u8(p);
}

static inline void store_bytes(uint8_t *p, vector_i a) {
  vst1q_u8(p, a);
}

static inline vector_i max_bytes(vector_i a, vector_i b) {
  return vmaxq_u8(a, b);
}

static inline vector_f load_floats(const float *p) {
  return vld1q_f32(p);
}

static inline vector_f load_sums(const int32_t *p) {
  return vcvtq_f32_s32(vld1q_s32(p));
}

static inline vector_f load_u8(const uint8_t *p) {
  uint32_t four;
  __builtin_memcpy(&four, p, sizeof four);
  return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(four)))));
}

/* Cut to 0..255 and rounded, LANES bytes. */
static inline void store_u8(uint8_t *p, vector_f y) {
  const float32x4_t cut = vminq_f32(vmaxq_f32(y, vdupq_n_f32(0.0f)), vdupq_n_f32(255.0f));
  const uint16x4_t whole = vmovn_u32(vcvtnq_u32_f32(cut));
  const uint32_t four = vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(whole, whole))), 0);
  __builtin_memcpy(p, &four, sizeof four);
}

static inline vector_f spread(float a) {
  return vdupq_n_f32(a);
}

static inline vector_f add(vector_f a, vector_f b) {
  return vaddq_f32(a, b);
}

static inline vector_f sub(vector_f a, vector_f b) {
  return vsubq_f32(a, b);
}

static inline vector_f fma_add(vector_f a, vector_f b, vector_f c) {
  return vfmaq_f32(c, a, b);
}

/* c - a * b */
static inline vector_f fma_sub(vector_f a, vector_f b, vector_f c) {
  return vfmsq_f32(c, a, b);
}

#endif

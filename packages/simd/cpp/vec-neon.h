// Vectors of 4 floats for arm64 with NEON. Same names and meaning as vec-avx512.h. With
// __ARM_FEATURE_DOTPROD bytes are multiplied by sdot, four at a time; without it by widening. The
// whole-number sums are exact, so both give the same bits.
#pragma once
#include <arm_neon.h>
#include <stdint.h>
#include "element.h"

namespace cria::CRIA_ISA {

using V = float32x4_t;
constexpr int W = 4;
/** 24 accumulators, two vectors of columns and a broadcast: 27 of 32 registers. */
constexpr int MR = 12;
constexpr int NV = 2;
constexpr int REGISTERS = 32;
constexpr int ACCUMULATORS = 24;
constexpr int BLOCK_ROWS = 4;
constexpr int BLOCK_PANELS = 1;

inline uint32x4_t lanes(int64_t n) {
  const int32x4_t places = {0, 1, 2, 3};
  return vcltq_s32(places, vdupq_n_s32(static_cast<int32_t>(n)));
}

inline V zero() { return vdupq_n_f32(0.0f); }
inline V set1(float x) { return vdupq_n_f32(x); }
inline V load(const float* p) { return vld1q_f32(p); }
inline V load(const float* p, int64_t n) {
  V a = zero();
  if (n > 3) return load(p);
  if (n > 2) a = vld1q_lane_f32(p + 2, a, 2);
  if (n > 1) a = vld1q_lane_f32(p + 1, a, 1);
  if (n > 0) a = vld1q_lane_f32(p, a, 0);
  return a;
}
inline void store(float* p, V a) { vst1q_f32(p, a); }
inline void store(float* p, V a, int64_t n) {
  if (n > 3) return store(p, a);
  if (n > 0) vst1q_lane_f32(p, a, 0);
  if (n > 1) vst1q_lane_f32(p + 1, a, 1);
  if (n > 2) vst1q_lane_f32(p + 2, a, 2);
}

/** The first n of 4 halves, and zeros. */
inline uint16x4_t some(const uint16_t* p, int64_t n) {
  uint16x4_t halves = vdup_n_u16(0);
  if (n > 3) return vld1_u16(p);
  if (n > 2) halves = vld1_lane_u16(p + 2, halves, 2);
  if (n > 1) halves = vld1_lane_u16(p + 1, halves, 1);
  if (n > 0) halves = vld1_lane_u16(p, halves, 0);
  return halves;
}
inline void put(uint16_t* p, uint16x4_t halves, int64_t n) {
  if (n > 3) return vst1_u16(p, halves);
  if (n > 0) vst1_lane_u16(p, halves, 0);
  if (n > 1) vst1_lane_u16(p + 1, halves, 1);
  if (n > 2) vst1_lane_u16(p + 2, halves, 2);
}
inline V widen(uint16x4_t halves) { return vreinterpretq_f32_u32(vshll_n_u16(halves, 16)); }
inline V widenF16(uint16x4_t halves) { return vcvt_f32_f16(vreinterpret_f16_u16(halves)); }
inline uint16x4_t narrow(V a) {
  const uint32x4_t bits = vreinterpretq_u32_f32(a), high = vshrq_n_u32(bits, 16);
  const uint32x4_t even = vaddq_u32(vandq_u32(high, vdupq_n_u32(1)), vdupq_n_u32(0x7fff));
  const uint32x4_t rounded = vshrq_n_u32(vaddq_u32(bits, even), 16);
  return vmovn_u32(vbslq_u32(vceqq_f32(a, a), rounded, vorrq_u32(high, vdupq_n_u32(0x40))));
}
inline uint16x4_t narrowF16(V a) { return vreinterpret_u16_f16(vcvt_f16_f32(a)); }

inline V load(const Bf16* p) { return widen(vld1_u16(&p->bits)); }
inline V load(const Bf16* p, int64_t n) { return widen(some(&p->bits, n)); }
inline V load(const F16* p) { return widenF16(vld1_u16(&p->bits)); }
inline V load(const F16* p, int64_t n) { return widenF16(some(&p->bits, n)); }
inline void store(Bf16* p, V a) { vst1_u16(&p->bits, narrow(a)); }
inline void store(Bf16* p, V a, int64_t n) { put(&p->bits, narrow(a), n); }
inline void store(F16* p, V a) { vst1_u16(&p->bits, narrowF16(a)); }
inline void store(F16* p, V a, int64_t n) { put(&p->bits, narrowF16(a), n); }

inline V add(V a, V b) { return vaddq_f32(a, b); }
inline V sub(V a, V b) { return vsubq_f32(a, b); }
inline V mul(V a, V b) { return vmulq_f32(a, b); }
inline V div(V a, V b) { return vdivq_f32(a, b); }
inline V sqrt(V a) { return vsqrtq_f32(a); }
/** By comparison: the processor's own maximum treats NaN in another way than the rest expects. */
inline V max(V a, V b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
inline V min(V a, V b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
inline V fma(V a, V b, V c) { return vfmaq_f32(c, a, b); }
inline V fnma(V a, V b, V c) { return vfmsq_f32(c, a, b); }

inline V select(int64_t n, V low, V high) { return vbslq_f32(lanes(n), low, high); }

inline float reduceAdd(V a) {
  const float32x2_t halves = vadd_f32(vget_low_f32(a), vget_high_f32(a));
  return vget_lane_f32(halves, 0) + vget_lane_f32(halves, 1);
}
inline float reduceMax(V a) {
  const V halves = max(a, vextq_f32(a, a, 2));
  const float low = vgetq_lane_f32(halves, 0), high = vgetq_lane_f32(halves, 1);
  return low > high ? low : high;
}

using Exponent = int32x4_t;
/** The nearest whole number, half to even, and as the exponent that `scale` takes. */
inline V nearest(V x, Exponent& n) {
  const V whole = vrndnq_f32(x);
  n = vcvtq_s32_f32(whole);
  return whole;
}
/** y·2ⁿ for −252 ≤ n ≤ 254, in two factors so that neither leaves the range of exponents. */
inline V scale(V y, Exponent n) {
  const int32x4_t half = vshrq_n_s32(n, 1), rest = vsubq_s32(n, half), bias = vdupq_n_s32(127);
  y = mul(y, vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(half, bias), 23)));
  return mul(y, vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(rest, bias), 23)));
}

inline void load2(const float* p, V& even, V& odd) {
  const float32x4x2_t both = vld2q_f32(p);
  even = both.val[0];
  odd = both.val[1];
}
inline void store2(float* p, V even, V odd) { vst2q_f32(p, float32x4x2_t{{even, odd}}); }

inline void transpose(V (&r)[W]) {
  const float64x2_t a = vreinterpretq_f64_f32(vtrn1q_f32(r[0], r[1])),
                    b = vreinterpretq_f64_f32(vtrn2q_f32(r[0], r[1]));
  const float64x2_t c = vreinterpretq_f64_f32(vtrn1q_f32(r[2], r[3])),
                    d = vreinterpretq_f64_f32(vtrn2q_f32(r[2], r[3]));
  r[0] = vreinterpretq_f32_f64(vtrn1q_f64(a, c));
  r[1] = vreinterpretq_f32_f64(vtrn1q_f64(b, d));
  r[2] = vreinterpretq_f32_f64(vtrn2q_f64(a, c));
  r[3] = vreinterpretq_f32_f64(vtrn2q_f64(b, d));
}

/** Words `at` to at + 4 of W rows: r[i] has word at + i of each. */
__attribute__((always_inline)) inline void turn(const float* const* rows, int at, V (&r)[4]) {
  for (int i = 0; i < 4; i++) r[i] = load(rows[i] + at);
  transpose(r);
}

using I = int32x4_t;
inline I loadInts(const void* p) {
  return vreinterpretq_s32_u8(vld1q_u8(static_cast<const uint8_t*>(p)));
}
inline I setInt(int32_t x) { return vdupq_n_s32(x); }
inline I addInts(I a, I b) { return vaddq_s32(a, b); }
inline I both(I a, I b) { return vandq_s32(a, b); }
inline I either(I a, I b) { return vorrq_s32(a, b); }
template <int n>
inline I right(I a) {
  return vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(a), n));
}
template <int n>
inline I left(I a) {
  return vshlq_n_s32(a, n);
}
inline V toFloat(I a) { return vcvtq_f32_s32(a); }
inline I toInts(V a) { return vcvtnq_s32_f32(a); }
inline I bytesToInts(const uint8_t* p) {
  uint32_t four;
  __builtin_memcpy(&four, p, 4);
  return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(four)))));
}
inline I bytesToInts(const int8_t* p) {
  uint32_t four;
  __builtin_memcpy(&four, p, 4);
  return vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(four))));
}
inline void storeBytes(int8_t* p, I a) {
  const int16x4_t words = vqmovn_s32(a);
  const uint32_t four =
      vget_lane_u32(vreinterpret_u32_s8(vqmovn_s16(vcombine_s16(words, words))), 0);
  __builtin_memcpy(p, &four, 4);
}
constexpr int BIAS_DONE = 128;
inline I dotBytes(I sum, I weights, I x) {
  const int8x16_t a = vreinterpretq_s8_s32(weights), b = vreinterpretq_s8_s32(x);
#ifdef __ARM_FEATURE_DOTPROD
  return vdotq_s32(sum, a, b);
#else
  // Two products of a byte above −128 by a byte fit 16 bits.
  return vpadalq_s16(sum,
                     vpaddq_s16(vmull_s8(vget_low_s8(a), vget_low_s8(b)), vmull_high_s8(a, b)));
#endif
}
inline I dotBiased(I sum, I weights, I x) {
  return dotBytes(sum, veorq_s32(weights, vreinterpretq_s32_u8(vdupq_n_u8(128))), x);
}

}  // namespace cria::CRIA_ISA

#include "vec-common.h"

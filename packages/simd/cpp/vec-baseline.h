// Vectors of 4 floats by the compiler's vector extension: SSE2, NEON or whatever the target has.
// Same names and meaning as vec-avx512.h, but fma rounds twice: not every target of this file has
// the instruction.
#pragma once
#include <stdint.h>
#include "element.h"

namespace cria::CRIA_ISA {

typedef float V __attribute__((vector_size(16)));
typedef int32_t I __attribute__((vector_size(16)));
typedef float Unaligned __attribute__((vector_size(16), aligned(4), may_alias));
constexpr int W = 4;
constexpr int MR = 4;
constexpr int NV = 2;
constexpr int REGISTERS = 16;
constexpr int ACCUMULATORS = 8;
constexpr int BLOCK_ROWS = 1;
constexpr int BLOCK_PANELS = 1;

inline V zero() { return V{0, 0, 0, 0}; }
inline V set1(float x) { return V{x, x, x, x}; }
inline V load(const float* p) { return *reinterpret_cast<const Unaligned*>(p); }
inline V load(const float* p, int64_t n) {
  V a = zero();
  for (int64_t i = 0; i < n; i++) a[i] = p[i];
  return a;
}
inline void store(float* p, V a) { *reinterpret_cast<Unaligned*>(p) = a; }
inline void store(float* p, V a, int64_t n) {
  for (int64_t i = 0; i < n; i++) p[i] = a[i];
}

template <class Half>
inline V loadHalves(const Half* p, int64_t n) {
  V a = zero();
  for (int64_t i = 0; i < n; i++) a[i] = number(p[i]);
  return a;
}
typedef uint32_t U __attribute__((vector_size(16)));
/** Four neighbours of 16 bits, widened. */
inline U loadWords(const void* p) {
  typedef uint16_t Words __attribute__((vector_size(8)));
  Words words;
  __builtin_memcpy(&words, p, sizeof words);
  return __builtin_convertvector(words, U);
}
inline V load(const Bf16* p) { return reinterpret_cast<V>(loadWords(p) << 16); }
inline V load(const Bf16* p, int64_t n) { return loadHalves(p, n); }
/**
 * As `number` does, without branches: the exponent is moved by a multiplication, which subnormal
 * halves survive.
 */
inline V load(const F16* p) {
  const U half = loadWords(p);
  const U moved = (half & 0x7fff) << 13;
  const U huge = reinterpret_cast<U>(moved > 0x0f7fffff) & 0x7f800000;
  return reinterpret_cast<V>(reinterpret_cast<U>(reinterpret_cast<V>(moved) * 0x1p112f) | huge |
                             (half & 0x8000) << 16);
}
inline V load(const F16* p, int64_t n) { return loadHalves(p, n); }
template <class Half>
inline void storeHalves(Half* p, V a, int64_t n) {
  for (int64_t i = 0; i < n; i++) assign(p[i], a[i]);
}
inline void store(Bf16* p, V a) { storeHalves(p, a, W); }
inline void store(Bf16* p, V a, int64_t n) { storeHalves(p, a, n); }
inline void store(F16* p, V a) { storeHalves(p, a, W); }
inline void store(F16* p, V a, int64_t n) { storeHalves(p, a, n); }

inline V add(V a, V b) { return a + b; }
inline V sub(V a, V b) { return a - b; }
inline V mul(V a, V b) { return a * b; }
inline V div(V a, V b) { return a / b; }
inline V sqrt(V a) {
  return V{__builtin_sqrtf(a[0]), __builtin_sqrtf(a[1]), __builtin_sqrtf(a[2]),
           __builtin_sqrtf(a[3])};
}
inline V pick(I mask, V a, V b) {
  return reinterpret_cast<V>((mask & reinterpret_cast<I>(a)) | (~mask & reinterpret_cast<I>(b)));
}
inline V max(V a, V b) { return pick(a > b, a, b); }
inline V min(V a, V b) { return pick(a < b, a, b); }
inline V fma(V a, V b, V c) { return a * b + c; }
inline V fnma(V a, V b, V c) { return c - a * b; }

inline V select(int64_t n, V low, V high) {
  const int32_t bound = static_cast<int32_t>(n);
  return pick(I{0, 1, 2, 3} < I{bound, bound, bound, bound}, low, high);
}

inline float reduceAdd(V a) { return (a[0] + a[2]) + (a[1] + a[3]); }
inline float reduceMax(V a) {
  const float low = a[0] > a[2] ? a[0] : a[2], high = a[1] > a[3] ? a[1] : a[3];
  return low > high ? low : high;
}

using Exponent = I;
/**
 * Adding and taking away 1.5·2²³ rounds to the nearest whole number and leaves it in the low bits.
 */
inline V nearest(V x, Exponent& n) {
  const V magic = set1(12582912.0f);
  const V shifted = add(x, magic);
  n = reinterpret_cast<I>(shifted) - 0x4b400000;
  return sub(shifted, magic);
}
/** y·2ⁿ for −252 ≤ n ≤ 254, in two factors so that neither leaves the range of exponents. */
inline V scale(V y, Exponent n) {
  const I half = n >> 1, rest = n - half;
  return y * reinterpret_cast<V>((half + 127) << 23) * reinterpret_cast<V>((rest + 127) << 23);
}

inline void load2(const float* p, V& even, V& odd) {
  even = V{p[0], p[2], p[4], p[6]};
  odd = V{p[1], p[3], p[5], p[7]};
}
inline void store2(float* p, V even, V odd) {
  store(p, V{even[0], odd[0], even[1], odd[1]});
  store(p + W, V{even[2], odd[2], even[3], odd[3]});
}

inline void transpose(V (&r)[W]) {
  const V a = r[0], b = r[1], c = r[2], d = r[3];
#if __has_builtin(__builtin_shufflevector)
  const V ab = __builtin_shufflevector(a, b, 0, 4, 1, 5),
          cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  const V AB = __builtin_shufflevector(a, b, 2, 6, 3, 7),
          CD = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  r[0] = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
  r[1] = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
  r[2] = __builtin_shufflevector(AB, CD, 0, 1, 4, 5);
  r[3] = __builtin_shufflevector(AB, CD, 2, 3, 6, 7);
#else
  for (int i = 0; i < W; i++) r[i] = V{a[i], b[i], c[i], d[i]};
#endif
}

/** Words `at` to at + 4 of W rows: r[i] has word at + i of each. */
__attribute__((always_inline)) inline void turn(const float* const* rows, int at, V (&r)[4]) {
  for (int i = 0; i < 4; i++) r[i] = load(rows[i] + at);
  transpose(r);
}

inline I loadInts(const void* p) {
  I a;
  __builtin_memcpy(&a, p, sizeof a);
  return a;
}
inline I setInt(int32_t x) { return I{x, x, x, x}; }
inline I addInts(I a, I b) { return a + b; }
inline I both(I a, I b) { return a & b; }
inline I either(I a, I b) { return a | b; }
template <int n>
inline I right(I a) {
  return reinterpret_cast<I>(reinterpret_cast<U>(a) >> n);
}
template <int n>
inline I left(I a) {
  return a << n;
}
inline V toFloat(I a) { return __builtin_convertvector(a, V); }
inline I toInts(V a) { return reinterpret_cast<I>(add(a, set1(12582912.0f))) - 0x4b400000; }
template <class Byte>
inline I bytesToInts(const Byte* p) {
  typedef Byte Bytes __attribute__((vector_size(4)));
  Bytes bytes;
  __builtin_memcpy(&bytes, p, sizeof bytes);
  return __builtin_convertvector(bytes, I);
}
inline void storeBytes(int8_t* p, I a) {
  for (int i = 0; i < W; i++) p[i] = static_cast<int8_t>(a[i]);
}
constexpr int BIAS_DONE = 0;
typedef int16_t S __attribute__((vector_size(16)));
/** Products of 16 bits, neighbours added. */
inline I multiplyPairs(S a, S b) {
#if defined(__wasm_simd128__)
  return __builtin_wasm_dot_s_i32x4_i16x8(a, b);
#elif defined(__SSE2__)
  typedef short Shorts __attribute__((vector_size(16)));
  typedef int Ints __attribute__((vector_size(16)));
  const Ints sums =
      __builtin_ia32_pmaddwd128(reinterpret_cast<Shorts>(a), reinterpret_cast<Shorts>(b));
  return reinterpret_cast<I>(sums);
#else
  const I x = reinterpret_cast<I>(a), y = reinterpret_cast<I>(b);
  return ((x << 16) >> 16) * ((y << 16) >> 16) + (x >> 16) * (y >> 16);
#endif
}
inline I dotBiased(I sum, I weights, I x) {
  // Even bytes, then odd ones.
  const S w = reinterpret_cast<S>(weights), y = reinterpret_cast<S>(x);
  return sum + multiplyPairs(w & 255, (y << 8) >> 8) + multiplyPairs((w >> 8) & 255, y >> 8);
}
inline I dotBytes(I sum, I weights, I x) { return dotBiased(sum, weights, x); }

}  // namespace cria::CRIA_ISA

#include "vec-common.h"

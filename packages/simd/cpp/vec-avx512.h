// Vectors of 16 floats for AVX-512 (F, BW, DQ, VL). All vec-*.h define the same names with the same
// meaning; everything above them is one text for all instruction sets. Here a lane is one float and
// fma(a, b, c) = a·b + c is rounded once.
#pragma once
#include <immintrin.h>
#include <stdint.h>
#include "element.h"
#include "vec-x86.h"

namespace cria::CRIA_ISA {

using V = __m512;
/** Lanes of a vector. */
constexpr int W = 16;
/**
 * Register tile of a matrix product: MR rows by NV vectors of columns; with NV vectors of the other
 * factor and a broadcast, 31 of 32 registers.
 */
constexpr int MR = 14;
constexpr int NV = 2;
/** Vector registers, and how many of them a kernel may fill with sums. */
constexpr int REGISTERS = 32;
constexpr int ACCUMULATORS = 28;

/** Register tile of a product with quantised weights: rows, and panels of 16 columns. */
constexpr int BLOCK_ROWS = 6;
constexpr int BLOCK_PANELS = 2;

inline __mmask16 lanes(int64_t n) { return static_cast<__mmask16>((1u << n) - 1u); }

inline V zero() { return _mm512_setzero_ps(); }
inline V set1(float x) { return _mm512_set1_ps(x); }
inline V load(const float* p) { return _mm512_loadu_ps(p); }
/** The first n lanes, 0 ≤ n ≤ W, and zeros. Nothing beyond them is touched. */
inline V load(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(lanes(n), p); }
inline void store(float* p, V a) { _mm512_storeu_ps(p, a); }
inline void store(float* p, V a, int64_t n) { _mm512_mask_storeu_ps(p, lanes(n), a); }

/** Halves become floats as they are loaded, and are rounded to nearest even as they are stored. */
inline V widen(__m256i halves) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}
inline V load(const Bf16* p) {
  return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline V load(const Bf16* p, int64_t n) { return widen(_mm256_maskz_loadu_epi16(lanes(n), p)); }
inline V load(const F16* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline V load(const F16* p, int64_t n) {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lanes(n), p));
}
inline __m256i narrow(V a) {
  const __m512i bits = _mm512_castps_si512(a), high = _mm512_srli_epi32(bits, 16);
  const __m512i even =
      _mm512_add_epi32(_mm512_and_si512(high, _mm512_set1_epi32(1)), _mm512_set1_epi32(0x7fff));
  const __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(bits, even), 16);
  const __mmask16 nan = _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
  return _mm512_cvtepi32_epi16(_mm512_mask_or_epi32(rounded, nan, high, _mm512_set1_epi32(0x40)));
}
inline void store(Bf16* p, V a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow(a)); }
inline void store(Bf16* p, V a, int64_t n) { _mm256_mask_storeu_epi16(p, lanes(n), narrow(a)); }
inline __m256i narrowF16(V a) {
  return _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline void store(F16* p, V a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrowF16(a)); }
inline void store(F16* p, V a, int64_t n) { _mm256_mask_storeu_epi16(p, lanes(n), narrowF16(a)); }

#ifdef __AVX512BF16__
/** sum + the products of both halves of each pair. Denormals count as zero here. */
inline V dot(V a, V b, V sum) {
  return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
}
inline V set1(Pair x) { return _mm512_castsi512_ps(_mm512_set1_epi32(static_cast<int>(x.bits))); }
/** W pairs from 2·W neighbours. */
template <class T>
inline V pairs(const T* p) {
  return reinterpret_cast<V>(_mm512_cvtne2ps_pbh(load(p + W), load(p)));
}
template <class T>
inline V pairs(const T* p, int64_t n) {
  return reinterpret_cast<V>(
      _mm512_cvtne2ps_pbh(n > W ? load(p + W, n - W) : zero(), load(p, n < W ? n : W)));
}
inline V pairs(const Bf16* p) { return _mm512_loadu_ps(p); }
inline V pairs(const Bf16* p, int64_t n) {
  return _mm512_castsi512_ps(_mm512_maskz_loadu_epi16(static_cast<__mmask32>((1ull << n) - 1u), p));
}
/** W pairs of the same lanes. */
inline V pairWords(V first, V second) {
  const __m512i low = _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(first)));
  return _mm512_castsi512_ps(_mm512_or_si512(
      low, _mm512_slli_epi32(
               _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(second))), 16)));
}
/** W pairs from the same places of two rows; the second row may be missing. */
template <class T>
inline __m256i halves(const T* p, int64_t n) {
  return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(load(p, n)));
}
inline __m256i halves(const Bf16* p, int64_t n) { return _mm256_maskz_loadu_epi16(lanes(n), p); }
template <class T>
inline V pairUp(const T* first, const T* second, int64_t n) {
  const __m512i low = _mm512_cvtepu16_epi32(halves(first, n));
  if (second == nullptr) return _mm512_castsi512_ps(low);
  return _mm512_castsi512_ps(
      _mm512_or_si512(low, _mm512_slli_epi32(_mm512_cvtepu16_epi32(halves(second, n)), 16)));
}
/** 2·W numbers, rounded, as W pairs of neighbours. */
inline V pairsOf(V first, V second) {
  return reinterpret_cast<V>(_mm512_cvtne2ps_pbh(second, first));
}
/** Rounded numbers of the same lane as a pair. */
inline V pairLanes(V low, V high) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24,
                                         8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return _mm512_castsi512_ps(
      _mm512_permutexvar_epi16(order, _mm512_castps_si512(pairsOf(low, high))));
}
/** 2·W numbers of two rows, number by number side by side. */
inline void interleave(const Bf16* first, const Bf16* second, V& low, V& high) {
  const __m512i order = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40,
                                         8, 39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
  const __m512i a = _mm512_loadu_si512(first), b = _mm512_loadu_si512(second);
  low = _mm512_castsi512_ps(_mm512_permutex2var_epi16(a, order, b));
  high = _mm512_castsi512_ps(
      _mm512_permutex2var_epi16(a, _mm512_add_epi16(order, _mm512_set1_epi16(16)), b));
}
/** The first of each pair, as floats. */
inline V firstHalves(V a) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(a), 16));
}
/** The first of each pair, and zero. */
inline V lowHalves(V a) {
  return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(a), _mm512_set1_epi32(0xffff)));
}
/** Zero, and the second of each pair. */
inline V highHalves(V a) {
  return _mm512_castsi512_ps(
      _mm512_and_si512(_mm512_castps_si512(a), _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
}
#endif

inline V add(V a, V b) { return _mm512_add_ps(a, b); }
inline V sub(V a, V b) { return _mm512_sub_ps(a, b); }
inline V mul(V a, V b) { return _mm512_mul_ps(a, b); }
inline V div(V a, V b) { return _mm512_div_ps(a, b); }
inline V sqrt(V a) { return _mm512_sqrt_ps(a); }
/** The larger; b where either is NaN. */
inline V max(V a, V b) { return _mm512_max_ps(a, b); }
inline V min(V a, V b) { return _mm512_min_ps(a, b); }
inline V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
/** c − a·b */
inline V fnma(V a, V b, V c) { return _mm512_fnmadd_ps(a, b, c); }

/** The first n lanes of `low`, the others of `high`. */
inline V select(int64_t n, V low, V high) { return _mm512_mask_blend_ps(lanes(n), high, low); }

/** Halves are folded onto each other: lane i with i + 8, then + 4, + 2, + 1. */
inline float reduceAdd(V a) {
  return sumOfEight(_mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1)));
}
inline float reduceMax(V a) {
  return largestOfEight(_mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1)));
}

/** What `scale` takes. */
using Exponent = V;
/** The nearest whole number, half to even, and as an exponent. */
inline V nearest(V x, Exponent& n) {
  return n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/** y·2ⁿ */
inline V scale(V y, Exponent n) { return _mm512_scalef_ps(y, n); }

/** Elements 0, 2, 4 … and 1, 3, 5 … of 2·W floats. */
inline void load2(const float* p, V& even, V& odd) {
  const V a = load(p), b = load(p + W);
  const __m512i e = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i o = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  even = _mm512_permutex2var_ps(a, e, b);
  odd = _mm512_permutex2var_ps(a, o, b);
}
inline void store2(float* p, V even, V odd) {
  const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const __m512i high =
      _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  store(p, _mm512_permutex2var_ps(even, low, odd));
  store(p + W, _mm512_permutex2var_ps(even, high, odd));
}

/** Turns W rows of W lanes into their columns. */
inline void transpose(V (&r)[W]) {
  V t[W];
  for (int i = 0; i < W; i += 4) {
    const __m512d a = _mm512_castps_pd(_mm512_unpacklo_ps(r[i], r[i + 1])),
                  b = _mm512_castps_pd(_mm512_unpacklo_ps(r[i + 2], r[i + 3]));
    const __m512d c = _mm512_castps_pd(_mm512_unpackhi_ps(r[i], r[i + 1])),
                  d = _mm512_castps_pd(_mm512_unpackhi_ps(r[i + 2], r[i + 3]));
    t[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
    t[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
    t[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(c, d));
    t[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(c, d));
  }
  for (int i = 0; i < 4; i++) {
    const V a = _mm512_shuffle_f32x4(t[i], t[i + 4], 0x88),
            b = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0x88);
    const V c = _mm512_shuffle_f32x4(t[i], t[i + 4], 0xdd),
            d = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0xdd);
    r[i] = _mm512_shuffle_f32x4(a, b, 0x88);
    r[i + 8] = _mm512_shuffle_f32x4(a, b, 0xdd);
    r[i + 4] = _mm512_shuffle_f32x4(c, d, 0x88);
    r[i + 12] = _mm512_shuffle_f32x4(c, d, 0xdd);
  }
}

/**
 * Words `at` to at + 4 of W rows: r[i] has word at + i of each. Quarters are gathered by loads,
 * which leaves half the shuffles of `transpose`.
 */
__attribute__((always_inline)) inline void turn(const float* const* rows, int at, V (&r)[4]) {
  V t[4];
  for (int i = 0; i < 4; i++) {
    t[i] = _mm512_castps128_ps512(_mm_loadu_ps(rows[i] + at));
    t[i] = _mm512_mask_broadcast_f32x4(t[i], 0x00f0, _mm_loadu_ps(rows[i + 4] + at));
    t[i] = _mm512_mask_broadcast_f32x4(t[i], 0x0f00, _mm_loadu_ps(rows[i + 8] + at));
    t[i] = _mm512_mask_broadcast_f32x4(t[i], 0xf000, _mm_loadu_ps(rows[i + 12] + at));
  }
  const __m512d a = _mm512_castps_pd(_mm512_unpacklo_ps(t[0], t[1])),
                b = _mm512_castps_pd(_mm512_unpacklo_ps(t[2], t[3]));
  const __m512d c = _mm512_castps_pd(_mm512_unpackhi_ps(t[0], t[1])),
                d = _mm512_castps_pd(_mm512_unpackhi_ps(t[2], t[3]));
  r[0] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
  r[1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
  r[2] = _mm512_castpd_ps(_mm512_unpacklo_pd(c, d));
  r[3] = _mm512_castpd_ps(_mm512_unpackhi_pd(c, d));
}

/** W lanes of four bytes, or of one 32-bit whole number. */
using I = __m512i;
inline I loadInts(const void* p) { return _mm512_loadu_si512(p); }
inline I setInt(int32_t x) { return _mm512_set1_epi32(x); }
inline I addInts(I a, I b) { return _mm512_add_epi32(a, b); }
inline I both(I a, I b) { return _mm512_and_si512(a, b); }
inline I either(I a, I b) { return _mm512_or_si512(a, b); }
template <int n>
inline I right(I a) {
  return _mm512_srli_epi32(a, n);
}
template <int n>
inline I left(I a) {
  return _mm512_slli_epi32(a, n);
}
inline V toFloat(I a) { return _mm512_cvtepi32_ps(a); }
/** To the nearest whole number, half to even. */
inline I toInts(V a) { return _mm512_cvtps_epi32(a); }
inline I bytesToInts(const uint8_t* p) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline I bytesToInts(const int8_t* p) {
  return _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
/** Whole numbers from −128 to 127 as bytes. */
inline void storeBytes(int8_t* p, I a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a));
}
/**
 * sum + Σ of four products a lane: weights from 0 to 127 by signed bytes. `dotBiased`: weights from
 * 0 to 255, less BIAS_DONE each.
 */
#ifdef __AVX512VNNI__
#define CRIA_DOT_AT
constexpr int BIAS_DONE = 0;
inline I dotBytes(I sum, I weights, I x) { return _mm512_dpbusd_epi32(sum, weights, x); }
inline I dotBiased(I sum, I weights, I x) { return _mm512_dpbusd_epi32(sum, weights, x); }
/**
 * dotBytes with the same four bytes in all lanes, read by the instruction itself, which compilers
 * do not do.
 */
inline I dotBytesAt(I sum, I weights, const int8_t* four) {
  struct __attribute__((packed)) Four {
    int8_t bytes[4];
  };
  asm("vpdpbusd %2%{1to16%}, %1, %0"
      : "+v"(sum)
      : "v"(weights), "m"(*reinterpret_cast<const Four*>(four)));
  return sum;
}
inline I dotBiasedAt(I sum, I weights, const int8_t* four) {
  return dotBytesAt(sum, weights, four);
}
#else
constexpr int BIAS_DONE = 128;
inline I dotBytes(I sum, I weights, I x) {
  return _mm512_add_epi32(
      sum, _mm512_madd_epi16(_mm512_maddubs_epi16(weights, x), _mm512_set1_epi16(1)));
}
inline I dotBiased(I sum, I weights, I x) {
  // |w| by x with the sign of w, which stays within 16 bits.
  const I w = _mm512_xor_si512(weights, _mm512_set1_epi8(-128));
  return dotBytes(sum, _mm512_abs_epi8(w),
                  _mm512_mask_sub_epi8(x, _mm512_movepi8_mask(w), _mm512_setzero_si512(), x));
}
#endif

}  // namespace cria::CRIA_ISA

#include "vec-common.h"

// Vectors of 8 floats for AVX2 with FMA. Same names and meaning as vec-avx512.h.
#pragma once
#include <immintrin.h>
#include <stdint.h>
#include "element.h"
#include "vec-x86.h"

namespace cria::CRIA_ISA {

using V = __m256;
constexpr int W = 8;
/** 12 accumulators, two vectors of columns and a broadcast: 15 of 16 registers. */
constexpr int MR = 6;
constexpr int NV = 2;
constexpr int REGISTERS = 16;
constexpr int ACCUMULATORS = 12;
constexpr int BLOCK_ROWS = 4;
constexpr int BLOCK_PANELS = 1;

inline __m256i lanes(int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

inline V zero() { return _mm256_setzero_ps(); }
inline V set1(float x) { return _mm256_set1_ps(x); }
inline V load(const float* p) { return _mm256_loadu_ps(p); }
inline V load(const float* p, int64_t n) { return _mm256_maskload_ps(p, lanes(n)); }
inline void store(float* p, V a) { _mm256_storeu_ps(p, a); }
inline void store(float* p, V a, int64_t n) { _mm256_maskstore_ps(p, lanes(n), a); }

/** The first n of 8 halves, and zeros. */
inline __m128i some(const void* p, int64_t n) {
  __m128i halves = _mm_setzero_si128();
  __builtin_memcpy(&halves, p, static_cast<size_t>(2 * n));
  return halves;
}
inline __m128i all(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
inline V widen(__m128i halves) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}
inline V load(const Bf16* p) { return widen(all(p)); }
inline V load(const Bf16* p, int64_t n) { return widen(some(p, n)); }
inline V load(const F16* p) { return _mm256_cvtph_ps(all(p)); }
inline V load(const F16* p, int64_t n) { return _mm256_cvtph_ps(some(p, n)); }
inline __m128i narrow(V a) {
  const __m256i bits = _mm256_castps_si256(a), high = _mm256_srli_epi32(bits, 16);
  const __m256i even =
      _mm256_add_epi32(_mm256_and_si256(high, _mm256_set1_epi32(1)), _mm256_set1_epi32(0x7fff));
  const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, even), 16);
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q));
  const __m256i words =
      _mm256_blendv_epi8(rounded, _mm256_or_si256(high, _mm256_set1_epi32(0x40)), nan);
  return _mm256_castsi256_si128(_mm256_permute4x64_epi64(_mm256_packus_epi32(words, words), 0x08));
}
inline __m128i narrowF16(V a) {
  return _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline void put(void* p, __m128i halves) { _mm_storeu_si128(static_cast<__m128i*>(p), halves); }
inline void put(void* p, __m128i halves, int64_t n) {
  __builtin_memcpy(p, &halves, static_cast<size_t>(2 * n));
}
inline void store(Bf16* p, V a) { put(p, narrow(a)); }
inline void store(Bf16* p, V a, int64_t n) { put(p, narrow(a), n); }
inline void store(F16* p, V a) { put(p, narrowF16(a)); }
inline void store(F16* p, V a, int64_t n) { put(p, narrowF16(a), n); }

inline V add(V a, V b) { return _mm256_add_ps(a, b); }
inline V sub(V a, V b) { return _mm256_sub_ps(a, b); }
inline V mul(V a, V b) { return _mm256_mul_ps(a, b); }
inline V div(V a, V b) { return _mm256_div_ps(a, b); }
inline V sqrt(V a) { return _mm256_sqrt_ps(a); }
inline V max(V a, V b) { return _mm256_max_ps(a, b); }
inline V min(V a, V b) { return _mm256_min_ps(a, b); }
inline V fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
inline V fnma(V a, V b, V c) { return _mm256_fnmadd_ps(a, b, c); }

inline V select(int64_t n, V low, V high) {
  return _mm256_blendv_ps(high, low, _mm256_castsi256_ps(lanes(n)));
}

inline float reduceAdd(V a) { return sumOfEight(a); }
inline float reduceMax(V a) { return largestOfEight(a); }

using Exponent = __m256i;
/** The nearest whole number, half to even, and as the exponent that `scale` takes. */
inline V nearest(V x, Exponent& n) {
  const V whole = _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  n = _mm256_cvtps_epi32(whole);
  return whole;
}
/** y·2ⁿ for −252 ≤ n ≤ 254, in two factors so that neither leaves the range of exponents. */
inline V scale(V y, Exponent n) {
  const __m256i half = _mm256_srai_epi32(n, 1), rest = _mm256_sub_epi32(n, half),
                bias = _mm256_set1_epi32(127);
  y = mul(y, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23)));
  return mul(y, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23)));
}

inline void load2(const float* p, V& even, V& odd) {
  const V a = load(p), b = load(p + W);
  const V e = _mm256_shuffle_ps(a, b, 0x88), o = _mm256_shuffle_ps(a, b, 0xdd);
  even = _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(e), 0xd8));
  odd = _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(o), 0xd8));
}
inline void store2(float* p, V even, V odd) {
  const V a = _mm256_unpacklo_ps(even, odd), b = _mm256_unpackhi_ps(even, odd);
  store(p, _mm256_permute2f128_ps(a, b, 0x20));
  store(p + W, _mm256_permute2f128_ps(a, b, 0x31));
}

inline void transpose(V (&r)[W]) {
  V t[W];
  for (int i = 0; i < W; i += 4) {
    const V a = _mm256_unpacklo_ps(r[i], r[i + 1]), b = _mm256_unpacklo_ps(r[i + 2], r[i + 3]);
    const V c = _mm256_unpackhi_ps(r[i], r[i + 1]), d = _mm256_unpackhi_ps(r[i + 2], r[i + 3]);
    t[i] = _mm256_shuffle_ps(a, b, 0x44);
    t[i + 1] = _mm256_shuffle_ps(a, b, 0xee);
    t[i + 2] = _mm256_shuffle_ps(c, d, 0x44);
    t[i + 3] = _mm256_shuffle_ps(c, d, 0xee);
  }
  for (int i = 0; i < 4; i++) {
    r[i] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x20);
    r[i + 4] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x31);
  }
}

/** Words `at` to at + 4 of W rows: r[i] has word at + i of each. */
__attribute__((always_inline)) inline void turn(const float* const* rows, int at, V (&r)[4]) {
  V t[4];
  for (int i = 0; i < 4; i++)
    t[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(rows[i] + at)),
                                _mm_loadu_ps(rows[i + 4] + at), 1);
  const V a = _mm256_unpacklo_ps(t[0], t[1]), b = _mm256_unpacklo_ps(t[2], t[3]);
  const V c = _mm256_unpackhi_ps(t[0], t[1]), d = _mm256_unpackhi_ps(t[2], t[3]);
  r[0] = _mm256_shuffle_ps(a, b, 0x44);
  r[1] = _mm256_shuffle_ps(a, b, 0xee);
  r[2] = _mm256_shuffle_ps(c, d, 0x44);
  r[3] = _mm256_shuffle_ps(c, d, 0xee);
}

using I = __m256i;
inline I loadInts(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline I setInt(int32_t x) { return _mm256_set1_epi32(x); }
inline I addInts(I a, I b) { return _mm256_add_epi32(a, b); }
inline I both(I a, I b) { return _mm256_and_si256(a, b); }
inline I either(I a, I b) { return _mm256_or_si256(a, b); }
template <int n>
inline I right(I a) {
  return _mm256_srli_epi32(a, n);
}
template <int n>
inline I left(I a) {
  return _mm256_slli_epi32(a, n);
}
inline V toFloat(I a) { return _mm256_cvtepi32_ps(a); }
inline I toInts(V a) { return _mm256_cvtps_epi32(a); }
inline I bytesToInts(const uint8_t* p) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
inline I bytesToInts(const int8_t* p) {
  return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
inline void storeBytes(int8_t* p, I a) {
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(words, words));
}
constexpr int BIAS_DONE = 128;
inline I dotBytes(I sum, I weights, I x) {
  return _mm256_add_epi32(
      sum, _mm256_madd_epi16(_mm256_maddubs_epi16(weights, x), _mm256_set1_epi16(1)));
}
inline I dotBiased(I sum, I weights, I x) {
  // |w| by x with the sign of w, which stays within 16 bits.
  const I w = _mm256_xor_si256(weights, _mm256_set1_epi8(-128));
  return dotBytes(sum, _mm256_sign_epi8(w, w), _mm256_sign_epi8(x, w));
}

}  // namespace cria::CRIA_ISA

#include "vec-common.h"

namespace cria::CRIA_ISA {

/**
 * Sums stay chains: as trees, which the compiler would make of them, they do not fit the registers.
 */
inline void keep(I& sum) { asm("" : "+x"(sum)); }
/**
 * whole[m] = Σ over quads j of q(j) by the four bytes at x + m · 32 + 4 · j, FROM ≤ j < TO, for
 * weights of up to 6 bits: each is prepared once for M rows, and products wait in sums of 16 bits,
 * FIT of them, before they are widened (FIT · 4 weights by 127 stay below 2¹⁵). Four rows of Q4_0
 * from the first-level cache: 183 instead of 145 GFLOP/s, of Q6_K 131 instead of 83 (Zen 4).
 */
#define CRIA_DOT_ROWS
template <int FIT, int FROM, int TO, int M, class Weights>
inline void dotRows(I (&whole)[M], Weights q, const int8_t* x) {
  const I ones = _mm256_set1_epi16(1);
#pragma GCC unroll 8
  for (int first = FROM; first < TO; first += FIT) {
    asm volatile(
        ""
        : "+r"(x));  // so that no vector of x is kept for the next columns, at the price of sums
    I some[M];
#pragma GCC unroll 8
    for (int j = first; j < first + FIT; j++) {
      const I w = q(j);
#pragma GCC unroll 4
      for (int m = 0; m < M; m++) {
        const I products = _mm256_maddubs_epi16(w, quadAt(x + m * 32 + 4 * j));
        some[m] = j == first ? products : _mm256_add_epi16(some[m], products);
        keep(some[m]);
      }
    }
#pragma GCC unroll 4
    for (int m = 0; m < M; m++) {
      const I sum = _mm256_madd_epi16(some[m], ones);
      whole[m] = first == FROM ? sum : _mm256_add_epi32(whole[m], sum);
      keep(whole[m]);
    }
  }
}

}  // namespace cria::CRIA_ISA

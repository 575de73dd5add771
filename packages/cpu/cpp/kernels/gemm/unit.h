// How a matrix product multiplies: what a word of a packed factor is, and how vectors of them
// become sums. One unit a stored form of the weight, so that every kernel of that form adds in the
// same order.
//
// A word holds STEP neighbours along k. `words` makes W of them from a row along k, `wordsDown`
// from STEP rows that follow each other.
#pragma once
#include "kernels/cast.h"

namespace cria::CRIA_ISA {

/** One fma for each k; the right factor is widened from what it is stored as, exactly. */
template <class Stored>
struct Widened {
  using Left = float;
  using Right = Stored;
  static constexpr int64_t STEP = 1;
  static V row(const Left* a) { return set1(*a); }
  static V column(const Right* b) { return load(b); }
  static V step(V row, V column, V sum) { return fma(row, column, sum); }
  template <class T>
  static V words(const T* p) {
    return load(p);
  }
  template <class T>
  static V words(const T* p, int64_t n) {
    return load(p, n);
  }
  template <class T>
  static V wordsDown(const T* p, int64_t, int64_t, int64_t n) {
    return loadSome(p, n);
  }
};

#ifdef __AVX512BF16__
/**
 * Both factors rounded to bf16, products of two neighbours along k added at one time to a sum in
 * f32.
 */
struct Paired {
  using Left = Pair;
  using Right = Pair;
  static constexpr int64_t STEP = 2;
  static V row(const Left* a) { return set1(*a); }
  static V column(const Right* b) { return load(reinterpret_cast<const float*>(b)); }
  static V step(V row, V column, V sum) { return dot(row, column, sum); }
  template <class T>
  static V words(const T* p) {
    return pairs(p);
  }
  template <class T>
  static V words(const T* p, int64_t n) {
    return pairs(p, n);
  }
  /** `rows` of the two rows from p on exist. */
  template <class T>
  static V wordsDown(const T* p, int64_t stride, int64_t rows, int64_t n) {
    return pairUp(p, rows > 1 ? p + stride : nullptr, n);
  }
};
using Bf16Unit = Paired;
#else
using Bf16Unit = Widened<Bf16>;
#endif

/** Words are kept as vectors of floats, whatever their bits mean. */
inline void storeWords(float* p, V a, int64_t n) { storeSome(p, a, n); }
inline void storeWords(Bf16* p, V a, int64_t n) { storeSome(p, a, n); }
inline void storeWords(F16* p, V a, int64_t n) { storeSome(p, a, n); }
inline void storeWords(Pair* p, V a, int64_t n) { storeSome(reinterpret_cast<float*>(p), a, n); }

/** Words along k. */
template <class Unit>
constexpr int64_t depthOf(int64_t k) {
  return ceilDivide(k, Unit::STEP);
}

}  // namespace cria::CRIA_ISA

// What every vec-*.h has in the same words, over its own vectors. Included by them, after what it
// is made of.
#pragma once
#include <stdint.h>

namespace cria::CRIA_ISA {

/**
 * e^x = 2ⁿ·p(r), n = round(x / ln 2), r = x − n·ln 2; less than 1 ulp off (all of f32's range was
 * tried). NaN stays, overflow is ∞, underflow 0.
 */
inline V exp(V x) {
  // max and min return their second operand where one is NaN, so NaN passes both.
  const V c = max(set1(-105.0f), min(set1(89.0f), x));
  Exponent exponent;
  const V n = nearest(mul(c, set1(1.44269504f)), exponent);
  V r = fnma(n, set1(0.693359375f), c);
  r = fnma(n, set1(-2.12194440e-4f), r);
  V p = set1(0.0013926191022619605f);
  p = fma(p, r, set1(0.008363185450434685f));
  p = fma(p, r, set1(0.041666556149721146f));
  p = fma(p, r, set1(0.16666576266288757f));
  p = fma(p, r, set1(0.5f));
  p = fma(p, r, set1(1.0f));
  p = fma(p, r, set1(1.0f));
  return scale(p, exponent);
}

/** The same four bytes in all lanes. */
inline I quadAt(const void* p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return setInt(four);
}

// Where an instruction reads the four bytes by itself the set has its own form.
#ifndef CRIA_DOT_AT
/** dotBytes and dotBiased with the same four bytes in all lanes. */
inline I dotBytesAt(I sum, I weights, const int8_t* four) {
  return dotBytes(sum, weights, quadAt(four));
}
inline I dotBiasedAt(I sum, I weights, const int8_t* four) {
  return dotBiased(sum, weights, quadAt(four));
}
#endif

/** Into the first-level cache. */
inline void prefetch(const void* p) { __builtin_prefetch(p); }

}  // namespace cria::CRIA_ISA

// What the two sets of x86 share: four lanes folded onto each other, lane i with i + 2, then + 1.
#pragma once
#include <immintrin.h>

namespace cria::CRIA_ISA {

inline float sumOfFour(__m128 q) {
  q = _mm_add_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
}
inline float largestOfFour(__m128 q) {
  q = _mm_max_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
}
inline float sumOfEight(__m256 h) {
  return sumOfFour(_mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1)));
}
inline float largestOfEight(__m256 h) {
  return largestOfFour(_mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1)));
}

}  // namespace cria::CRIA_ISA

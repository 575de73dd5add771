// exp(x) of doubles, x ≤ 0, with the bits of packages/tensor/src/scores/exponential.ts, which says
// where the formula is from: additions, multiplications and divisions in the same order, no fma.
#pragma once
#include "kernels/operation.h"

namespace cria::CRIA_ISA::sample {

/** As many doubles as fit a vector of floats, and integers beside them. */
constexpr int DW = W / 2;
typedef double D __attribute__((vector_size(4 * W)));
typedef int64_t I __attribute__((vector_size(4 * W)));

inline D set(double x) { return D{} + x; }
inline D load(const double* p) {
  D a;
  __builtin_memcpy(&a, p, sizeof a);
  return a;
}
inline void store(double* p, D a) { __builtin_memcpy(p, &a, sizeof a); }
inline I bits(D a) {
  I b;
  __builtin_memcpy(&b, &a, sizeof b);
  return b;
}
inline D ofBits(I b) {
  D a;
  __builtin_memcpy(&a, &b, sizeof a);
  return a;
}
inline D select(I mask, D yes, D no) { return ofBits((bits(yes) & mask) | (bits(no) & ~mask)); }

/** exp(x); −∞ gives 0 */
inline D exponential(D x) {
  constexpr double LN2_HIGH = 6.9314718036912381649e-1, LN2_LOW = 1.90821492927058770002e-10,
                   INVERSE_LN2 = 1.442695040888963387;
  constexpr double P1 = 1.66666666666666019037e-1, P2 = -2.77777777770155933842e-3,
                   P3 = 6.61375632143793436117e-5, P4 = -1.6533902205465251539e-6,
                   P5 = 4.13813679705723846039e-8;
  constexpr double LEAST = -745.13321910194122211, WHOLE = -0.3465735912322998;
  constexpr double INTEGERS = 0x1p52;
  const D given = x;
  const D within = select(x < set(-800.0), set(-800.0), x);
  // Adding 2⁵² rounds to a whole number and leaves it in the low bits.
  const D wanted = set(0.5) - set(INVERSE_LN2) * within;
  D k = (wanted + set(INTEGERS)) - set(INTEGERS);
  k = k - select(k > wanted, set(1.0), set(0.0));
  k = select(within > set(WHOLE), set(0.0), k);
  const D high = within + k * set(LN2_HIGH), low = -(k * set(LN2_LOW));
  const D r = high - low, square = r * r;
  const D c =
      r -
      square * (set(P1) +
                square * (set(P2) + square * (set(P3) + square * (set(P4) + square * set(P5)))));
  const D y = set(1.0) - (low - (r * c) / (set(2.0) - c) - high);
  // 2^(1000 − k), then 2⁻¹⁰⁰⁰: only the last factor rounds.
  const I whole = bits(k + set(INTEGERS)) - bits(set(INTEGERS));
  const D scale = ofBits((2023 - whole) << 52);
  const D scaled = y * scale * set(0x1p-1000);
  const D near = select(given > set(-0x1p-28), set(1.0) + given, scaled);
  return select(given < set(LEAST), set(0.0), near);
}

/** Σ weights[i], in order, where weights[i] = exp(scores[i] − most); they may be one array */
inline double exponentiate(double* weights, const double* scores, int64_t n, double most) {
  double sum = 0;
  const D shift = set(most);
  int64_t i = 0;
  for (; i + DW <= n; i += DW) {
    const D w = exponential(load(scores + i) - shift);
    store(weights + i, w);
    for (int j = 0; j < DW; j++) sum += w[j];
  }
  if (i < n) {
    double rest[DW] = {};
    for (int64_t j = 0; j < n - i; j++) rest[j] = scores[i + j];
    const D w = exponential(load(rest) - shift);
    for (int64_t j = 0; j < n - i; j++) sum += weights[i + j] = w[j];
  }
  return sum;
}

}  // namespace cria::CRIA_ISA::sample

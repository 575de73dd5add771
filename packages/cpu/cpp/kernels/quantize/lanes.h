// Vectors of the quantisers: as many numbers as a register has, with GCC's operators, and rounding
// as ggml does it.
#pragma once
#include "kernels/operation.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

namespace cria::CRIA_ISA::blocks {

constexpr int LANES = W;
typedef float F __attribute__((vector_size(4 * LANES), may_alias));
typedef int32_t I __attribute__((vector_size(4 * LANES), may_alias));
/** The same bits; overflow, which numbers that are not finite bring, is defined. */
typedef uint32_t U __attribute__((vector_size(4 * LANES), may_alias));
typedef uint8_t B __attribute__((vector_size(LANES)));
/** Registers that hold a block of 32. */
constexpr int PARTS = 32 / LANES;

inline F splat(float x) { return F{} + x; }
inline F loadLanes(const float* p) {
  F a;
  __builtin_memcpy(&a, p, sizeof a);
  return a;
}
inline void storeLanes(float* p, F a) { __builtin_memcpy(p, &a, sizeof a); }
inline F absolute(F a) { return reinterpret_cast<F>(reinterpret_cast<I>(a) & 0x7fffffff); }
inline F convert(I a) { return __builtin_convertvector(a, F); }
inline bool any(I mask) {
  int32_t all = 0;
  for (int i = 0; i < LANES; i++) all |= mask[i];
  return all != 0;
}
inline F squareRoot(F a) { return reinterpret_cast<F>(sqrt(reinterpret_cast<V>(a))); }
inline float largestLane(F a) { return reduceMax(reinterpret_cast<V>(a)); }
/** The first n lanes, and zeros. */
inline F firstLanes(F a, int64_t n) {
  return reinterpret_cast<F>(select(n < LANES ? n : LANES, reinterpret_cast<V>(a), zero()));
}

/** ggml's nearest_int: the low 23 bits of a sum with 1.5·2²³, right or not. */
inline I nearestInt(F a) {
  return (reinterpret_cast<I>(a + 12582912.0f) & 0x007fffff) - 0x00400000;
}
inline int32_t nearestInt(float a) {
  const float shifted = a + 12582912.0f;
  int32_t bits;
  __builtin_memcpy(&bits, &shifted, 4);
  return (bits & 0x007fffff) - 0x00400000;
}
inline F clampRound(F a, float least, float most) {
  F l = convert(nearestInt(a));
  l = l < least ? splat(least) : l;
  return l > most ? splat(most) : l;
}
/** The same where |a| < 2²², in fewer steps. */
inline F clampRoundSmall(F a, float least, float most) {
  F l = (a + 12582912.0f) - 12582912.0f;
  l = l < least ? splat(least) : l;
  return l > most ? splat(most) : l;
}
inline int32_t clampInt(int32_t value, int32_t least, int32_t most) {
  return value < least ? least : value > most ? most : value;
}

/**
 * N values of up to LANES runs, element by element: lane r of row i is value i of run r. Missing
 * runs repeat the first.
 */
template <int N>
inline void gather(F (&x)[N], const float* from, int64_t runs) {
  for (int r = 0; r < LANES; r++) {
    const float* run = from + (r < runs ? r : 0) * N;
    for (int i = 0; i < N; i++) x[i][r] = run[i];
  }
}

/** Levels of lane r as bytes. */
template <int N>
inline void laneLevels(const F (&levels)[N], int r, uint8_t* to) {
  for (int i = 0; i < N; i++) to[i] = static_cast<uint8_t>(static_cast<int32_t>(levels[i][r]));
}

/** Σ x² in order. */
inline float sumOfSquares(const float* x, int64_t n) {
  float sum = 0;
  for (int64_t i = 0; i < n; i++) sum += x[i] * x[i];
  return sum;
}

}  // namespace cria::CRIA_ISA::blocks

#pragma GCC diagnostic pop

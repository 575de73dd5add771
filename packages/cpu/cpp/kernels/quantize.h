// GGUF's block formats from float32, with the bits of ggml's reference quantisers (ggml-quants.c) and of packages/tensor/src/quantize, which
// is the readable version. The searches of one scale a sub-block go over as many sub-blocks as a register has lanes: every lane does
// exactly what the reference does, in its order, so the bits are the same on every instruction set.
#pragma once
#include "operation.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

namespace cria::CRIA_ISA::blocks {

constexpr int LANES = W;
typedef float F __attribute__((vector_size(4 * LANES), may_alias));
typedef int32_t I __attribute__((vector_size(4 * LANES), may_alias));
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
inline F squareRoot(F a) {
  float v[LANES];
  __builtin_memcpy(v, &a, sizeof v);
  for (int i = 0; i < LANES; i++) v[i] = __builtin_sqrtf(v[i]);
  return loadLanes(v);
}

/** ggml's nearest_int: the low 23 bits of a sum with 1.5·2²³, right or not. */
inline I nearestInt(F a) { return (reinterpret_cast<I>(a + 12582912.0f) & 0x007fffff) - 0x00400000; }
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
inline int32_t clampInt(int32_t value, int32_t least, int32_t most) { return value < least ? least : value > most ? most : value; }

/** IEEE half, ties to even. */
inline uint16_t toHalf(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, 4);
  const uint32_t sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
  if (magnitude < 0x38800000u) {
    float scaled;
    __builtin_memcpy(&scaled, &magnitude, 4);
    scaled = scaled * 16777216.0f + 8388608.0f;
    __builtin_memcpy(&bits, &scaled, 4);
    return static_cast<uint16_t>(sign | (bits & 0x7fffffu));
  }
  return static_cast<uint16_t>(sign | ((magnitude + 0xfffu + ((magnitude >> 13) & 1u) - 0x38000000u) >> 13));
}
inline float fromHalf(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16, exponent = (half >> 10) & 31u, fraction = half & 0x3ffu;
  float value;
  if (exponent == 0) {
    value = static_cast<float>(fraction) * 5.9604644775390625e-8f;
    return sign ? -value : value;
  }
  const uint32_t bits = sign | (exponent == 31 ? 0x7f800000u | fraction << 13 : (exponent + 112) << 23 | fraction << 13);
  __builtin_memcpy(&value, &bits, 4);
  return value;
}
inline void putHalf(uint8_t* to, uint16_t half) { __builtin_memcpy(to, &half, 2); }

/** How far blocks are from their numbers: Σ difference², and the largest. A number that is not finite makes the sum so. */
struct Error {
  double squares = 0;
  float largest = 0;

  /** The first `lanes` differences. */
  void add(F difference, int64_t lanes) {
    const F magnitude = absolute(difference);
    const F square = difference * difference;
    float sum = 0, most = 0;
    for (int i = 0; i < LANES; i++) {
      if (i >= lanes) break;
      sum += square[i];
      if (magnitude[i] > most) most = magnitude[i];
    }
    squares += static_cast<double>(sum);
    if (most > largest) largest = most;
  }
};

/** N values of up to LANES runs, element by element: lane r of row i is value i of run r. Missing runs repeat the first. */
template <int N>
inline void gather(F (&x)[N], const float* from, int64_t runs) {
  for (int r = 0; r < LANES; r++) {
    const float* run = from + (r < runs ? r : 0) * N;
    for (int i = 0; i < N; i++) x[i][r] = run[i];
  }
}

constexpr float GROUP_MAX_EPS = 1e-15f;

/** make_qx_quants: levels 0 … 2·nmax − 1 for −nmax … nmax − 1. Weights: given, or x². */
template <int N, bool WEIGHTED>
inline F searchScale(int nmax, const F (&x)[N], const F* weights, F (&levels)[N]) {
  F max = F{}, amax = F{};
  for (int i = 0; i < N; i++) {
    const F magnitude = absolute(x[i]);
    const I larger = magnitude > amax;
    amax = larger ? magnitude : amax;
    max = larger ? x[i] : max;
  }
  const I zero = amax < splat(GROUP_MAX_EPS);
  max = zero ? splat(1.0f) : max;
  const float least = static_cast<float>(-nmax), most = static_cast<float>(nmax - 1);
  F scale = F{}, best = F{};
  for (int attempt = 0; attempt < 19; attempt++) {
    const int step = attempt == 0 ? 0 : attempt <= 9 ? attempt - 10 : attempt - 9;
    const float target = attempt == 0 ? static_cast<float>(-nmax) : -(static_cast<float>(nmax) + 0.1f * static_cast<float>(step));
    const F iscale = splat(target) / max;
    F sumlx = F{}, suml2 = F{};
    for (int i = 0; i < N; i++) {
      const F l = clampRoundSmall(iscale * x[i], least, most);
      const F w = WEIGHTED ? weights[i] : x[i] * x[i];
      sumlx += w * x[i] * l;
      suml2 += w * l * l;
    }
    const I better = attempt == 0 ? I{} - 1 : (suml2 > F{}) & (sumlx * sumlx > best * suml2);
    if (!any(better)) continue;
    for (int i = 0; i < N; i++) {
      const F l = clampRoundSmall(iscale * x[i], least, most) + static_cast<float>(nmax);
      levels[i] = better ? l : levels[i];
    }
    const F tried = suml2 == F{} ? F{} : sumlx / suml2;
    scale = better ? tried : scale;
    best = better ? tried * sumlx : best;
  }
  for (int i = 0; i < N; i++) levels[i] = zero ? F{} : levels[i];
  return zero ? F{} : scale;
}

struct Tries {
  float rmin, rdelta;
  int nstep;
};

/** make_qkx2_quants and make_qkx3_quants: levels 0 … nmax with a scale and a minimum at most 0, given back negated. */
template <bool SMALL>
inline F searchScaleAndMinimum(int nmax, const F (&x)[32], const F (&weights)[32], F (&levels)[32], F& minimum, Tries tries, I flat, F min, F max, F sumW, F sumX) {
  const float most = static_cast<float>(nmax);
  const auto round = [most](F a) { return SMALL ? clampRoundSmall(a, 0.0f, most) : clampRound(a, 0.0f, most); };
  F iscale = splat(most) / (max - min);
  F scale = splat(1.0f) / iscale;
  F least = F{};
  for (int i = 0; i < 32; i++) {
    levels[i] = round(iscale * (x[i] - min));
    const F difference = scale * levels[i] + min - x[i];
    least += weights[i] * (difference * difference);
  }
  F trial[32];
  for (int step = 0; step <= tries.nstep; step++) {
    iscale = splat(tries.rmin + tries.rdelta * static_cast<float>(step) + most) / (max - min);
    F sumL = F{}, sumL2 = F{}, sumXL = F{};
    for (int i = 0; i < 32; i++) {
      const F l = round(iscale * (x[i] - min));
      trial[i] = l;
      const F wl = weights[i] * l;
      sumL += wl;
      sumL2 += wl * l;
      sumXL += wl * x[i];
    }
    const F D = sumW * sumL2 - sumL * sumL;
    F tryScale = (sumW * sumXL - sumX * sumL) / D;
    F tryMin = (sumL2 * sumX - sumL * sumXL) / D;
    const I positive = tryMin > F{};
    tryMin = positive ? F{} : tryMin;
    tryScale = positive ? sumXL / sumL2 : tryScale;
    F error = F{};
    for (int i = 0; i < 32; i++) {
      const F difference = tryScale * trial[i] + tryMin - x[i];
      error += weights[i] * (difference * difference);
    }
    const I better = (D > F{}) & (error < least);
    if (!any(better & ~flat)) continue;
    for (int i = 0; i < 32; i++) levels[i] = better ? trial[i] : levels[i];
    least = better ? error : least;
    scale = better ? tryScale : scale;
    min = better ? tryMin : min;
  }
  for (int i = 0; i < 32; i++) levels[i] = flat ? F{} : levels[i];
  minimum = -min;
  return flat ? F{} : scale;
}

inline F searchScaleAndMinimum(int nmax, const F (&x)[32], const F (&weights)[32], F (&levels)[32], F& minimum, Tries tries) {
  F min = x[0], max = x[0], sumW = weights[0], sumX = sumW * x[0];
  for (int i = 1; i < 32; i++) {
    min = x[i] < min ? x[i] : min;
    max = x[i] > max ? x[i] : max;
    sumW += weights[i];
    sumX += weights[i] * x[i];
  }
  min = min > F{} ? F{} : min;
  const I flat = max <= min;
  // Where a range is so small that its inverse overflows, ggml keeps the low bits of what it gets.
  const F range = max - min;
  const I tiny = (range < splat(1e-36f)) & ~flat;
  return any(tiny) ? searchScaleAndMinimum<false>(nmax, x, weights, levels, minimum, tries, flat, min, max, sumW, sumX)
                   : searchScaleAndMinimum<true>(nmax, x, weights, levels, minimum, tries, flat, min, max, sumW, sumX);
}

constexpr Tries WEIGHTED_TRIES = {-0.9f, 0.05f, 36};

/** make_qp_quants over the 8 scales or minima of a block. */
inline float searchPositive(const float* x, uint8_t* levels, const float* weights) {
  constexpr int N = 8, NMAX = 63;
  float max = 0;
  for (int i = 0; i < N; i++) max = x[i] > max ? x[i] : max;
  if (max < GROUP_MAX_EPS) {
    for (int i = 0; i < N; i++) levels[i] = 0;
    return 0;
  }
  const auto squaredError = [&](float iscale, int most) {
    const float scale = 1 / iscale;
    float error = 0;
    for (int i = 0; i < N; i++) {
      int l = nearestInt(iscale * x[i]);
      if (l > most) l = most;
      const float difference = x[i] - scale * static_cast<float>(l);
      error += weights[i] * difference * difference;
    }
    return error;
  };
  float iscale = NMAX / max;
  float least = squaredError(iscale, 1 << 30);
  for (int step = -4; step <= 4; step++) {
    if (step == 0) continue;
    const float attempt = (0.1f * static_cast<float>(step) + NMAX) / max;
    const float error = squaredError(attempt, NMAX);
    if (error < least) {
      least = error;
      iscale = attempt;
    }
  }
  float sumlx = 0, suml2 = 0;
  for (int i = 0; i < N; i++) {
    int l = nearestInt(iscale * x[i]);
    if (l > NMAX) l = NMAX;
    levels[i] = static_cast<uint8_t>(l);
    const float f = static_cast<float>(l);
    sumlx += weights[i] * x[i] * f;
    suml2 += weights[i] * f * f;
  }
  for (int round = 0; round < 5; round++) {
    bool changed = false;
    for (int i = 0; i < N; i++) {
      const float w = weights[i], wx = w * x[i], f = static_cast<float>(levels[i]);
      float slx = sumlx - wx * f, sl2 = suml2 - w * f * f;
      if (!(slx > 0 && sl2 > 0)) continue;
      int l = nearestInt(x[i] * sl2 / slx);
      if (l > NMAX) l = NMAX;
      if (l == levels[i]) continue;
      const float g = static_cast<float>(l);
      slx += wx * g;
      sl2 += w * g * g;
      if (slx * slx * suml2 > sumlx * sumlx * sl2) {
        levels[i] = static_cast<uint8_t>(l);
        sumlx = slx;
        suml2 = sl2;
        changed = true;
      }
    }
    if (!changed) break;
  }
  return suml2 > 0.0f ? sumlx / suml2 : 0.0f;
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

/** Blocks of 256 that are encoded together, and the registers that hold one element of all their sub-blocks of 32. */
constexpr int TOGETHER = LANES > 8 ? LANES / 8 : 1;
constexpr int GROUPS = 8 * TOGETHER / LANES;

inline float sixBits(const float* v, uint8_t* level) {
  float max = 0;
  for (int j = 0; j < 8; j++)
    if (v[j] > max) max = v[j];
  const float inverse = max > 0 ? 63.0f / max : 0.0f;
  for (int j = 0; j < 8; j++) {
    const uint8_t l = static_cast<uint8_t>(nearestInt(inverse * v[j]));
    level[j] = l < 63 ? l : 63;
  }
  return max / 63.0f;
}

/** Up to TOGETHER blocks of Q4_K (nmax 15) or Q5_K (nmax 31). */
inline void q45(int nmax, const float* x, const float* importance, uint8_t* out, int64_t count, Error& error) {
  F values[GROUPS][32], levels[GROUPS][32];
  float scales[8 * TOGETHER], minima[8 * TOGETHER], sums[8 * TOGETHER], steps[8 * TOGETHER] = {}, bases[8 * TOGETHER] = {};
  const Tries tries = importance != nullptr ? WEIGHTED_TRIES : nmax == 15 ? Tries{-1.0f, 0.1f, 20} : Tries{-0.5f, 0.1f, 15};
  for (int g = 0; g < GROUPS; g++) {
    const int64_t runs = 8 * count - LANES * g;
    F weights[32], minimum, sum = F{};
    gather<32>(values[g], x + 32 * LANES * g, runs);
    if (importance != nullptr) {
      F sigma = F{};
      for (int r = 0; r < LANES && r < runs; r++)
        sigma[r] = r % 8 == 0 ? 2 * sumOfSquares(x + 256 * ((LANES * g + r) / 8), 256) / 256 : sigma[r - 1];
      gather<32>(weights, importance + 32 * LANES * g, runs);
      for (int i = 0; i < 32; i++) weights[i] *= squareRoot(sigma + values[g][i] * values[g][i]);
    } else {
      for (int i = 0; i < 32; i++) sum += values[g][i] * values[g][i];
      const F average = squareRoot(sum / 32.0f);
      for (int i = 0; i < 32; i++) weights[i] = average + absolute(values[g][i]);
    }
    const F scale = searchScaleAndMinimum(nmax, values[g], weights, levels[g], minimum, tries);
    sum = F{};
    for (int i = 0; i < 32; i++) sum += weights[i];
    storeLanes(scales + LANES * g, scale);
    storeLanes(minima + LANES * g, minimum);
    storeLanes(sums + LANES * g, sum);
  }
  const int64_t bytes = nmax == 31 ? 176 : 144;
  for (int64_t b = 0; b < count; b++) {
    uint8_t ls[8], lm[8];
    const float* s = scales + 8 * b;
    const float* m = minima + 8 * b;
    const float d = importance != nullptr ? searchPositive(s, ls, sums + 8 * b) : sixBits(s, ls);
    const float dmin = importance != nullptr ? searchPositive(m, lm, sums + 8 * b) : sixBits(m, lm);
    uint8_t* to = out + b * bytes;
    const uint16_t hd = toHalf(d), hm = toHalf(dmin);
    putHalf(to, hd);
    putHalf(to + 2, hm);
    for (int j = 0; j < 4; j++) {
      to[4 + j] = static_cast<uint8_t>(ls[j] | (ls[j + 4] >> 4) << 6);
      to[8 + j] = static_cast<uint8_t>(lm[j] | (lm[j + 4] >> 4) << 6);
      to[12 + j] = static_cast<uint8_t>((ls[j + 4] & 15) | (lm[j + 4] & 15) << 4);
    }
    for (int j = 0; j < 8; j++) {
      steps[8 * b + j] = fromHalf(hd) * static_cast<float>(ls[j]);
      bases[8 * b + j] = fromHalf(hm) * static_cast<float>(lm[j]);
    }
  }
  uint8_t l[8 * TOGETHER][32];
  for (int g = 0; g < GROUPS; g++) {
    const F step = loadLanes(steps + LANES * g), base = loadLanes(bases + LANES * g);
    const I keep = step == F{};
    const F divisor = keep ? splat(1.0f) : step;
    for (int i = 0; i < 32; i++) {
      const F level = clampRound((values[g][i] + base) / divisor, 0.0f, static_cast<float>(nmax));
      levels[g][i] = keep ? levels[g][i] : level;
      error.add(step * levels[g][i] - base - values[g][i], 8 * count - LANES * g);
    }
    for (int r = 0; r < LANES; r++) laneLevels(levels[g], r, l[LANES * g + r]);
  }
  for (int64_t b = 0; b < count; b++) {
    uint8_t* to = out + b * bytes;
    uint8_t* nibbles = to + (nmax == 31 ? 48 : 16);
    const uint8_t(*q)[32] = l + 8 * b;
    for (int chunk = 0; chunk < 4; chunk++)
      for (int i = 0; i < 32; i++) nibbles[32 * chunk + i] = static_cast<uint8_t>((q[2 * chunk][i] & 15) | q[2 * chunk + 1][i] << 4);
    if (nmax == 31) {
      for (int i = 0; i < 32; i++) {
        uint8_t high = 0;
        for (int j = 0; j < 8; j++) high |= static_cast<uint8_t>((q[j][i] >> 4) << j);
        to[16 + i] = high;
      }
    }
  }
}

inline void q6(const float* x, const float* importance, uint8_t* out, Error& error) {
  constexpr int RUNS = 16 / LANES;
  F values[RUNS][16], levels[RUNS][16];
  float scales[16];
  for (int g = 0; g < RUNS; g++) {
    F weights[16];
    gather<16>(values[g], x + 16 * LANES * g, LANES);
    if (importance != nullptr) gather<16>(weights, importance + 16 * LANES * g, LANES);
    storeLanes(scales + LANES * g, importance != nullptr ? searchScale<16, true>(32, values[g], weights, levels[g])
                                                         : searchScale<16, false>(32, values[g], nullptr, levels[g]));
  }
  float widest = 0, magnitude = 0;
  for (int j = 0; j < 16; j++) {
    const float a = scales[j] < 0 ? -scales[j] : scales[j];
    if (a > magnitude) {
      magnitude = a;
      widest = scales[j];
    }
  }
  const bool nothing = magnitude < GROUP_MAX_EPS;
  const float iscale = nothing ? 0.0f : -128.0f / widest;
  const uint16_t half = nothing ? uint16_t{0} : toHalf(1 / iscale);
  float steps[16];
  for (int j = 0; j < 16; j++) {
    const int32_t level = nearestInt(iscale * scales[j]);
    const int8_t stored = static_cast<int8_t>(level < 127 ? level : 127);
    out[192 + j] = static_cast<uint8_t>(stored);
    steps[j] = fromHalf(half) * static_cast<float>(stored);
  }
  putHalf(out + 208, half);
  uint8_t l[16][16];
  for (int g = 0; g < RUNS; g++) {
    const F step = loadLanes(steps + LANES * g);
    const I keep = step == F{};
    const F divisor = keep ? splat(1.0f) : step;
    for (int i = 0; i < 16; i++) {
      const F level = clampRound(values[g][i] / divisor, -32.0f, 31.0f) + 32.0f;
      levels[g][i] = keep ? levels[g][i] : level;
      error.add(step * (levels[g][i] - 32.0f) - values[g][i], LANES);
    }
    for (int r = 0; r < LANES; r++) laneLevels(levels[g], r, l[LANES * g + r]);
  }
  if (nothing) {
    __builtin_memset(out, 0, 210);
    return;
  }
  for (int n = 0; n < 2; n++) {
    const uint8_t* q = l[8 * n];
    for (int i = 0; i < 32; i++) {
      const uint8_t a = q[i], b = q[i + 32], c = q[i + 64], d = q[i + 96];
      out[64 * n + i] = static_cast<uint8_t>((a & 15) | (c & 15) << 4);
      out[64 * n + 32 + i] = static_cast<uint8_t>((b & 15) | (d & 15) << 4);
      out[128 + 32 * n + i] = static_cast<uint8_t>(a >> 4 | (b >> 4) << 2 | (c >> 4) << 4 | (d >> 4) << 6);
    }
  }
}

/** A block of 32 in registers. */
struct Block {
  F v[PARTS];

  explicit Block(const float* x) {
    for (int p = 0; p < PARTS; p++) v[p] = loadLanes(x + LANES * p);
  }
  float largest() const {
    F a = v[0];
    for (int p = 1; p < PARTS; p++) a = v[p] > a ? v[p] : a;
    float m = a[0];
    for (int i = 1; i < LANES; i++) m = a[i] > m ? a[i] : m;
    return m;
  }
  float least() const {
    F a = v[0];
    for (int p = 1; p < PARTS; p++) a = v[p] < a ? v[p] : a;
    float m = a[0];
    for (int i = 1; i < LANES; i++) m = a[i] < m ? a[i] : m;
    return m;
  }
};

/** Four low bits of weight j beside those of weight j + 16; before them, with five bits, the high bits of all 32. */
inline void putLevels(bool five, const uint8_t* level, uint8_t* to) {
  if (five) {
    uint32_t bits = 0;
    for (int j = 0; j < 32; j++) bits |= static_cast<uint32_t>(level[j] >> 4) << j;
    __builtin_memcpy(to, &bits, 4);
    to += 4;
  }
  for (int j = 0; j < 16; j++) to[j] = static_cast<uint8_t>((level[j] & 15) | level[j + 16] << 4);
}
inline void putBytes(uint8_t* to, I whole) {
  const B bytes = __builtin_convertvector(whole, B);
  __builtin_memcpy(to, &bytes, sizeof bytes);
}

inline void q80(const float* x, uint8_t* out, Error& error) {
  const Block block(x);
  const float low = block.least(), high = block.largest(), amax = high > -low ? high : 0.0f - low;
  const float d = amax / 127.0f, id = d == 0 ? 0.0f : 1.0f / d;
  const uint16_t half = toHalf(d);
  putHalf(out, half);
  for (int p = 0; p < PARTS; p++) {
    const F scaled = block.v[p] * id;
    I whole = __builtin_convertvector(scaled, I);
    const F rest = scaled - convert(whole);
    whole -= rest >= 0.5f; // a comparison that holds is −1
    whole += rest <= -0.5f;
    putBytes(out + 2 + LANES * p, whole);
    error.add(fromHalf(half) * convert(whole) - block.v[p], LANES);
  }
}

inline I clampLevels(I l, int32_t most) {
  l = l < 0 ? I{} : l;
  return l > most ? I{} + most : l;
}

/** Q4_0 (nmax 8), Q5_0 (nmax 16) */
inline void symmetric(int nmax, const float* x, uint8_t* out, Error& error) {
  const Block block(x);
  const float low = block.least(), high = block.largest();
  float max = high > -low ? high : low;
  if (high == -low) {
    for (int i = 31; i >= 0; i--) // both signs: the first in the block
      if (x[i] == high || x[i] == low) max = x[i];
  }
  const float d = max / static_cast<float>(-nmax), id = d == 0 ? 0.0f : 1.0f / d;
  const uint16_t half = toHalf(d);
  putHalf(out, half);
  uint8_t level[32];
  for (int p = 0; p < PARTS; p++) {
    const I l = clampLevels(__builtin_convertvector(block.v[p] * id + (static_cast<float>(nmax) + 0.5f), I), 2 * nmax - 1);
    putBytes(level + LANES * p, l);
    error.add(fromHalf(half) * convert(l - nmax) - block.v[p], LANES);
  }
  putLevels(nmax == 16, level, out + 2);
}

/** Q4_1 (nmax 15), Q5_1 (nmax 31) */
inline void affine(int nmax, const float* x, uint8_t* out, Error& error) {
  const Block block(x);
  const float low = block.least();
  const float d = (block.largest() - low) / static_cast<float>(nmax), id = d == 0 ? 0.0f : 1.0f / d;
  const uint16_t half = toHalf(d), least = toHalf(low);
  putHalf(out, half);
  putHalf(out + 2, least);
  uint8_t level[32];
  for (int p = 0; p < PARTS; p++) {
    const I l = clampLevels(__builtin_convertvector((block.v[p] - low) * id + 0.5f, I), nmax);
    putBytes(level + LANES * p, l);
    error.add(fromHalf(half) * convert(l) + fromHalf(least) - block.v[p], LANES);
  }
  putLevels(nmax == 31, level, out + 4);
}

/** Up to LANES blocks of 32 by weighted search: wⱼ = importanceⱼ · √(σ² + xⱼ²). */
inline void weighted(bool five, bool withMinimum, const float* x, const float* importance, float sigma2, uint8_t* out, int64_t count, Error& error) {
  F values[32], weights[32], levels[32], minimum = F{}, scale;
  gather<32>(values, x, count);
  gather<32>(weights, importance, count);
  for (int i = 0; i < 32; i++) weights[i] *= squareRoot(sigma2 + values[i] * values[i]);
  if (withMinimum) scale = searchScaleAndMinimum(five ? 31 : 15, values, weights, levels, minimum, WEIGHTED_TRIES);
  else scale = searchScale<32, true>(five ? 16 : 8, values, weights, levels);
  const int64_t bytes = (withMinimum ? 4 : 2) + (five ? 20 : 16);
  F steps = F{}, bases = F{};
  for (int64_t b = 0; b < count; b++) {
    uint8_t* to = out + b * bytes;
    const uint16_t half = toHalf(scale[b]), least = toHalf(-minimum[b]);
    putHalf(to, half);
    if (withMinimum) putHalf(to + 2, least);
    steps[b] = fromHalf(half);
    bases[b] = withMinimum ? fromHalf(least) : steps[b] * static_cast<float>(five ? -16 : -8);
    uint8_t level[32];
    laneLevels(levels, static_cast<int>(b), level);
    putLevels(five, level, to + (withMinimum ? 4 : 2));
  }
  for (int i = 0; i < 32; i++) error.add(steps * levels[i] + bases - values[i], count);
}

}  // namespace cria::CRIA_ISA::blocks

namespace cria::CRIA_ISA {

/** out = blocks of x, rows of whole blocks; errors: per chunk Σ difference² and the largest difference, as doubles. */
struct Quantize {
  uint8_t* out;
  const float* x;
  const float* importance;
  double* errors;
  int64_t type, rows, columns;

  explicit Quantize(Arguments& a)
      : out(a.tensor<uint8_t>()),
        x(a.tensor<const float>()),
        importance(a.tensor<const float>()),
        errors(a.tensor<double>()),
        type(a.integer()),
        rows(a.integer()),
        columns(a.integer()) {}

  int64_t chunks() const { return ceilDivide(rows, rowsPerChunk(columns)); }

  int64_t blockSize() const { return type >= 12 ? 256 : 32; }
  int64_t blockBytes() const {
    switch (type) {
      case 2: return 18;
      case 3: return 20;
      case 6: return 22;
      case 7: return 24;
      case 8: return 34;
      case 12: return 144;
      case 13: return 176;
      default: return 210;
    }
  }

  void run(int64_t chunk, ThreadMemory&) const {
    const Range range = piece(chunk, rowsPerChunk(columns), rows);
    const int64_t rowBytes = columns / blockSize() * blockBytes();
    blocks::Error error;
    for (int64_t row = range.start; row < range.end; row++) encodeRow(x + row * columns, out + row * rowBytes, error);
    errors[2 * chunk] = error.squares;
    errors[2 * chunk + 1] = static_cast<double>(error.largest);
  }

 private:
  void encodeRow(const float* from, uint8_t* to, blocks::Error& error) const {
    const int64_t count = columns / blockSize(), bytes = blockBytes();
    const bool simple = type == 2 || type == 3 || type == 6 || type == 7;
    if (simple && importance != nullptr) {
      const float sigma2 = blocks::sumOfSquares(from, columns) / static_cast<float>(columns);
      for (int64_t b = 0; b < count; b += blocks::LANES)
        blocks::weighted(type >= 6, type == 3 || type == 7, from + 32 * b, importance + 32 * b, sigma2, to + b * bytes, min(blocks::LANES, count - b), error);
      return;
    }
    if (type == 12 || type == 13) {
      for (int64_t b = 0; b < count; b += blocks::TOGETHER)
        blocks::q45(type == 12 ? 15 : 31, from + 256 * b, importance == nullptr ? nullptr : importance + 256 * b, to + b * bytes, min(blocks::TOGETHER, count - b), error);
      return;
    }
    for (int64_t b = 0; b < count; b++) {
      const float* block = from + blockSize() * b;
      uint8_t* place = to + b * bytes;
      switch (type) {
        case 2: blocks::symmetric(8, block, place, error); break;
        case 3: blocks::affine(15, block, place, error); break;
        case 6: blocks::symmetric(16, block, place, error); break;
        case 7: blocks::affine(31, block, place, error); break;
        case 8: blocks::q80(block, place, error); break;
        default: blocks::q6(block, importance == nullptr ? nullptr : importance + 256 * b, place, error); break;
      }
    }
  }
};

}  // namespace cria::CRIA_ISA

#pragma GCC diagnostic pop

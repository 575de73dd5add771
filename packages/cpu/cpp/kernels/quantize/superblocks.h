// Blocks of 256 with scales of their own for runs of 16 or 32: Q4_K, Q5_K, Q6_K.
#pragma once
#include "error.h"
#include "half.h"
#include "search.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

namespace cria::CRIA_ISA::blocks {

/**
 * Blocks of 256 that are encoded together, and the registers that hold one element of all their
 * sub-blocks of 32.
 */
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
inline void q45(int nmax, const float* x, const float* importance, uint8_t* out, int64_t count,
                Error& error) {
  F values[GROUPS][32], levels[GROUPS][32];
  float scales[8 * TOGETHER], minima[8 * TOGETHER], sums[8 * TOGETHER],
      steps[8 * TOGETHER] = {}, bases[8 * TOGETHER] = {};
  const Tries tries = importance != nullptr ? WEIGHTED_TRIES
                      : nmax == 15          ? Tries{-1.0f, 0.1f, 20}
                                            : Tries{-0.5f, 0.1f, 15};
  for (int g = 0; g < GROUPS; g++) {
    const int64_t runs = 8 * count - LANES * g;
    F weights[32], minimum, sum = F{};
    gather<32>(values[g], x + 32 * LANES * g, runs);
    if (importance != nullptr) {
      F sigma = F{};
      for (int r = 0; r < LANES && r < runs; r++)
        sigma[r] = r % 8 == 0 ? 2 * sumOfSquares(x + 256 * ((LANES * g + r) / 8), 256) / 256
                              : sigma[r - 1];
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
    const uint8_t (*q)[32] = l + 8 * b;
    for (int chunk = 0; chunk < 4; chunk++)
      for (int i = 0; i < 32; i++)
        nibbles[32 * chunk + i] =
            static_cast<uint8_t>((q[2 * chunk][i] & 15) | q[2 * chunk + 1][i] << 4);
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
    storeLanes(scales + LANES * g, importance != nullptr
                                       ? searchScale<16, true>(32, values[g], weights, levels[g])
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
      error.add(step * (levels[g][i] - 32.0f) - values[g][i]);
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
      out[128 + 32 * n + i] =
          static_cast<uint8_t>(a >> 4 | (b >> 4) << 2 | (c >> 4) << 4 | (d >> 4) << 6);
    }
  }
}

}  // namespace cria::CRIA_ISA::blocks

#pragma GCC diagnostic pop

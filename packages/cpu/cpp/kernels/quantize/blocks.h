// Blocks of 32: Q8_0, Q4_0, Q4_1, Q5_0, Q5_1.
#pragma once
#include "error.h"
#include "half.h"
#include "search.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

namespace cria::CRIA_ISA::blocks {

/** A block of 32 in registers. */
struct Block {
  F v[PARTS];

  explicit Block(const float* x) {
    for (int p = 0; p < PARTS; p++) v[p] = loadLanes(x + LANES * p);
  }
  float largest() const {
    F a = v[0];
    for (int p = 1; p < PARTS; p++) a = v[p] > a ? v[p] : a;
    return largestLane(a);
  }
  float least() const {
    F a = v[0];
    for (int p = 1; p < PARTS; p++) a = v[p] < a ? v[p] : a;
    return -largestLane(-a);
  }
  float largestMagnitude() const {
    F a = absolute(v[0]);
    for (int p = 1; p < PARTS; p++) {
      const F b = absolute(v[p]);
      a = b > a ? b : a;
    }
    return largestLane(a);
  }
};

/**
 * Four low bits of weight j beside those of weight j + 16; before them, with five bits, the high
 * bits of all 32.
 */
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
  const float d = block.largestMagnitude() / 127.0f, id = d == 0 ? 0.0f : 1.0f / d;
  const uint16_t half = toHalf(d);
  putHalf(out, half);
  for (int p = 0; p < PARTS; p++) {
    const F scaled = block.v[p] * id;
    I whole = __builtin_convertvector(scaled, I);
    const F rest = scaled - convert(whole);
    // A comparison that holds is −1.
    whole = reinterpret_cast<I>(reinterpret_cast<U>(whole) - reinterpret_cast<U>(rest >= 0.5f) +
                                reinterpret_cast<U>(rest <= -0.5f));
    putBytes(out + 2 + LANES * p, whole);
    error.add(fromHalf(half) * convert(whole) - block.v[p]);
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
    for (int i = 31; i >= 0; i--)  // both signs: the first in the block
      if (x[i] == high || x[i] == low) max = x[i];
  }
  const float d = max / static_cast<float>(-nmax), id = d == 0 ? 0.0f : 1.0f / d;
  const uint16_t half = toHalf(d);
  putHalf(out, half);
  uint8_t level[32];
  for (int p = 0; p < PARTS; p++) {
    const I l =
        clampLevels(__builtin_convertvector(block.v[p] * id + (static_cast<float>(nmax) + 0.5f), I),
                    2 * nmax - 1);
    putBytes(level + LANES * p, l);
    error.add(fromHalf(half) * convert(l - nmax) - block.v[p]);
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
    error.add(fromHalf(half) * convert(l) + fromHalf(least) - block.v[p]);
  }
  putLevels(nmax == 31, level, out + 4);
}

/** Up to LANES blocks of 32 by weighted search: wⱼ = importanceⱼ · √(σ² + xⱼ²). */
inline void weighted(bool five, bool withMinimum, const float* x, const float* importance,
                     float sigma2, uint8_t* out, int64_t count, Error& error) {
  F values[32], weights[32], levels[32], minimum = F{}, scale;
  gather<32>(values, x, count);
  gather<32>(weights, importance, count);
  for (int i = 0; i < 32; i++) weights[i] *= squareRoot(sigma2 + values[i] * values[i]);
  if (withMinimum)
    scale = searchScaleAndMinimum(five ? 31 : 15, values, weights, levels, minimum, WEIGHTED_TRIES);
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

#pragma GCC diagnostic pop

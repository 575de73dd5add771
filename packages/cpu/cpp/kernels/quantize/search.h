// The searches of ggml-quants.c for scales and minima, one sub-block a lane: every lane does
// exactly what the reference does, in its order, so the bits are the same on every instruction set.
#pragma once
#include "lanes.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

namespace cria::CRIA_ISA::blocks {

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
    const float target = attempt == 0
                             ? static_cast<float>(-nmax)
                             : -(static_cast<float>(nmax) + 0.1f * static_cast<float>(step));
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

/**
 * make_qkx2_quants and make_qkx3_quants: levels 0 … nmax with a scale and a minimum at most 0,
 * given back negated.
 */
template <bool SMALL>
inline F searchScaleAndMinimum(int nmax, const F (&x)[32], const F (&weights)[32], F (&levels)[32],
                               F& minimum, Tries tries, I flat, F min, F max, F sumW, F sumX) {
  const float most = static_cast<float>(nmax);
  const auto round = [most](F a) {
    return SMALL ? clampRoundSmall(a, 0.0f, most) : clampRound(a, 0.0f, most);
  };
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

inline F searchScaleAndMinimum(int nmax, const F (&x)[32], const F (&weights)[32], F (&levels)[32],
                               F& minimum, Tries tries) {
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
  return any(tiny) ? searchScaleAndMinimum<false>(nmax, x, weights, levels, minimum, tries, flat,
                                                  min, max, sumW, sumX)
                   : searchScaleAndMinimum<true>(nmax, x, weights, levels, minimum, tries, flat,
                                                 min, max, sumW, sumX);
}

constexpr Tries WEIGHTED_TRIES = {-0.9f, 0.05f, 36};

/** Scales or minima of a block's groups, which are quantised together, and their largest level. */
constexpr int SCALES = 8, MOST_LEVEL = 63;

/** Σ w·x·level and Σ w·level², whose quotient is the scale that fits levels best. */
struct Fit {
  float sumlx = 0, suml2 = 0;
};

/** Moves one level after the other where that fits better, in at most five rounds. */
inline void improveLevels(const float* x, uint8_t* levels, const float* weights, Fit& fit) {
  for (int round = 0; round < 5; round++) {
    bool changed = false;
    for (int i = 0; i < SCALES; i++) {
      const float w = weights[i], wx = w * x[i], f = static_cast<float>(levels[i]);
      float slx = fit.sumlx - wx * f, sl2 = fit.suml2 - w * f * f;
      if (!(slx > 0 && sl2 > 0)) continue;
      int l = nearestInt(x[i] * sl2 / slx);
      if (l > MOST_LEVEL) l = MOST_LEVEL;
      if (l == levels[i]) continue;
      const float g = static_cast<float>(l);
      slx += wx * g;
      sl2 += w * g * g;
      if (slx * slx * fit.suml2 > fit.sumlx * fit.sumlx * sl2) {
        levels[i] = static_cast<uint8_t>(l);
        fit.sumlx = slx;
        fit.suml2 = sl2;
        changed = true;
      }
    }
    if (!changed) break;
  }
}

/** make_qp_quants over the 8 scales or minima of a block. */
inline float searchPositive(const float* x, uint8_t* levels, const float* weights) {
  float max = 0;
  for (int i = 0; i < SCALES; i++) max = x[i] > max ? x[i] : max;
  if (max < GROUP_MAX_EPS) {
    for (int i = 0; i < SCALES; i++) levels[i] = 0;
    return 0;
  }
  const auto squaredError = [&](float iscale, int most) {
    const float scale = 1 / iscale;
    float error = 0;
    for (int i = 0; i < SCALES; i++) {
      int l = nearestInt(iscale * x[i]);
      if (l > most) l = most;
      const float difference = x[i] - scale * static_cast<float>(l);
      error += weights[i] * difference * difference;
    }
    return error;
  };
  float iscale = MOST_LEVEL / max;
  float least = squaredError(iscale, 1 << 30);
  for (int step = -4; step <= 4; step++) {
    if (step == 0) continue;
    const float attempt = (0.1f * static_cast<float>(step) + MOST_LEVEL) / max;
    const float error = squaredError(attempt, MOST_LEVEL);
    if (error < least) {
      least = error;
      iscale = attempt;
    }
  }
  Fit fit;
  for (int i = 0; i < SCALES; i++) {
    int l = nearestInt(iscale * x[i]);
    if (l > MOST_LEVEL) l = MOST_LEVEL;
    levels[i] = static_cast<uint8_t>(l);
    const float f = static_cast<float>(l);
    fit.sumlx += weights[i] * x[i] * f;
    fit.suml2 += weights[i] * f * f;
  }
  improveLevels(x, levels, weights, fit);
  return fit.suml2 > 0.0f ? fit.sumlx / fit.suml2 : 0.0f;
}

}  // namespace cria::CRIA_ISA::blocks

#pragma GCC diagnostic pop

// The softmax of one chunk of keys by itself: m = max(scores)
//     p = exp(score - m)   l = sum of p
// The sum has W chains, of keys equal modulo W, which are folded in halves at the end: so it comes
// out the same whether a vector holds lanes (a panel) or keys (few lanes).
#pragma once
#include "stored-rows.h"

namespace cria::CRIA_ISA::attention {

/** Maximum and sum of exponentials of the lanes of a tile, [LANES] each. */
struct Statistics {
  float* max;
  float* sum;
};

/** A maximum of nothing. Finite, so that it never makes inf - inf. */
constexpr float LEAST = -3e38f;

/** exp of one row of a panel, stored; words are made of rows in twos. */
template <class Words>
static inline V probability(float* row, V m) {
  const V p = exp(sub(load(row), m));
  if constexpr (Words::STEP == 1) store(row, p);
  return p;
}

/** Probabilities of keys j and j + 1, j even, as one row of words. */
template <class Words>
static inline void storePair(float* words, int j, V low, V high) {
#ifdef CRIA_ATTENTION_PAIRS
  if constexpr (Words::STEP == 2) store(words + j / 2 * W, pairLanes(low, high));
#endif
  (void)words, (void)j, (void)low, (void)high;
}

/**
 * One panel of W lanes from `lane` on: the first `full` keys are seen by all of them, the others up
 * to `keys` by some.
 */
template <class Words>
static inline void softmaxPanel(float* weights, float* words, int full, int keys, int64_t first,
                                int lane, const Tile& tile, const Statistics& r) {
  const V least = set1(LEAST);
  V m = least, chains[4] = {least, least, least, least};
  for (int j = 0; j + 4 <= full; j += 4) {
    CRIA_UNROLL for (int i = 0; i < 4; i++) chains[i] = max(chains[i], load(weights + (j + i) * W));
  }
  for (int i = 0; i < 4; i++) m = max(m, chains[i]);
  for (int j = full & ~3; j < full; j++) m = max(m, load(weights + j * W));
  for (int j = full; j < keys; j++) {
    const V x =
        select(tile.firstLane(first + j) - lane, set1(-__builtin_inff()), load(weights + j * W));
    store(weights + j * W, x);
    m = max(m, x);
  }
  V parts[W];
  CRIA_UNROLL for (int i = 0; i < W; i++) parts[i] = zero();
  int j = 0;
  for (; j + W <= keys; j += W) {
    CRIA_UNROLL for (int i = 0; i < W; i += 2) {
      const V p = probability<Words>(weights + (j + i) * W, m),
              next = probability<Words>(weights + (j + i + 1) * W, m);
      parts[i] = add(parts[i], p);
      parts[i + 1] = add(parts[i + 1], next);
      storePair<Words>(words, j + i, p, next);
    }
  }
  V rest[W];
  CRIA_UNROLL for (int i = 0; i < W; i++) rest[i] = zero();
  for (int i = 0; j + i < keys; i += 2) {
    const bool two = j + i + 1 < keys;
    const V p = rest[i] = probability<Words>(weights + (j + i) * W, m);
    const V next = rest[i + 1] = two ? probability<Words>(weights + (j + i + 1) * W, m) : zero();
    storePair<Words>(words, j + i, p, next);
  }
  CRIA_UNROLL for (int i = 0; i < W; i++) parts[i] = add(parts[i], rest[i]);
  CRIA_UNROLL for (int half = W / 2; half > 0; half /= 2) {
    CRIA_UNROLL for (int i = 0; i < half; i++) parts[i] = add(parts[i], parts[i + half]);
  }
  store(r.max + lane, m);
  store(r.sum + lane, parts[0]);
}

/**
 * Scores of keys that lie before a lane's window become those of nothing: of a panel, or of a tile
 * of few lanes.
 */
static inline void hideBeforeWindow(float* panel, int keys, int64_t first, int lane,
                                    const Tile& tile) {
  for (int j = 0; j < keys && tile.endLane(first + j) < tile.lanes; j++)
    store(panel + j * W,
          select(tile.endLane(first + j) - lane, load(panel + j * W), set1(-__builtin_inff())));
}
static inline void hideBeforeWindow(float* weights, int keys, int64_t first, const Tile& tile) {
  for (int l = 0; l < tile.lanes; l++) {
    const int64_t hidden = min64(keys, tile.start(l) - first);
    for (int64_t j = 0; j < hidden; j++) weights[l * KEYS + j] = -__builtin_inff();
  }
}

/** All lanes of a tile of few, weights and words [lane][KEYS]. */
template <class Words>
static inline void softmaxLanes(float* weights, float* words, int keys, int64_t first,
                                const Tile& tile, const Statistics& r) {
  for (int l = 0; l < tile.lanes; l++) {
    const int n = static_cast<int>(max64(0, min64(keys, tile.visible(l) - first)));
    float* row = weights + l * KEYS;
    V m = set1(LEAST), part = zero();
    for (int j = 0; j < n; j += W)
      m = max(m,
              n - j >= W ? load(row + j) : select(n - j, load(row + j), set1(-__builtin_inff())));
    r.max[l] = reduceMax(m);
    m = set1(r.max[l]);
    for (int j = 0; j < n; j += Words::STEP * W) {
      V p[Words::STEP];
      CRIA_UNROLL for (int i = 0; i < Words::STEP; i++) {
        const int rest = n - j - i * W;
        p[i] = rest <= 0 ? zero() : exp(sub(load(row + j + i * W), m));
        if (rest > 0 && rest < W) p[i] = select(rest, p[i], zero());
        part = add(part, p[i]);
      }
#ifdef CRIA_ATTENTION_PAIRS
      if constexpr (Words::STEP == 2) {
        store(words + l * (KEYS / 2) + j / 2, pairsOf(p[0], p[1]));
        continue;
      }
#endif
      store(row + j, p[0]);
    }
    r.sum[l] = reduceAdd(part);
  }
  (void)words;
}

/**
 * Natural logarithm in double, within 1e-14: the kernels use no library. log x = n ln 2 + 2
 * atanh((y - 1) / (y + 1)), x = 2^n y
 */
static inline double naturalLog(double x) {
  if (!(x < __builtin_inf())) return x;  // infinite or not a number: stays so
  uint64_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  int64_t n = static_cast<int64_t>(bits >> 52) - 1023;
  bits = (bits & 0xfffffffffffffull) | 0x3ff0000000000000ull;
  double y;
  __builtin_memcpy(&y, &bits, sizeof y);
  if (y > 1.4142135623730951) {
    y *= 0.5;
    n++;
  }
  const double t = (y - 1) / (y + 1), u = t * t;
  double sum = 0;
  for (int i = 19; i >= 1; i -= 2) sum = sum * u + 1.0 / i;
  return static_cast<double>(n) * 0.6931471805599453 + 2 * t * sum;
}

}  // namespace cria::CRIA_ISA::attention

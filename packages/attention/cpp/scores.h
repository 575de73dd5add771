// Scores of a tile of query lanes against a chunk of keys.
#pragma once
#include "tile.h"

namespace cria::CRIA_ISA::attention {

/**
 * Longer than any text, and small enough to be added to a position and multiplied by a number of
 * heads.
 */
constexpr int64_t NO_WINDOW = int64_t{1} << 40;

/**
 * T query rows, S segments or sequences, H query heads, K key/value heads (dividing H), E head
 * width (at most 256).
 */
struct Shape {
  int64_t T;
  int32_t S, H, K, E;
  float scale;
  int64_t window = NO_WINDOW;  // keys that a row sees at most, its own among them

  bool windowed() const { return window != NO_WINDOW; }
};

/**
 * Lanes of a tile: lane l is flat lane `flat + l` of its segment, that is row (flat + l) / G, head
 * (flat + l) % G of the group, at position `position` + row. So lanes ascend by row, then by head.
 */
struct Tile {
  int64_t row;       // of the segment's first query row in q
  int64_t position;  // of that row, in keys of the segment; not negative
  int64_t flat;
  int lanes, head, G;
  int64_t window;

  int64_t rowOf(int lane) const { return (flat + lane) / G; }
  /** Keys that a lane sees. */
  int64_t visible(int lane) const { return position + rowOf(lane) + 1; }
  /** Keys before the window of a lane: it sees those from here on. */
  int64_t start(int lane) const { return visible(lane) > window ? visible(lane) - window : 0; }
  /** Whether some lane does not see this key because its window begins later. */
  bool hides(int64_t key) const { return start(lanes - 1) > key; }
  /** First lane whose position reaches a key. */
  int firstLane(int64_t key) const {
    const int64_t lane = (key - position) * G - flat;
    return lane < 0 ? 0 : lane > lanes ? lanes : static_cast<int>(lane);
  }
  /** First lane that sees a key no more, `lanes` where there is none. */
  int endLane(int64_t key) const { return firstLane(key + window); }
  /** Row and head of a lane, as one index of [T, H]. */
  int64_t headRow(int lane, const Shape& shape) const {
    return (row + rowOf(lane)) * shape.H + static_cast<int64_t>(head) * G + (flat + lane) % G;
  }
  /** Element of q, out or their gradients where the row of a lane starts. */
  int64_t offset(int lane, const Shape& shape) const { return headRow(lane, shape) * shape.E; }
};

static inline int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }
/** x kept within 0 to KEYS: keys of a chunk. */
static inline int inChunk(int64_t x) { return static_cast<int>(max64(0, min64(KEYS, x))); }

static inline float* aligned(void* memory) {
  return reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(memory) + 63) &
                                  ~static_cast<uintptr_t>(63));
}

/** The first n of W words from element `e` of a row, times the scale where words are floats. */
template <class Words>
static inline V queryWords(const void* row, bool half, int e, int n, float scale) {
#ifdef CRIA_ATTENTION_PAIRS
  if constexpr (Words::STEP == 2) {
    if (half) return pairs(static_cast<const Bf16*>(row) + e, 2 * n);
    return pairs(static_cast<const float*>(row) + e, 2 * n);
  }
#endif
  const V numbers = half ? load(static_cast<const Bf16*>(row) + e, n)
                         : load(static_cast<const float*>(row) + e, n);
  return mul(numbers, set1(scale));
}

/**
 * columns[word][lane] = rows[lane][word], zero beyond `lanes` up to a whole vector
 *     rows of E floats, or bf16 where `half`
 */
template <class Words, class T>
static inline void packColumns(float* columns, const T* const* rows, bool half, int lanes, int E,
                               float scale) {
  const int words = E / Words::STEP;
  for (int first = 0; first < lanes; first += W) {
    const int n = lanes - first < W ? lanes - first : W;
    for (int e = 0; e < words; e += W) {
      const int width = words - e < W ? words - e : W;
      V block[W];
      for (int i = 0; i < W; i++)
        block[i] = i < n ? queryWords<Words>(rows[first + i], half, e * Words::STEP, width, scale)
                         : zero();
      transpose(block);
      for (int i = 0; i < width; i++)
        store(columns + static_cast<size_t>(e + i) * LANES + first, block[i]);
    }
  }
}

/**
 * Scores of W keys against L lanes: W words of each key at a time are turned, so that keys are the
 * lanes of a vector, which wastes none. The chains are the same as in `products`, so are the bits.
 */
template <class Words, int L>
static inline void scoreTurned(V (&sums)[L], const float* const* rows, int count,
                               const float* columns, int E) {
  CRIA_UNROLL for (int l = 0; l < L; l++) sums[l] = zero();
  int e = 0;
  V block[W];
  if (count == W) {
    for (; e + W <= E; e += W) {
      CRIA_UNROLL for (int i = 0; i < W; i++) block[i] = load(rows[i] + e);
      transpose(block);
      CRIA_UNROLL for (int i = 0; i < W; i++) {
        CRIA_UNROLL for (int l = 0; l < L; l++) sums[l] =
            Words::madd(block[i], set1(columns[static_cast<size_t>(e + i) * LANES + l]), sums[l]);
      }
    }
  }
  for (; e < E; e += W) {
    const int width = E - e < W ? E - e : W;
    CRIA_UNROLL for (int i = 0; i < W; i++) block[i] =
        i < count ? load(rows[i] + e, width) : zero();
    transpose(block);
    CRIA_UNROLL for (int i = 0; i < W; i++) {
      if (i >= width) break;
      CRIA_UNROLL for (int l = 0; l < L; l++) sums[l] =
          Words::madd(block[i], set1(columns[static_cast<size_t>(e + i) * LANES + l]), sums[l]);
    }
  }
}

/**
 * For a tile of few lanes, decode above all. ByLane: scores are stored [lane][KEYS], else as a
 * panel.
 */
template <class Words, bool ByLane, int L = W / 2>
static inline void scoreFew(float* weights, const float* const* rows, int keys,
                            const float* columns, int lanes, int E, float scale) {
  if constexpr (L > 1) {
    if (lanes < L)
      return scoreFew<Words, ByLane, L - 1>(weights, rows, keys, columns, lanes, E, scale);
  }
  const V factor = set1(scale);
  for (int j = 0; j < keys; j += W) {
    const int count = keys - j < W ? keys - j : W;
    V sums[L];
    scoreTurned<Words, L>(sums, rows + j, count, columns, E);
    if constexpr (Words::STEP > 1) {
      CRIA_UNROLL for (int l = 0; l < L; l++) sums[l] = mul(sums[l], factor);
    }
    if constexpr (ByLane) {
      CRIA_UNROLL for (int l = 0; l < L; l++) store(weights + l * KEYS + j, sums[l]);
    } else {
      V turned[W];
      CRIA_UNROLL for (int l = 0; l < W; l++) turned[l] = l < L ? sums[l < L ? l : 0] : zero();
      transpose(turned);
      for (int i = 0; i < count; i++) store(weights + (j + i) * W, turned[i]);
    }
  }
}

static inline bool few(const Tile& tile) { return tile.lanes <= W / 2; }

/**
 * scores of `keys` keys from `first` on for every lane that sees them (others are left as they are)
 *     E: words of a row
 */
template <class Words, bool ByLane>
static inline void scoreChunk(float* weights, const float* const* rows, int keys, int64_t first,
                              const float* columns, const Tile& tile, int E, float scale) {
  if (few(tile)) return scoreFew<Words, ByLane>(weights, rows, keys, columns, tile.lanes, E, scale);
  const int panels = (tile.lanes + W - 1) / W;
  for (int group = 0; group < panels; group += WIDE) {
    const int end = group + WIDE < panels ? group + WIDE : panels;
    for (int j = 0; j < keys;) {
      const int seen = tile.firstLane(first + j) / W, panel = seen > group ? seen : group;
      if (panel >= end) break;
      const int rest = keys - j, n = rest < blockRows(end - panel) ? rest : blockRows(end - panel);
      products<Words>(end - panel, n, weights + panel * PANEL + j * W, rows + j,
                      columns + panel * W, E, scale);
      j += n;
    }
  }
}

}  // namespace cria::CRIA_ISA::attention

// Forward attention with an online softmax: full, packed, chunked and paged, one routine for all.
#pragma once
#include "tile.h"

namespace cria::CRIA_ISA::attention {

// T query rows, S segments or sequences, H query heads, K key/value heads (dividing H), E head width (at most 256).
struct Shape {
  int64_t T;
  int32_t S, H, K, E;
  float scale;
};

// Lanes of a tile: lane l is flat lane `flat + l` of its segment, that is row (flat + l) / G, head (flat + l) % G of the group, at position
// `position` + row. So lanes ascend by row, then by head.
struct Tile {
  int64_t row;       // of the segment's first query row in q
  int64_t position;  // of that row, in keys of the segment; not negative
  int64_t flat;
  int lanes, head, G;

  int64_t row_of(int lane) const { return (flat + lane) / G; }
  // Keys that a lane sees.
  int64_t visible(int lane) const { return position + row_of(lane) + 1; }
  // First lane that sees a key.
  int first_lane(int64_t key) const {
    const int64_t lane = (key - position) * G - flat;
    return lane < 0 ? 0 : lane > lanes ? lanes : static_cast<int>(lane);
  }
  // Element of q, out or their gradients where the row of a lane starts.
  int64_t offset(int lane, const Shape& shape) const {
    return ((row + row_of(lane)) * shape.H + static_cast<int64_t>(head) * G + (flat + lane) % G) * shape.E;
  }
};

static inline int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }
// x kept within 0 to KEYS: keys of a chunk.
static inline int in_chunk(int64_t x) { return static_cast<int>(max64(0, min64(KEYS, x))); }

struct Scratch {
  float* columns;  // q, transposed and scaled: [E][LANES]
  float* dcolumns; // dout, transposed
  float* weights;  // panels: scores, then probabilities
  float* dweights; // panels: their gradients
  float* max;      // [LANES] each
  float* sum;
  float* factor;

  Scratch(void* memory, int E) {
    float* next = reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(memory) + 63) & ~static_cast<uintptr_t>(63));
    columns = next;
    dcolumns = columns + static_cast<size_t>(E) * LANES;
    weights = dcolumns + static_cast<size_t>(E) * LANES;
    dweights = weights + PANELS * PANEL;
    max = dweights + PANELS * PANEL;
    sum = max + LANES;
    factor = sum + LANES;
  }
  static size_t bytes(int E) { return (2 * static_cast<size_t>(E) * LANES + 2 * PANELS * PANEL + 3 * LANES) * sizeof(float) + 64; }
};

// sums[l] += over i of block[i] * columns[i][l], after block has been turned: one step of W elements for W keys
template <bool Whole>
static inline void score_step(V* sums, const float* const* rows, int count, int e, int width, const float* columns, int lanes) {
  V block[W];
  CRIA_UNROLL for (int i = 0; i < W; i++) block[i] = Whole ? load(rows[i] + e) : i < count ? load(rows[i] + e, width) : zero();
  transpose(block);
  for (int l = 0; l < lanes; l++) {
    V sum = sums[l];
    CRIA_UNROLL for (int i = 0; i < W; i++) {
      if (Whole || i < width) sum = fma(block[i], set1(columns[static_cast<size_t>(e + i) * LANES + l]), sum);
    }
    sums[l] = sum;
  }
}

// For a tile of few lanes, decode above all: W keys at a time are turned so that keys are the lanes, which wastes none. The chains are the
// same as in `products`, so are the bits.            decode of 12 heads of 64 over 1024 keys, one Zen 4 core: 17 -> 24 GB/s
static inline void score_few(float* weights, const float* const* rows, int keys, const float* columns, int lanes, int E) {
  for (int j = 0; j < keys; j += W) {
    const int count = keys - j < W ? keys - j : W;
    V sums[W];
    CRIA_UNROLL for (int l = 0; l < W; l++) sums[l] = zero();
    for (int e = 0; e < E; e += W) {
      if (count == W && E - e >= W) {
        score_step<true>(sums, rows + j, W, e, W, columns, lanes);
      } else {
        score_step<false>(sums, rows + j, count, e, E - e < W ? E - e : W, columns, lanes);
      }
    }
    transpose(sums);
    for (int i = 0; i < count; i++) store(weights + (j + i) * W, sums[i]);
  }
}

// scores of `keys` keys from `first` on for every lane that sees them (others are left as they are)
static inline void score_chunk(float* weights, const float* const* rows, int keys, int64_t first, const float* columns, const Tile& tile, int E) {
  if (tile.lanes <= W / 2) return score_few(weights, rows, keys, columns, tile.lanes, E);
  const int panels = (tile.lanes + W - 1) / W;
  for (int group = 0; group < panels; group += WIDE) {
    const int end = group + WIDE < panels ? group + WIDE : panels;
    for (int j = 0; j < keys;) {
      const int seen = tile.first_lane(first + j) / W, panel = seen > group ? seen : group;
      if (panel >= end) break;
      const int rest = keys - j, n = rest < block_rows(end - panel) ? rest : block_rows(end - panel);
      products(end - panel, n, weights + panel * PANEL + j * W, rows + j, columns + panel * W, E);
      j += n;
    }
  }
}

// One panel: scores -> exp(score - m), with m and l brought to the new maximum; `factor` is what the old sums shrink by.
//   m' = max(m, scores)    factor = exp(m - m')    l' = factor * l + sum over keys of exp(score - m')
static inline void softmax_panel(float* weights, int full, int keys, int64_t first, int lane, const Tile& tile, const Scratch& s) {
  const V old = load(s.max + lane);
  V m = old, chains[4] = {old, old, old, old};
  for (int j = 0; j + 4 <= full; j += 4) {
    CRIA_UNROLL for (int i = 0; i < 4; i++) chains[i] = max(chains[i], load(weights + (j + i) * W));
  }
  for (int i = 0; i < 4; i++) m = max(m, chains[i]);
  for (int j = full & ~3; j < full; j++) m = max(m, load(weights + j * W));
  for (int j = full; j < keys; j++) {
    const V x = select(tile.first_lane(first + j) - lane, set1(-__builtin_inff()), load(weights + j * W));
    store(weights + j * W, x);
    m = max(m, x);
  }
  const V factor = exp(sub(old, m));
  V sum = mul(load(s.sum + lane), factor);
  CRIA_UNROLL for (int j = 0; j < keys; j++) {
    const V p = exp(sub(load(weights + j * W), m));
    store(weights + j * W, p);
    sum = add(sum, p);
  }
  store(s.max + lane, m);
  store(s.sum + lane, sum);
  store(s.factor + lane, factor);
}

// Natural logarithm in double, within 1e-14: the kernels use no library. log x = n ln 2 + 2 atanh((y - 1) / (y + 1)), x = 2^n y
static inline double natural_log(double x) {
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

// accumulate<SUM_KEYS> of n rows that are lanes `lane` on, over those of `keys` keys from `first` on that each sees: the keys that all see
// together, the others row by row, because a hidden value that is not finite must not be multiplied by a weight of zero.
static inline void accumulate_visible(int n, const Accumulate& a, const Width& width, const Tile& tile, int lane, int64_t first, int keys) {
  static const float one[ROWS] = {1, 1, 1, 1, 1, 1, 1, 1};
  const int common = static_cast<int>(max64(0, min64(keys, tile.visible(lane) - first)));
  Accumulate part = a;
  part.from = 0;
  part.to = common;
  accumulate<SUM_KEYS>(n, part, width);
  part.from = common;
  part.factors = one;
  for (int i = 1; i < n; i++) {
    part.to = static_cast<int>(max64(0, min64(keys, tile.visible(lane + i) - first)));
    if (part.to == common) continue;
    part.sums = a.sums + i;
    part.weights = a.weights + i;
    accumulate<SUM_KEYS>(1, part, width);
  }
}

// locate(keys, values, first, n) writes pointers to the key and value rows first to first + n of the sequence.
template <class Locate>
static void forward_tile(float* out, float* lse, const float* q, const Tile& tile, const Shape& shape, const Scratch& s, Locate locate) {
  const Width width(shape.E);
  const float* queries[LANES];
  float* outs[LANES];
  const float* keys[KEYS];
  const float* values[KEYS];
  for (int l = 0; l < tile.lanes; l++) {
    queries[l] = q + tile.offset(l, shape);
    outs[l] = out + tile.offset(l, shape);
  }
  pack_columns(s.columns, queries, tile.lanes, shape.E, shape.scale);
  for (int l = 0; l < LANES; l++) {
    s.max[l] = -3e38f;  // finite, so that "nothing seen yet" never makes inf - inf
    s.sum[l] = 0;
  }
  const int64_t end = tile.visible(tile.lanes - 1);
  for (int64_t first = 0; first < end; first += KEYS) {
    const int n = in_chunk(end - first);
    locate(keys, values, first, n);
    score_chunk(s.weights, keys, n, first, s.columns, tile, shape.E);
    for (int lane = 0; lane < tile.lanes; lane += W) {
      const int last = (lane + W < tile.lanes ? lane + W : tile.lanes) - 1;
      const int seen = in_chunk(tile.visible(last) - first);
      if (seen == 0) continue;
      float* weights = s.weights + lane / W * PANEL;
      softmax_panel(weights, in_chunk(tile.visible(lane) - first), seen, first, lane, tile, s);
      for (int l = lane; l <= last; l += width.rows()) {
        const int rows = last - l + 1 < width.rows() ? last - l + 1 : width.rows();
        accumulate_visible(rows, {outs + l, weights + l - lane, values, 0, 0, first == 0 ? nullptr : s.factor + l, shape.E}, width, tile, l, first, n);
      }
    }
  }
  for (int l = 0; l < tile.lanes; l++) {
    const V scale = set1(1.0f / s.sum[l]);
    for (int e = 0; e < shape.E; e += W) {
      const int rest = shape.E - e < W ? shape.E - e : W;
      store(outs[l] + e, fma(load(outs[l] + e, rest), scale, zero()), rest);  // + 0: a sum of hidden keys may have turned -0 into 0
    }
    if (lse) lse[(outs[l] - out) / shape.E] = static_cast<float>(s.max[l] + natural_log(s.sum[l]));
  }
}

}  // namespace cria::CRIA_ISA::attention

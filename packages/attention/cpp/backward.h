// Backward attention: probabilities are made again tile by tile from q, k and the stored log-sum-exp (Dao et al. 2022).
//   dv[j] += p[j] dout    dp[j] = dout . v[j]    ds[j] = scale p[j] (dp[j] - dout . out)    dq += ds[j] k[j]    dk[j] += ds[j] q
#pragma once
#include "forward.h"

namespace cria::CRIA_ISA::attention {

// Keys a step: scores and their gradients of a tile stay in the first-level cache.
constexpr int BACKWARD_KEYS = 64;

// First of a segment's rows of one key/value head; rows lie `step` elements apart.
struct KeyRows {
  const float* k;
  const float* v;
  float* dk;
  float* dv;
  int64_t step;
};

struct BackwardScratch {
  float* columns;   // q, transposed and scaled: [E][LANES]
  float* dcolumns;  // dout, transposed
  float* weights;   // panels: scores, then probabilities
  float* dweights;  // panels: their gradients
  float* max;       // lse of each lane: [LANES]
  float* sum;       // dout . out of each lane: [LANES]

  BackwardScratch(void* memory, int E) {
    columns = aligned(memory);
    dcolumns = columns + static_cast<size_t>(E) * LANES;
    weights = dcolumns + static_cast<size_t>(E) * LANES;
    dweights = weights + PANELS * PANEL;
    max = dweights + PANELS * PANEL;
    sum = max + LANES;
  }
  static size_t bytes(int E) { return (2 * static_cast<size_t>(E) * LANES + 2 * PANELS * PANEL + 2 * LANES) * sizeof(float) + 64; }
};

struct Gradients {
  float* dq;
  const float* dout;
  const float* q;
  const float* out;
  const float* lse;
  bool queries, keys;  // which to compute
};

static inline float inner_product(const float* a, const float* b, int E) {
  V sum = zero();
  for (int e = 0; e < E; e += W) {
    const int rest = E - e < W ? E - e : W;
    sum = fma(load(a + e, rest), load(b + e, rest), sum);
  }
  return reduce_add(sum);
}

// One panel: scores -> p, dp -> ds; both zero where a lane does not see a key.     lse in s.max, delta in s.sum
static inline void gradient_panel(float* weights, float* dweights, int full, int keys, int zeroes, int64_t first, int lane, const Tile& tile,
                                  const BackwardScratch& s, float scale) {
  const V lse = load(s.max + lane), delta = load(s.sum + lane), factor = set1(scale);
  for (int j = 0; j < keys; j++) {
    V p = exp(sub(load(weights + j * W), lse));
    if (j >= full) p = select(tile.first_lane(first + j) - lane, zero(), p);
    store(weights + j * W, p);
    store(dweights + j * W, mul(mul(p, sub(load(dweights + j * W), delta)), factor));
  }
  for (int j = keys; j < zeroes; j++) {
    store(weights + j * W, zero());
    store(dweights + j * W, zero());
  }
}

// accumulate<SUM_LANES> of n rows that are keys `key` on, over the lanes that see each: lanes that see only some of them key by key, then
// the others together.
static inline void accumulate_seeing(int n, const Accumulate& a, const Width& width, const Tile& tile, int64_t key) {
  const int common = tile.first_lane(key + n - 1);
  Accumulate part = a;
  part.to = common;
  for (int i = 0; i + 1 < n; i++) {
    part.from = tile.first_lane(key + i);
    if (part.from == common) continue;
    part.sums = a.sums + i;
    part.weights = a.weights + i * W;
    accumulate<FloatWords, SUM_LANES>(1, part, width);
  }
  part.sums = a.sums;
  part.weights = a.weights;
  part.from = common;
  part.to = tile.lanes;
  accumulate<FloatWords, SUM_LANES>(n, part, width);
}

// One tile of lanes against keys begin to end of its segment; dk and dv are added to, dq starts anew at key 0.
static void backward_tile(const Gradients& g, const KeyRows& rows, const Tile& tile, int64_t begin, int64_t end, const Shape& shape,
                          const BackwardScratch& s) {
  const Width width(shape.E);
  const float* queries[LANES];
  const float* douts[LANES];
  float* dqs[LANES];
  const float* keys[BACKWARD_KEYS];
  const float* values[BACKWARD_KEYS];
  float* dkeys[BACKWARD_KEYS];
  float* dvalues[BACKWARD_KEYS];
  float one[LANES];
  for (int l = 0; l < LANES; l++) one[l] = 1;
  for (int l = 0; l < tile.lanes; l++) {
    const int64_t at = tile.offset(l, shape);
    queries[l] = g.q + at;
    douts[l] = g.dout + at;
    dqs[l] = g.dq + at;
    s.max[l] = g.lse[at / shape.E];
    s.sum[l] = inner_product(g.dout + at, g.out + at, shape.E);
  }
  for (int l = tile.lanes; l < LANES; l++) s.max[l] = s.sum[l] = 0;
  pack_columns<FloatWords>(s.columns, queries, false, tile.lanes, shape.E, shape.scale);
  pack_columns<FloatWords>(s.dcolumns, douts, false, tile.lanes, shape.E, 1);
  end = min64(end, tile.visible(tile.lanes - 1));
  for (int64_t first = begin; first < end; first += BACKWARD_KEYS) {
    const int n = static_cast<int>(min64(BACKWARD_KEYS, end - first));
    for (int j = 0; j < n; j++) {
      const int64_t at = (first + j) * rows.step;
      keys[j] = rows.k + at;
      values[j] = rows.v + at;
      dkeys[j] = rows.dk + at;
      dvalues[j] = rows.dv + at;
    }
    score_chunk<FloatWords, false>(s.weights, keys, n, first, s.columns, tile, shape.E, 1);
    score_chunk<FloatWords, false>(s.dweights, values, n, first, s.dcolumns, tile, shape.E, 1);
    for (int lane = 0; lane < tile.lanes; lane += W) {
      const int last = (lane + W < tile.lanes ? lane + W : tile.lanes) - 1;
      const int full = static_cast<int>(max64(0, min64(n, tile.visible(lane) - first)));
      const int seen = static_cast<int>(max64(0, min64(n, tile.visible(last) - first)));
      if (seen == 0) continue;
      // A block of key rows may reach past the last key that this panel sees: those weights are zero.
      const int zeroes = seen + ROWS < n ? seen + ROWS : n;
      gradient_panel(s.weights + lane / W * PANEL, s.dweights + lane / W * PANEL, full, seen, zeroes, first, lane, tile, s, shape.scale);
      if (!g.queries) continue;
      for (int l = lane; l <= last; l += width.rows()) {
        const int count = last - l + 1 < width.rows() ? last - l + 1 : width.rows();
        if (tile.visible(l + count - 1) <= first) continue;
        accumulate_visible<FloatWords, SUM_KEYS>(count, {dqs + l, s.dweights + lane / W * PANEL + l - lane, keys, 0, 0, first == 0 ? nullptr : one, shape.E}, width, tile, l, first, n);
      }
    }
    if (!g.keys) continue;
    for (int j = 0; j < n; j += width.rows()) {
      const int count = n - j < width.rows() ? n - j : width.rows();
      accumulate_seeing(count, {dvalues + j, s.weights + j * W, douts, 0, 0, one, shape.E}, width, tile, first + j);
      accumulate_seeing(count, {dkeys + j, s.dweights + j * W, queries, 0, 0, one, shape.E}, width, tile, first + j);
    }
  }
}

}  // namespace cria::CRIA_ISA::attention

// Gradients of attention over bf16 by the tile unit (AMX); the formulas are those of backward.h.
// Per block of LANES lanes and 64 keys:
//
//   scores, dp [key][lane]   k and v are left factors as they lie; q and dout right ones, 16 lanes a column of tiles
//   p, ds                    by vectors of lanes, rounded to bf16
//   dq [lane][E]             ds turned, 16 lanes by 32 keys; k in pairs of keys
//   dv, dk [key][E]          p and ds, 16 keys by 32 lanes; dout and q in pairs of lanes
//
// Sums are f32 and stay in scratch until they are whole. Those of dq go over keys in steps of 32
// from the segment's first, those of dk and dv over lanes in steps of 32 from its first: so bits do
// not depend on how a segment is cut or what it is packed with.
//
// Products of tiles a block, E = 64: 160 for 64 lanes (five times 32), 2560 cycles at 16 each,
// beside 3600 for 4096 exponentials.
#pragma once
#include "amx-products.h"
#include "backward.h"

namespace cria::CRIA_ISA::attention {

static inline int64_t wholeTiles(int64_t rows) {
  return (rows + TILE_LANES - 1) / TILE_LANES * TILE_LANES;
}
/** Numbers in a row of sums, words in one of pairs. */
static inline int tileWidth(int E) { return static_cast<int>(wholeTiles(E)); }

struct TileBackwardScratch {
  float *columns, *dcolumns;  // q and dout as right factors over E: [pair of E][LANES]
  float *queries, *douts;     // over lanes: [pair of lanes][tileWidth]
  float* keys;                // k as a right factor over keys: [pair of keys][tileWidth]
  float *weights, *dweights;  // scores and dp: panels
  float *p, *ds;              // left factors over lanes: [key][LANES] bf16
  /** ds as a left factor over keys: [panel][step][lane][16 pairs of keys] */
  float* turned;
  float *keyCopies, *value_copies;
  float* dq;           // sums: [LANES][tileWidth]
  float *lse, *delta;  // [LANES]
  float* apart;        // sums of a strip, [16][tileWidth]
  float *dk, *dv;      // sums of `keys` keys: [keys][tileWidth]

  TileBackwardScratch(void* memory, int E, int64_t keysSummed) {
    float* next = aligned(memory);
    const auto take = [&](int64_t floats) {
      float* here = next;
      next += (floats + 15) / 16 * 16;
      return here;
    };
    const int64_t wide = tileWidth(E), words = static_cast<int64_t>(stepsOf(E)) * TILE_STEP / 2;
    columns = take(words * LANES);
    dcolumns = take(words * LANES);
    queries = take(LANES / 2 * wide);
    douts = take(LANES / 2 * wide);
    keys = take(BACKWARD_KEYS / 2 * wide);
    weights = take(PANELS * PANEL);
    dweights = take(PANELS * PANEL);
    p = take(BACKWARD_KEYS * LANES / 2);
    ds = take(BACKWARD_KEYS * LANES / 2);
    turned = take(BACKWARD_KEYS * LANES / 2);
    keyCopies = take(BACKWARD_KEYS * words);
    value_copies = take(BACKWARD_KEYS * words);
    dq = take(LANES * wide);
    lse = take(LANES);
    delta = take(LANES);
    apart = take(TILE_LANES * wide);
    dk = take(wholeTiles(keysSummed) * wide);
    dv = take(wholeTiles(keysSummed) * wide);
    end = next;
  }
  static size_t bytes(int E, int64_t keysSummed) {
    void* const anywhere = reinterpret_cast<void*>(uintptr_t{64});
    return reinterpret_cast<uintptr_t>(TileBackwardScratch(anywhere, E, keysSummed).end);
  }

 private:
  float* end;
};

/** What a unit reads, all rows of bf16, and which sums it makes. */
struct TileGradients {
  const Bf16 *dout, *q, *out;
  const float* lse;
  const Bf16 *k, *v;  // of the segment's first key
  int64_t step;       // from key to key
  bool queries, keys;
};

/**
 * Rows two by two, number by number side by side, [pair][tileWidth]; `whole`: rows up to which
 * there are zeros.
 */
static inline void pairRowsUp(float* to, const Bf16* const* rows, int n, int whole, int E) {
  const int wide = tileWidth(E);
  for (int i = 0; i < n; i += 2, to += wide) {
    interleaveHalves(rows[i], i + 1 < n ? rows[i + 1] : nullptr, to, E);
    for (int e = E; e < wide; e++) to[e] = 0;
  }
  __builtin_memset(to, 0,
                   static_cast<size_t>((whole + 1) / 2 - (n + 1) / 2) * wide * sizeof(float));
}

/** q, dout and what belongs to them, of a tile of lanes */
static inline void gatherLanes(const TileGradients& g, const Tile& tile, const Shape& shape,
                               const TileBackwardScratch& s) {
  const Bf16* queries[LANES];
  const Bf16* douts[LANES];
  for (int l = 0; l < tile.lanes; l++) {
    const int64_t at = tile.offset(l, shape);
    queries[l] = g.q + at;
    douts[l] = g.dout + at;
    s.lse[l] = g.lse[at / shape.E];
    s.delta[l] = innerProduct(g.dout + at, g.out + at, true, shape.E);
  }
  for (int l = tile.lanes; l < LANES; l++) s.lse[l] = s.delta[l] = 0;
  packColumns<PairWords>(s.columns, queries, true, tile.lanes, shape.E, 1);
  packColumns<PairWords>(s.dcolumns, douts, true, tile.lanes, shape.E, 1);
  finishColumns(s.columns, shape.E);
  finishColumns(s.dcolumns, shape.E);
  if (!g.keys) return;
  pairRowsUp(s.queries, queries, tile.lanes, LANES, shape.E);
  pairRowsUp(s.douts, douts, tile.lanes, LANES, shape.E);
}

/**
 * p = exp(score - lse) and ds = scale p (dp - delta) of one key and W lanes from `lane` on; zero
 * where a lane is none or does not see it.
 */
static inline void gradientsOf(const TileBackwardScratch& s, const Tile& tile, int lane, int key,
                               int n, int64_t first, float scale, V& p, V& ds) {
  const int hidden = key < n ? tile.firstLane(first + key) - lane : W, live = tile.lanes - lane;
  p = ds = zero();
  if (hidden >= W || live <= 0) return;
  const int at = lane / W * PANEL + key * W;
  const V factor = set1(scale);
  p = exp(sub(mul(load(s.weights + at), factor), load(s.lse + lane)));
  ds = mul(mul(p, sub(load(s.dweights + at), load(s.delta + lane))), factor);
  if (live < W) p = select(live, p, zero()), ds = select(live, ds, zero());
  if (hidden > 0) p = select(hidden, zero(), p), ds = select(hidden, zero(), ds);
}

/** All of a block, as left factors. */
static inline void gradientFactors(const TileBackwardScratch& s, const Tile& tile, int n,
                                   int64_t first, float scale) {
  const int whole = stepsOf(n) * TILE_STEP;
  for (int lane = 0; lane < LANES; lane += 2 * W) {
    for (int key = 0; key < whole; key += 2) {
      V p[2][2], ds[2][2];
      CRIA_UNROLL for (int i = 0; i < 2; i++) {
        CRIA_UNROLL for (int j = 0; j < 2; j++)
            gradientsOf(s, tile, lane + j * W, key + i, n, first, scale, p[i][j], ds[i][j]);
        store(s.p + (key + i) * (LANES / 2) + lane / 2, pairsOf(p[i][0], p[i][1]));
        store(s.ds + (key + i) * (LANES / 2) + lane / 2, pairsOf(ds[i][0], ds[i][1]));
      }
      CRIA_UNROLL for (int j = 0; j < 2; j++)
          store(s.turned + (lane + j * W) * (BACKWARD_KEYS / 2) + key / 2 * W,
                pairLanes(ds[0][j], ds[1][j]));
    }
  }
  for (int lane = 0; lane < LANES; lane += W) {
    for (int step = 0; step < stepsOf(n); step++) {
      float* tileRows = s.turned + lane * (BACKWARD_KEYS / 2) + step * W * W;
      V block[W];
      for (int i = 0; i < W; i++) block[i] = load(tileRows + i * W);
      transpose(block);
      for (int i = 0; i < W; i++) store(tileRows + i * W, block[i]);
    }
  }
}

/** sums [row][tileWidth] += left by pairs [pair][tileWidth], strips of 16 rows */
static inline void addProducts(float* sums, const TileStrip* left, int count, const float* pairs,
                               int steps, int E) {
  const int64_t wide = tileWidth(E), row = wide * static_cast<int64_t>(sizeof(float));
  TileStrip rights[256 / W];
  for (int c = 0; c < wide / W; c++) rights[c] = {pairs + c * W, row, row * (TILE_STEP / 2)};
  tileProducts(left, count, rights, static_cast<int>(wide / W), steps, false,
               [&](int l, int r) { return TilePlace{sums + l * TILE_LANES * wide + r * W, row}; });
}

/** The same for one row of a strip alone: the others keep their sums. */
static inline void addRow(float* sums, const TileStrip& left, int row, const float* pairs,
                          int steps, int E, float* apart) {
  const int64_t wide = tileWidth(E);
  __builtin_memcpy(apart, sums, TILE_LANES * wide * sizeof(float));
  addProducts(apart, &left, 1, pairs, steps, E);
  __builtin_memcpy(sums + row * wide, apart + row * wide, wide * sizeof(float));
}

/**
 * dq of a block. Keys that some lanes do not see and that are infinite or no numbers: lane by lane,
 * as in amx-forward.h.
 */
static inline void addQueries(const TileBackwardScratch& s, const Tile& tile, int n, int64_t first,
                              int E) {
  TileStrip left[PANELS];
  const int unseen = tile.firstLane(first) / W, count = (tile.lanes + W - 1) / W,
            wide = tileWidth(E);
  for (int i = 0; i < count; i++)
    left[i] = {s.turned + i * W * (BACKWARD_KEYS / 2), W * sizeof(float), W * W * sizeof(float)};
  const int common = static_cast<int>(max64(0, min64(n, tile.visible(0) - first)));
  if (common == n || !holdsInfinite(s.keys, common, n, wide)) {
    return addProducts(s.dq + unseen * W * wide, left + unseen, count - unseen, s.keys, stepsOf(n),
                       E);
  }
  int shown = n;
  for (int l = tile.lanes - 1; l >= 0; l--) {
    const int seen = static_cast<int>(max64(0, min64(n, tile.visible(l) - first)));
    if (seen == 0) return;
    hideRows(s.keys, seen, shown, wide);
    shown = seen;
    addRow(s.dq + l / W * W * wide, left[l / W], l % W, s.keys, stepsOf(n), E, s.apart);
  }
}

/** dk and dv of a block, the sums from `at` on; likewise key by key for rows of q and dout. */
static inline void addKeys(const TileBackwardScratch& s, const Tile& tile, int n, int64_t first,
                           int64_t at, int E) {
  TileStrip p[BACKWARD_KEYS / TILE_LANES], ds[BACKWARD_KEYS / TILE_LANES];
  const int count = (n + TILE_LANES - 1) / TILE_LANES, wide = tileWidth(E),
            steps = stepsOf(tile.lanes);
  const int64_t row = LANES / 2 * sizeof(float), step = TILE_STEP / 2 * sizeof(float);
  for (int i = 0; i < count; i++) {
    p[i] = {s.p + i * TILE_LANES * (LANES / 2), row, step};
    ds[i] = {s.ds + i * TILE_LANES * (LANES / 2), row, step};
  }
  float *dk = s.dk + at * wide, *dv = s.dv + at * wide;
  const int partly = tile.firstLane(first + n - 1);
  if (partly == 0 ||
      !(holdsInfinite(s.douts, 0, partly, wide) || holdsInfinite(s.queries, 0, partly, wide))) {
    addProducts(dv, p, count, s.douts, steps, E);
    return addProducts(dk, ds, count, s.queries, steps, E);
  }
  for (int key = 0; key < n; key++) {
    const int hidden = tile.firstLane(first + key), strip = key / TILE_LANES, even = hidden & ~1;
    hideRows(s.douts, 0, even, wide);
    hideRows(s.queries, 0, even, wide);
    if (hidden != even) {
      hideFirst(s.douts, even, wide);
      hideFirst(s.queries, even, wide);
    }
    addRow(dv + strip * TILE_LANES * wide, p[strip], key % TILE_LANES, s.douts, steps, E, s.apart);
    addRow(dk + strip * TILE_LANES * wide, ds[strip], key % TILE_LANES, s.queries, steps, E,
           s.apart);
  }
}

/**
 * One tile of lanes against keys begin to end of its segment; dk and dv are sums from key `begin`
 * on, added to; dq is made anew.
 */
static inline void tileGradients(const TileGradients& g, const Tile& tile, int64_t begin,
                                 int64_t end, const Shape& shape, const TileBackwardScratch& s) {
  const int E = shape.E;
  gatherLanes(g, tile, shape, s);
  if (g.queries)
    __builtin_memset(s.dq, 0, static_cast<size_t>(LANES) * tileWidth(E) * sizeof(float));
  end = min64(end, tile.visible(tile.lanes - 1));
  for (int64_t first = begin; first < end; first += BACKWARD_KEYS) {
    const int n = static_cast<int>(min64(BACKWARD_KEYS, end - first));
    const Bf16* halves[BACKWARD_KEYS];
    const float* keys[BACKWARD_KEYS];
    const float* values[BACKWARD_KEYS];
    for (int j = 0; j < n; j++) {
      halves[j] = g.k + (first + j) * g.step;
      keys[j] = reinterpret_cast<const float*>(halves[j]);
      values[j] = reinterpret_cast<const float*>(g.v + (first + j) * g.step);
    }
    TileStrip strips[BACKWARD_KEYS / TILE_LANES];
    int count = rowStrips(strips, keys, n, n, 2 * g.step, E, s.keyCopies);
    tileScores(s.weights, strips, count, first, tile, s.columns, E);
    count = rowStrips(strips, values, n, n, 2 * g.step, E, s.value_copies);
    tileScores(s.dweights, strips, count, first, tile, s.dcolumns, E);
    gradientFactors(s, tile, n, first, shape.scale);
    if (g.queries) {
      pairRowsUp(s.keys, halves, n, stepsOf(n) * TILE_STEP, E);
      addQueries(s, tile, n, first, E);
    }
    if (g.keys) addKeys(s, tile, n, first, first - begin, E);
  }
}

}  // namespace cria::CRIA_ISA::attention

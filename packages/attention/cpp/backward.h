// Backward attention: probabilities are made again tile by tile from q, k and the stored
// log-sum-exp (Dao et al. 2022).
//   dv[j] += p[j] dout   dp[j] = dout . v[j]   ds[j] = scale p[j] (dp[j] - dout . out)
//   dq += ds[j] k[j]   dk[j] += ds[j] q
#pragma once
#include "forward.h"

namespace cria::CRIA_ISA::attention {

/** Keys a step: scores and their gradients of a tile stay in the first-level cache. */
constexpr int BACKWARD_KEYS = 64;

// bf16 is multiplied in pairs where the instruction set can.
#ifdef CRIA_ATTENTION_PAIRS
using BackwardWords = PairWords;
#else
using BackwardWords = FloatWords;
#endif

/**
 * Keys and values of a segment's rows of one key/value head, and sums of their gradients. `from`:
 * the first row of those.
 */
struct KeyRows {
  Source rows;  // not paged
  float* dk;
  float* dv;
  int64_t step;  // of dk and dv, in numbers
  int64_t from;
};

struct BackwardScratch {
  float* columns;   // q, transposed and scaled: [E][LANES]
  float* dcolumns;  // dout, transposed
  float* weights;   // panels: scores, then probabilities
  float* dweights;  // panels: their gradients
  /** probabilities of lanes in twos, as [panel of words][KEYS][W]: what sums over lanes multiply */
  float* words;
  float* dwords;    // their gradients
  float* keyWords;  // gradients of keys in twos, as panels: what sums over keys multiply
  float* max;       // lse of each lane: [LANES]
  float* sum;       // dout . out of each lane: [LANES]
  float* queries;   // rows of q as words, two lanes to a row of pairs: [LANES][E] at most
  float* douts;     // rows of dout
  float* keys;      // converted keys of a step: [BACKWARD_KEYS][E] at most
  float* values;    // converted values
  float* keyPairs;  // keys in twos
  float* dq;        // sums of a tile, where they are rounded at the end: [LANES][E]
  float* dk;        // sums of `keys` keys
  float* dv;

  BackwardScratch(void* memory, int E, int64_t keys) {
    float* next = aligned(memory);
    const auto take = [&](size_t count) { return (next += count) - count; };
    const size_t wide = static_cast<size_t>(E) * LANES, panels = PANELS * PANEL,
                 step = static_cast<size_t>(E) * BACKWARD_KEYS;
    columns = take(wide);
    dcolumns = take(wide);
    weights = take(panels);
    dweights = take(panels);
    words = take(panels / 2);
    dwords = take(panels / 2);
    keyWords = take(panels / 2);
    max = take(LANES);
    sum = take(LANES);
    queries = take(wide);
    douts = take(wide);
    this->keys = take(step);
    values = take(step);
    keyPairs = take(step);
    dq = take(wide);
    dk = take(static_cast<size_t>(keys) * E);
    dv = take(static_cast<size_t>(keys) * E);
  }
  static size_t bytes(int E, int64_t keys) {
    const size_t rows = 5 * LANES + 3 * BACKWARD_KEYS + 2 * static_cast<size_t>(keys);
    return (rows * E + PANELS * PANEL / 2 * 7 + 2 * LANES) * sizeof(float) + 64;
  }
};

struct Gradients {
  void* dq;
  const void* dout;
  const void* q;
  const void* out;
  const float* lse;
  bool half;           // all but lse are bf16
  bool queries, keys;  // which to compute
};

static inline V numbers(const void* row, bool half, int e, int n) {
  return half ? load(static_cast<const Bf16*>(row) + e, n)
              : load(static_cast<const float*>(row) + e, n);
}

static inline float innerProduct(const void* a, const void* b, bool half, int E) {
  V sum = zero();
  for (int e = 0; e < E; e += W) {
    const int rest = E - e < W ? E - e : W;
    sum = fma(numbers(a, half, e, rest), numbers(b, half, e, rest), sum);
  }
  return reduceAdd(sum);
}

/**
 * Rows of n lanes as words, what sums over lanes add up: as they lie, widened, or two to a row of
 * pairs.
 */
template <class Words>
static inline void laneRows(const char* const* rows, bool half, int n, int E, float* room,
                            const float** to) {
#ifdef CRIA_ATTENTION_PAIRS
  if constexpr (Words::STEP == 2) {
    for (int l = 0; l < n; l += 2, room += E) {
      interleaveHalves(reinterpret_cast<const Bf16*>(rows[l]),
                       l + 1 < n ? reinterpret_cast<const Bf16*>(rows[l + 1]) : nullptr, room, E);
      to[l / 2] = room;
    }
    return;
  }
#endif
  for (int l = 0; l < n; l++)
    to[l] = half ? widened<Stored::bf16>(rows[l], room + static_cast<size_t>(l) * E, E)
                 : reinterpret_cast<const float*>(rows[l]);
}

/**
 * Panels as words. Lanes in twos: [panel of words][KEYS][W], all of whose lanes are made, seen or
 * not.
 */
template <class Words>
static inline void wordsOfLanes(float* words, const float* panels, int lanes, int keys) {
#ifdef CRIA_ATTENTION_PAIRS
  if constexpr (Words::STEP == 2) {
    for (int lane = 0; lane < lanes; lane += 2 * W) {
      const float* panel = panels + lane / W * PANEL;
      float* to = words + lane / W / 2 * PANEL;
      for (int j = 0; j < keys; j++)
        store(to + j * W, pairsOf(load(panel + j * W), load(panel + PANEL + j * W)));
    }
  }
#endif
  (void)words, (void)panels, (void)lanes, (void)keys;
}

/** Keys in twos: [panel][KEYS / 2][W]. */
template <class Words>
static inline void wordsOfKeys(float* words, const float* panel, int keys) {
  if constexpr (Words::STEP == 2) {
    for (int j = 0; j < keys; j += 2)
      storePair<Words>(words, j, load(panel + j * W),
                       j + 1 < keys ? load(panel + (j + 1) * W) : zero());
  }
  (void)words, (void)panel, (void)keys;
}

/** Keys of a block against W lanes from `lane` on: which of them the lanes see. */
struct PanelKeys {
  /** The first key in its segment. */
  int64_t first;
  /** All lanes see `full` of them, some see `seen`; p and ds of the rest, to `end`, are zero. */
  int full, seen, end;
  int lane;
};

/**
 * One panel: scores -> p, dp -> ds; both zero where a lane does not see a key.
 *     lse in s.max, delta in s.sum
 */
static inline void gradientPanel(float* weights, float* dweights, const PanelKeys& keys,
                                 const Tile& tile, const BackwardScratch& s, float scale) {
  const bool windowed = tile.hides(keys.first);
  const V lse = load(s.max + keys.lane), delta = load(s.sum + keys.lane), factor = set1(scale);
  for (int j = 0; j < keys.seen; j++) {
    V p = exp(sub(load(weights + j * W), lse)),
      ds = mul(mul(p, sub(load(dweights + j * W), delta)), factor);
    if (j >= keys.full) {
      const int hidden = tile.firstLane(keys.first + j) - keys.lane;
      p = select(hidden, zero(), p);
      ds = select(hidden, zero(), ds);
    }
    if (windowed) {
      const int seeing = tile.endLane(keys.first + j) - keys.lane;
      p = select(seeing, p, zero());
      ds = select(seeing, ds, zero());
    }
    store(weights + j * W, p);
    store(dweights + j * W, ds);
  }
  for (int j = keys.seen; j < keys.end; j++) {
    store(weights + j * W, zero());
    store(dweights + j * W, zero());
  }
}

/**
 * accumulate<SUM_LANES> of n rows that are keys `key` on, over the lanes that see each: lanes that
 * see only some of them key by key, then the others together.
 */
template <class Words>
static inline void accumulateSeeing(int n, const Accumulate& a, const Width& width,
                                    const Tile& tile, int64_t key) {
  constexpr int STEP = Words::STEP;
  if (tile.endLane(key) < tile.lanes) {
    Accumulate part = a;
    for (int i = 0; i < n; i++) {
      part.sums = a.sums + i;
      part.weights = a.weights + i * W;
      accumulateRange<Words, SUM_LANES>(
          part, width, tile.firstLane(key + i), tile.endLane(key + i),
          [&](int word) { return part.weights[word / W * PANEL + word % W]; });
    }
    return;
  }
  const int last = tile.firstLane(key + n - 1), words = (tile.lanes + STEP - 1) / STEP,
            common = last == tile.lanes ? words : (last + STEP - 1) / STEP;
  Accumulate part = a;
  part.to = common;
  for (int i = 0; i < n; i++) {
    const int lane = tile.firstLane(key + i);
    part.from = (lane + STEP - 1) / STEP;
    part.sums = a.sums + i;
    part.weights = a.weights + i * W;
    if (STEP > 1 && lane % STEP != 0 && lane < tile.lanes) {
      const int word = lane / STEP;
      accumulateSecondOfPair(part.sums[0], part.weights[word / W * PANEL + word % W],
                             a.values[word], a.E);
    }
    if (part.from < common) accumulate<Words, SUM_LANES>(1, part, width);
  }
  part.sums = a.sums;
  part.weights = a.weights;
  part.from = common;
  part.to = words;
  accumulate<Words, SUM_LANES>(n, part, width);
}

/** Sums as they are stored: bf16. */
static inline void roundRow(void* to, const float* sums, int E) {
  for (int e = 0; e < E; e += W) {
    const int rest = E - e < W ? E - e : W;
    store(static_cast<Bf16*>(to) + e, load(sums + e, rest), rest);
  }
}

/**
 * One tile of lanes against keys begin to end of its segment; dk and dv are added to, dq starts
 * anew at the first key that it sees.
 */
template <class Words>
static void backwardTile(const Gradients& g, const KeyRows& rows, const Tile& tile, int64_t begin,
                         int64_t end, const Shape& shape, const BackwardScratch& s) {
  constexpr int STEP = Words::STEP;
  const int E = shape.E, size = g.half ? 2 : 4;
  const Width width(E);
  const char* queries[LANES];
  const char* douts[LANES];
  const float* queryRows[LANES];
  const float* doutRows[LANES];
  float* dqs[LANES];
  const float* keys[BACKWARD_KEYS];
  const float* values[BACKWARD_KEYS];
  const float* keyPairs[BACKWARD_KEYS];
  float* dkeys[BACKWARD_KEYS];
  float* dvalues[BACKWARD_KEYS];
  int64_t places[BACKWARD_KEYS];
  float one[LANES];
  for (int l = 0; l < LANES; l++) one[l] = 1;
  for (int l = 0; l < tile.lanes; l++) {
    const int64_t at = tile.offset(l, shape) * size;
    queries[l] = static_cast<const char*>(g.q) + at;
    douts[l] = static_cast<const char*>(g.dout) + at;
    dqs[l] = g.half ? s.dq + static_cast<size_t>(l) * E
                    : reinterpret_cast<float*>(static_cast<char*>(g.dq) + at);
    s.max[l] = g.lse[tile.headRow(l, shape)];
    s.sum[l] = innerProduct(douts[l], static_cast<const char*>(g.out) + at, g.half, E);
  }
  for (int l = tile.lanes; l < LANES; l++) s.max[l] = s.sum[l] = 0;
  packColumns<Words>(s.columns, queries, g.half, tile.lanes, E, shape.scale);
  packColumns<Words>(s.dcolumns, douts, g.half, tile.lanes, E, 1);
  if (g.keys) {
    laneRows<Words>(queries, g.half, tile.lanes, E, s.queries, queryRows);
    laneRows<Words>(douts, g.half, tile.lanes, E, s.douts, doutRows);
  }
  begin = max64(begin, tile.start(0) / BACKWARD_KEYS * BACKWARD_KEYS);
  end = min64(end, tile.visible(tile.lanes - 1));
  for (int64_t first = begin; first < end; first += BACKWARD_KEYS) {
    const int n = static_cast<int>(min64(BACKWARD_KEYS, end - first));
    for (int j = 0; j < n; j++) {
      places[j] = rows.rows.place(first + j);
      dkeys[j] = rows.dk + (first + j - rows.from) * rows.step;
      dvalues[j] = rows.dv + (first + j - rows.from) * rows.step;
    }
    keyRows<Words>(rows.rows.stored, rows.rows.keys, places, n, E, s.keys, keys);
    keyRows<Words>(rows.rows.stored, rows.rows.values, places, n, E, s.values, values);
    if (STEP > 1 && g.queries)
      value_rows<Words>(rows.rows.stored, rows.rows.keys, places, n, E, s.keyPairs, keyPairs);
    scoreChunk<Words, false>(s.weights, keys, n, first, s.columns, tile, E / STEP, shape.scale);
    scoreChunk<Words, false>(s.dweights, values, n, first, s.dcolumns, tile, E / STEP, 1);
    for (int lane = 0; lane < tile.lanes; lane += W) {
      const int last = (lane + W < tile.lanes ? lane + W : tile.lanes) - 1;
      const int full = static_cast<int>(max64(0, min64(n, tile.visible(lane) - first)));
      const int seen = static_cast<int>(max64(0, min64(n, tile.visible(last) - first)));
      if (seen == 0) continue;
      // A block of key rows may reach past the last key that this panel sees: those weights are
      // zero.
      const int zeroes = seen + ROWS < n ? seen + ROWS : n;
      float* dweights = s.dweights + lane / W * PANEL;
      gradientPanel(s.weights + lane / W * PANEL, dweights, {first, full, seen, zeroes, lane}, tile,
                    s, shape.scale);
      if (!g.queries) continue;
      const float* weights = STEP == 1 ? dweights : s.keyWords;
      wordsOfKeys<Words>(s.keyWords, dweights, seen);
      for (int l = lane; l <= last; l += width.rows()) {
        const int count = last - l + 1 < width.rows() ? last - l + 1 : width.rows();
        if (tile.visible(l + count - 1) <= first) continue;
        const Accumulate a{dqs + l,
                           weights + l - lane,
                           STEP == 1 ? keys : keyPairs,
                           0,
                           0,
                           first == begin ? nullptr : one,
                           E};
        accumulateVisible<Words, SUM_KEYS>(count, a, width, tile, l, first, n);
      }
    }
    if (!g.keys) continue;
    wordsOfLanes<Words>(s.words, s.weights, tile.lanes, n);
    wordsOfLanes<Words>(s.dwords, s.dweights, tile.lanes, n);
    const float *weights = STEP == 1 ? s.weights : s.words,
                *dweights = STEP == 1 ? s.dweights : s.dwords;
    for (int j = 0; j < n; j += width.rows()) {
      const int count = n - j < width.rows() ? n - j : width.rows();
      accumulateSeeing<Words>(count, {dvalues + j, weights + j * W, doutRows, 0, 0, one, E}, width,
                              tile, first + j);
      accumulateSeeing<Words>(count, {dkeys + j, dweights + j * W, queryRows, 0, 0, one, E}, width,
                              tile, first + j);
    }
  }
  if (!g.half || !g.queries) return;
  for (int l = 0; l < tile.lanes; l++)
    roundRow(static_cast<Bf16*>(g.dq) + tile.offset(l, shape), dqs[l], E);
}

}  // namespace cria::CRIA_ISA::attention

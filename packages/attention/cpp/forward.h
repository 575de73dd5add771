// Forward attention: full, packed, chunked and paged, one routine for all.
//
// Keys are walked in chunks of KEYS, counted from the first key of the segment or sequence. Each
// chunk is summed by itself and joined to those before it. So the chunks of a long sequence may be
// summed by different threads: the bits are the same.
#pragma once
#include "softmax.h"

namespace cria::CRIA_ISA::attention {

static inline int64_t chunksOf(int64_t keys) { return (keys + KEYS - 1) / KEYS; }

struct Scratch {
  float* columns;    // q, transposed and scaled: [E][LANES]
  float* weights;    // scores, then probabilities: panels, or [lanes][KEYS] of few
  float* words;      // probabilities as words, where these are not floats
  float* sums;       // of a chunk: [LANES][E]
  float* totals;     // of the chunks so far: [LANES][E]
  float* room;       // converted keys and values
  float* old;        // what totals shrink by: [LANES]
  float* fresh;      // what sums shrink by: [LANES]
  Statistics chunk;  // of a chunk
  Statistics total;  // of the chunks so far

  Scratch(void* memory, int E) {
    const size_t wide = static_cast<size_t>(E) * LANES;
    columns = aligned(memory);
    weights = columns + wide;
    words = weights + PANELS * PANEL;
    sums = words + PANELS * PANEL / 2;
    totals = sums + wide;
    old = totals + wide;
    fresh = old + LANES;
    chunk = {fresh + LANES, fresh + 2 * LANES};
    total = {fresh + 3 * LANES, fresh + 4 * LANES};
    room = fresh + 5 * LANES;
  }
  static size_t bytes(int E) {
    return (3 * static_cast<size_t>(E) * LANES + PANELS * PANEL / 2 * 3 + 6 * LANES) *
               sizeof(float) +
           convertedBytes(E) + 64;
  }
};

/** sums[0 .. E] += the product of one pair whose second key is hidden */
static inline void accumulateFirstOfPair(float* sums, float word, const float* values, int E) {
#ifdef CRIA_ATTENTION_PAIRS
  for (int e = 0; e < E; e += W) {
    const int rest = E - e < W ? E - e : W;
    store(sums + e, dot(set1(word), lowHalves(load(values + e, rest)), load(sums + e, rest)), rest);
  }
#endif
  (void)sums, (void)word, (void)values, (void)E;
}

/** sums[0 .. E] += the product of one pair whose first summand is hidden */
static inline void accumulateSecondOfPair(float* sums, float word, const float* values, int E) {
#ifdef CRIA_ATTENTION_PAIRS
  for (int e = 0; e < E; e += W) {
    const int rest = E - e < W ? E - e : W;
    store(sums + e,
          dot(highHalves(set1(word)), highHalves(load(values + e, rest)), load(sums + e, rest)),
          rest);
  }
#endif
  (void)sums, (void)word, (void)values, (void)E;
}

/**
 * accumulate<S> of one row over the summands from `from` to `to`, in numbers: the ends may cut a
 * pair. weight(word): of that word
 */
template <class Words, Summed S, class Weight>
static inline void accumulateRange(Accumulate part, const Width& width, int from, int to,
                                   Weight weight) {
  constexpr int STEP = Words::STEP;
  static const float one[1] = {1};
  if (part.factors == nullptr)
    __builtin_memset(part.sums[0], 0, static_cast<size_t>(part.E) * sizeof(float));
  part.factors = one;
  if (from >= to) return;
  if (from % STEP != 0) {
    accumulateSecondOfPair(part.sums[0], weight(from / STEP), part.values[from / STEP], part.E);
    from++;
  }
  part.from = from / STEP;
  part.to = to / STEP;
  if (part.to > part.from) accumulate<Words, S>(1, part, width);
  if (to % STEP != 0 && to > from)
    accumulateFirstOfPair(part.sums[0], weight(to / STEP), part.values[to / STEP], part.E);
}

/**
 * accumulate<S> of n rows that are lanes `lane` on, over those of `keys` keys from `first` on that
 * each sees: the keys that all see together, the others row by row, because a hidden value that is
 * not finite must not be multiplied by a weight of zero.
 */
template <class Words, Summed S>
static inline void accumulateVisible(int n, const Accumulate& a, const Width& width,
                                     const Tile& tile, int lane, int64_t first, int keys) {
  constexpr int STEP = Words::STEP, NEXT_ROW = S == SUM_KEYS ? 1 : KEYS / STEP,
                NEXT = S == SUM_KEYS ? W : 1;
  static const float one[ROWS] = {1, 1, 1, 1, 1, 1, 1, 1};
  Accumulate part = a;
  if (tile.hides(first)) {
    for (int i = 0; i < n; i++) {
      part.sums = a.sums + i;
      part.weights = a.weights + i * NEXT_ROW;
      const int64_t seen = min64(keys, tile.visible(lane + i) - first),
                    hidden = max64(0, tile.start(lane + i) - first);
      accumulateRange<Words, S>(part, width, static_cast<int>(min64(keys, hidden)),
                                static_cast<int>(max64(0, seen)),
                                [&](int word) { return part.weights[word * NEXT]; });
    }
    return;
  }
  const int common = static_cast<int>(max64(0, min64(keys, tile.visible(lane) - first)));
  part.from = 0;
  // the pair of the last key holds nothing else
  part.to = common == keys ? (keys + STEP - 1) / STEP : common / STEP;
  accumulate<Words, S>(n, part, width);
  if (common == keys) return;
  part.from = part.to;
  part.factors = one;
  for (int i = STEP == 1 ? 1 : 0; i < n; i++) {
    const int seen = static_cast<int>(max64(0, min64(keys, tile.visible(lane + i) - first)));
    part.to = seen / STEP;
    part.sums = a.sums + i;
    part.weights = a.weights + i * NEXT_ROW;
    if (part.to > part.from) accumulate<Words, S>(1, part, width);
    if (STEP > 1 && seen % STEP != 0)
      accumulateFirstOfPair(part.sums[0], part.weights[part.to * NEXT], a.values[part.to], a.E);
  }
}

/**
 * Sums, maximum and sum of exponentials of one chunk of keys, from `first` up to `end`, which is
 * seen by the last lane at most. Lanes that see none have no sums, and statistics of nothing.
 */
template <class Words>
static void chunkSums(const Tile& tile, const Shape& shape, const Scratch& s, const Source& source,
                      int64_t first, int64_t end) {
  const Width width(shape.E);
  const int n = inChunk(end - first);
  float* words = Words::STEP == 1 ? s.weights : s.words;
  float* sums[LANES];
  Chunk chunk;
  for (int l = 0; l < tile.lanes; l++) sums[l] = s.sums + static_cast<size_t>(l) * shape.E;
  storedRows<Words>(source, first, n, shape.E, s.room, chunk);
  scoreChunk<Words, true>(s.weights, chunk.keys, n, first, s.columns, tile, shape.E / Words::STEP,
                          shape.scale);
  if (few(tile)) {
    if (tile.hides(first)) hideBeforeWindow(s.weights, n, first, tile);
    softmaxLanes<Words>(s.weights, words, n, first, tile, s.chunk);
    const int parts = (tile.lanes + width.rows() - 1) / width.rows(),
              rows = (tile.lanes + parts - 1) / parts;
    for (int l = 0; l < tile.lanes; l += rows) {
      const Accumulate a{sums + l, words + l * (KEYS / Words::STEP), chunk.values, 0, 0, nullptr,
                         shape.E};
      accumulateVisible<Words, SUM_KEYS_FEW>(tile.lanes - l < rows ? tile.lanes - l : rows, a,
                                             width, tile, l, first, n);
    }
    return;
  }
  for (int lane = 0; lane < tile.lanes; lane += W) {
    const int last = (lane + W < tile.lanes ? lane + W : tile.lanes) - 1;
    const int seen = inChunk(tile.visible(last) - first);
    if (seen == 0) {
      store(s.chunk.max + lane, set1(LEAST));
      store(s.chunk.sum + lane, zero());
      continue;
    }
    float* panel = words + lane / W * (PANEL / Words::STEP);
    if (tile.hides(first)) hideBeforeWindow(s.weights + lane / W * PANEL, seen, first, lane, tile);
    softmaxPanel<Words>(s.weights + lane / W * PANEL, panel, inChunk(tile.visible(lane) - first),
                        seen, first, lane, tile, s.chunk);
    for (int l = lane; l <= last; l += width.rows()) {
      const int rows = last - l + 1 < width.rows() ? last - l + 1 : width.rows();
      const Accumulate a{sums + l, panel + l - lane, chunk.values, 0, 0, nullptr, shape.E};
      accumulateVisible<Words, SUM_KEYS>(rows, a, width, tile, l, first, n);
    }
  }
}

/**
 * The next chunk of W lanes joins those before it: M' = max(M, m)
 *     old = exp(M - M')   fresh = exp(m - M')   L' = fresh l + old L
 */
static inline void joinStatistics(float* M, float* L, const float* m, const float* l, float* old,
                                  float* fresh) {
  const V most = max(load(M), load(m)), shrink = exp(sub(load(M), most)),
          grow = exp(sub(load(m), most));
  store(L, fma(load(l), grow, mul(load(L), shrink)));
  store(M, most);
  store(old, shrink);
  store(fresh, grow);
}

/** total = fresh sums + old total */
static inline void joinSums(float* total, const float* sums, float old, float fresh, int E) {
  const V shrink = set1(old), grow = set1(fresh);
  for (int e = 0; e < E; e += W) {
    const int rest = E - e < W ? E - e : W;
    store(total + e, fma(load(sums + e, rest), grow, mul(load(total + e, rest), shrink)), rest);
  }
}

/** Where results go: f32, or bf16 where `half`. */
struct Results {
  void* out;
  float* lse;  // may be null
  bool half;

  /** Row of [T, H]: out = sums / L, lse = M + log L */
  void finish(int64_t row, const float* sums, float M, float L, int E) const {
    const V scale = set1(1.0f / L);
    for (int e = 0; e < E; e += W) {
      const int rest = E - e < W ? E - e : W;
      // + 0: a sum of hidden keys may have turned -0 into 0
      const V y = fma(load(sums + e, rest), scale, zero());
      if (half) {
        store(static_cast<Bf16*>(out) + row * E + e, y, rest);
      } else {
        store(static_cast<float*>(out) + row * E + e, y, rest);
      }
    }
    if (lse) lse[row] = static_cast<float>(M + naturalLog(L));
  }
};

struct Queries {
  const void* q;
  bool half;  // bf16

  template <class Words>
  void pack(const Tile& tile, const Shape& shape, const Scratch& s) const {
    const char* rows[LANES];
    for (int l = 0; l < tile.lanes; l++)
      rows[l] = static_cast<const char*>(q) + tile.offset(l, shape) * (half ? 2 : 4);
    packColumns<Words>(s.columns, rows, half, tile.lanes, shape.E, shape.scale);
  }
};

/** A tile against all keys that it sees. */
template <class Words>
static void forwardTile(const Results& results, const Queries& queries, const Tile& tile,
                        const Shape& shape, const Scratch& s, const Source& source) {
  [[maybe_unused]] const typename Words::Hold hold;
  queries.pack<Words>(tile, shape, s);
  const int64_t begin = tile.start(0) / KEYS * KEYS, end = tile.visible(tile.lanes - 1);
  // The first chunk is the total of itself; lanes whose window begins later have nothing there, to
  // which the next chunk is joined unchanged.
  Scratch first = s;
  first.sums = s.totals;
  first.chunk = s.total;
  chunkSums<Words>(tile, shape, first, source, begin, end);
  for (int64_t key = begin + KEYS; key < end; key += KEYS) {
    chunkSums<Words>(tile, shape, s, source, key, end);
    for (int l = 0; l < tile.lanes; l += W)
      joinStatistics(s.total.max + l, s.total.sum + l, s.chunk.max + l, s.chunk.sum + l, s.old + l,
                     s.fresh + l);
    for (int l = tile.firstLane(key); l < tile.lanes; l++) {
      joinSums(s.totals + static_cast<size_t>(l) * shape.E,
               s.sums + static_cast<size_t>(l) * shape.E, s.old[l], s.fresh[l], shape.E);
    }
  }
  for (int l = 0; l < tile.lanes; l++) {
    results.finish(tile.headRow(l, shape), s.totals + static_cast<size_t>(l) * shape.E,
                   s.total.max[l], s.total.sum[l], shape.E);
  }
}

}  // namespace cria::CRIA_ISA::attention

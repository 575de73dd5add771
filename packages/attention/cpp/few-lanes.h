// A chunk of keys of a sequence that has few lanes a head, one new row above all: decoding, which
// is bound by reading the cache.
//
// Heads lie side by side in a row of the cache. Some rows at a time are taken through all heads, so
// that memory is read in the order in which it lies, and those that come next are fetched
// meanwhile: one Zen 4 core reads 9 GB/s head by head, and 29 to 37 in order. Sums are the chains
// of `chunkSums`, so are the bits.
#pragma once
#include "partials.h"

namespace cria::CRIA_ISA::attention {

/** Keys that are taken through all heads together, an even number. */
constexpr int STEP_KEYS = 32;

/**
 * Heads of one sequence, side by side from that of `tile` on; each has tile.lanes lanes, all
 * together LANES at most.
 */
struct Heads {
  Tile tile;
  int count;
  int lanes() const { return count * tile.lanes; }
};

/**
 * Rows that come next, keys or values of all heads, on their way to the second-level cache: a few
 * lines at a time, in the order in which they lie. Asked for all at once they fill the core's 24
 * places for misses, and everything waits.
 */
struct Ahead {
  const char* rows;
  const int64_t* place;  // of each row
  const int64_t* end;
  int64_t bytes;  // of a row
  int64_t at;     // in the row

  void fetch(int lines) {
    for (; lines > 0 && place < end; lines--) {
      __builtin_prefetch(rows + *place + at, 0, 2);
      at += LINE;
      if (at >= bytes) {
        at = 0;
        place++;
      }
    }
  }
  /** Lines that each of `count` parts must fetch. */
  int share(int count) const {
    return static_cast<int>(((end - place) * ((bytes + LINE - 1) / LINE) + count - 1) / count);
  }
  static constexpr int LINE = 64;
};

/** Keys of a chunk from `from` on, n of them, of the first of the heads. */
struct Step {
  const Source& source;
  const int64_t* places;  // of the rows of the chunk
  int from, n;
};

/**
 * Vectors of keys whose scores are made together, so that each word of a query is loaded once for
 * all.
 */
constexpr int SCORE_VECTORS = REGISTERS >= 32 ? 2 : 1;

/**
 * Scores of that many keys against L lanes, 4 words of each key at a time: the chains of
 * `products`.
 */
template <class Words, int L>
static inline void scoreBlocks(float* weights, const float* const* rows, const float* columns,
                               int E, float scale, Ahead& ahead) {
  constexpr int B = SCORE_VECTORS,
                STEP_LINES = B * W * 4 * static_cast<int>(sizeof(float)) / Ahead::LINE;
  V sums[B][L];
  CRIA_UNROLL for (int b = 0; b < B; b++) {
    CRIA_UNROLL for (int l = 0; l < L; l++) sums[b][l] = zero();
  }
  for (int e = 0; e < E; e += 4) {
    V turned[B][4];
    ahead.fetch(STEP_LINES);
    CRIA_UNROLL for (int b = 0; b < B; b++) turn(rows + b * W, e, turned[b]);
    CRIA_UNROLL for (int i = 0; i < 4; i++) {
      const float* column = columns + static_cast<size_t>(e + i) * LANES;
      CRIA_UNROLL for (int l = 0; l < L; l++) {
        const V x = set1(column[l]);
        CRIA_UNROLL for (int b = 0; b < B; b++) sums[b][l] =
            Words::madd(turned[b][i], x, sums[b][l]);
      }
    }
  }
  const V factor = set1(scale);
  CRIA_UNROLL for (int b = 0; b < B; b++) {
    CRIA_UNROLL for (int l = 0; l < L; l++)
        store(weights + l * KEYS + b * W, Words::STEP > 1 ? mul(sums[b][l], factor) : sums[b][l]);
  }
}

template <class Words, int L = W / 2>
static void scoreBlocksOf(int lanes, float* weights, const float* const* rows, int n,
                          const float* columns, int E, float scale, Ahead& ahead) {
  if constexpr (L > 1) {
    if (lanes < L)
      return scoreBlocksOf<Words, L - 1>(lanes, weights, rows, n, columns, E, scale, ahead);
  }
  for (int j = 0; j < n; j += SCORE_VECTORS * W)
    scoreBlocks<Words, L>(weights + j, rows + j, columns, E, scale, ahead);
}

/** Scores against every head: [lane][KEYS]. */
template <class Words>
static inline void scoreStep(const Step& step, const Heads& heads, const Shape& shape,
                             const Scratch& s, Ahead& ahead) {
  const float* rows[STEP_KEYS];
  const int words = shape.E / Words::STEP, lanes = heads.tile.lanes;
  const int64_t head = bytesOf(step.source.stored, shape.E);
  const int share = ahead.share(heads.count);
  for (int i = 0; i < heads.count; i++) {
    float* weights = s.weights + i * lanes * KEYS + step.from;
    keyRows<Words>(step.source.stored, step.source.keys + i * head, step.places + step.from, step.n,
                   shape.E, s.room, rows);
    if (words % 4 == 0 && step.n == STEP_KEYS) {
      scoreBlocksOf<Words>(lanes, weights, rows, step.n, s.columns + i * lanes, words, shape.scale,
                           ahead);
    } else {
      ahead.fetch(share);
      scoreFew<Words, true>(weights, rows, step.n, s.columns + i * lanes, lanes, words,
                            shape.scale);
    }
  }
}

#ifdef CRIA_ATTENTION_PAIRS
/**
 * N rows of sums by 2·P vectors over n keys of bf16, paired as they are loaded: `accumulate` of the
 * same words.
 */
template <int N, int P>
static inline void accumulateHalves(float* const* sums, const float* words, const char* values,
                                    const int64_t* places, int n, int at, bool anew, Ahead& ahead) {
  V sum[N][2 * P];
  CRIA_UNROLL for (int l = 0; l < N; l++) {
    CRIA_UNROLL for (int p = 0; p < 2 * P; p++) sum[l][p] =
        anew ? zero() : load(sums[l] + at + p * W);
  }
  for (int j = 0; j < n; j += 2) {
    V value[2 * P];
    ahead.fetch(2 * P);
    CRIA_UNROLL for (int p = 0; p < P; p++) {
      const int64_t e = at + 2 * p * W;
      interleave(reinterpret_cast<const Bf16*>(values + places[j]) + e,
                 reinterpret_cast<const Bf16*>(values + places[j + 1]) + e, value[2 * p],
                 value[2 * p + 1]);
    }
    CRIA_UNROLL for (int l = 0; l < N; l++) {
      const V x = set1(words[l * (KEYS / 2) + j / 2]);
      CRIA_UNROLL for (int p = 0; p < 2 * P; p++) sum[l][p] = dot(x, value[p], sum[l][p]);
    }
  }
  CRIA_UNROLL for (int l = 0; l < N; l++) {
    CRIA_UNROLL for (int p = 0; p < 2 * P; p++) store(sums[l] + at + p * W, sum[l][p]);
  }
}

template <int N = W / 2>
static void accumulateHalvesOf(int lanes, float* const* sums, const float* words,
                               const char* values, const int64_t* places, int n, int E, bool anew,
                               Ahead& ahead) {
  if constexpr (N > 1) {
    if (lanes < N)
      return accumulateHalvesOf<N - 1>(lanes, sums, words, values, places, n, E, anew, ahead);
  }
  int at = 0;
  if constexpr (N <= 4) {
    for (; at + 4 * W <= E; at += 4 * W)
      accumulateHalves<N, 2>(sums, words, values, places, n, at, anew, ahead);
  }
  for (; at + 2 * W <= E; at += 2 * W)
    accumulateHalves<N, 1>(sums, words, values, places, n, at, anew, ahead);
}
#endif

/**
 * sums[lane] += products of the probabilities of those keys with their values; the first step of a
 * chunk starts anew.
 */
template <class Words>
static inline void sumStep(float* const* sums, const float* words, const Step& step, int64_t chunk,
                           const Heads& heads, const Shape& shape, const Scratch& s, Ahead& ahead) {
  static const float one[ROWS] = {1, 1, 1, 1, 1, 1, 1, 1};
  const Width width(shape.E);
  const float* rows[STEP_KEYS];
  const int lanes = heads.tile.lanes, parts = (lanes + width.rows() - 1) / width.rows(),
            block = (lanes + parts - 1) / parts;
  const int64_t head = bytesOf(step.source.stored, shape.E), first = chunk * KEYS + step.from;
  const int share = ahead.share(heads.count);
  const bool anew = step.from == 0;
  words += step.from / Words::STEP;
  for (int i = 0; i < heads.count; i++) {
    const char* values = step.source.values + i * head;
    const int64_t* places = step.places + step.from;
#ifdef CRIA_ATTENTION_PAIRS
    if (Words::STEP == 2 && step.source.stored == Stored::bf16 && shape.E % (2 * W) == 0 &&
        step.n % 2 == 0 && heads.tile.visible(0) >= first + step.n) {
      accumulateHalvesOf(lanes, sums + i * lanes, words + i * lanes * (KEYS / 2), values, places,
                         step.n, shape.E, anew, ahead);
      continue;
    }
#endif
    ahead.fetch(share);
    value_rows<Words>(step.source.stored, values, places, step.n, shape.E, s.room, rows);
    for (int l = 0; l < lanes; l += block) {
      const int lane = i * lanes + l;
      const Accumulate a{
          sums + lane, words + lane * (KEYS / Words::STEP), rows, 0, 0, anew ? nullptr : one,
          shape.E};
      accumulateVisible<Words, SUM_KEYS_FEW>(lanes - l < block ? lanes - l : block, a, width,
                                             heads.tile, l, first, step.n);
    }
  }
}

/**
 * Sums, maxima and sums of exponentials of keys up to `end` of a chunk, into `partials`. source: of
 * the first head
 */
template <class Words>
static void fewLanesChunk(const Partials& partials, int64_t chunk, int64_t end,
                          const Queries& queries, const Heads& heads, const Source& source,
                          const Shape& shape, const Scratch& s) {
  const int64_t first = chunk * KEYS;
  const int n = static_cast<int>(end - first);
  float* words = Words::STEP == 1 ? s.weights : s.words;
  const char* rows[LANES];
  float* sums[LANES];
  int64_t lanes[LANES], places[KEYS];
  for (int i = 0; i < heads.count; i++) {
    Tile tile = heads.tile;
    tile.head += i;
    for (int l = 0; l < tile.lanes; l++) {
      const int64_t row = tile.headRow(l, shape);
      const int lane = i * tile.lanes + l;
      rows[lane] = static_cast<const char*>(queries.q) + row * shape.E * (queries.half ? 2 : 4);
      lanes[lane] = row - tile.row * shape.H;
      sums[lane] = partials.sums(chunk, lanes[lane]);
    }
  }
  for (int j = 0; j < n; j++) places[j] = source.place(first + j);
  packColumns<Words>(s.columns, rows, queries.half, heads.lanes(), shape.E, shape.scale);
  const int64_t bytes = bytesOf(source.stored, static_cast<int64_t>(heads.count) * shape.E);
  const auto step = [&](int from) {
    return Step{source, places, from, n - from < STEP_KEYS ? n - from : STEP_KEYS};
  };
  const int begin = n < STEP_KEYS ? n : STEP_KEYS;
  Ahead keys{source.keys, places + begin, places + n, bytes, 0};
  for (int j = 0; j < n; j += STEP_KEYS) {
    Ahead values{source.values, places, places + begin, bytes, 0};
    scoreStep<Words>(step(j), heads, shape, s, j + STEP_KEYS < n ? keys : values);
  }
  for (int i = 0; i < heads.count; i++) {
    const int lane = i * heads.tile.lanes;
    softmaxLanes<Words>(s.weights + lane * KEYS, words + lane * (KEYS / Words::STEP), n, first,
                        heads.tile, {s.chunk.max + lane, s.chunk.sum + lane});
  }
  // Chunks are taken from the last on. With two threads this one's next is probably the second from
  // here; with one it stays until then.
  int64_t later[STEP_KEYS];
  for (int j = 0; j < STEP_KEYS; j++) later[j] = source.place(max64(0, first - 2 * KEYS) + j);
  Ahead values{source.values, places + begin, places + n, bytes, 0};
  for (int j = 0; j < n; j += STEP_KEYS) {
    Ahead nextChunk{source.keys, later, later + (chunk >= 2 ? STEP_KEYS : 0), bytes, 0};
    sumStep<Words>(sums, words, step(j), chunk, heads, shape, s,
                   j + STEP_KEYS < n ? values : nextChunk);
  }
  const Statistics to = partials.statistics(chunk);
  for (int lane = 0; lane < heads.lanes(); lane++) {
    to.max[lanes[lane]] = s.chunk.max[lane];
    to.sum[lanes[lane]] = s.chunk.sum[lane];
  }
}

}  // namespace cria::CRIA_ISA::attention

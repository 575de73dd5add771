// The small matrix products of attention, register-blocked.
//
// A tile has up to LANES lanes; a lane is one query head of one row, so a vector holds the same key
// for W lanes and maximum, exp and sum need no shuffles. Weights of a tile (scores, probabilities,
// their gradients) are stored in panels of W lanes: [panel][KEYS][W]. Rows of keys, values, queries
// and outputs are found by pointer, so packed sequences and paged caches read alike. Every element
// is one chain of fma in ascending order of what is summed: its bits depend on nothing beside it.
//
// Products go over 32-bit words: a float, or two bf16 that lie side by side where the instruction
// set multiplies such pairs. What is summed (elements of a head in scores, keys in outputs) then
// has half as many words as numbers; all else is one text.
#pragma once
#include <cstddef>
#include <cstdint>
#include "vec.h"
#ifdef CRIA_ATTENTION_TILES
#include "tiles.h"
#endif

namespace cria::CRIA_ISA::attention {

struct FloatWords {
  /** Numbers in a word. */
  static constexpr int STEP = 1;
  /** Whether sums are those of a tile unit. */
  static constexpr bool TILES = false;
  /** What a thread holds while it multiplies. */
  struct Hold {};
  static inline V madd(V a, V b, V sum) { return fma(a, b, sum); }
};

#ifdef __AVX512BF16__
#define CRIA_ATTENTION_PAIRS
struct PairWords {
  static constexpr int STEP = 2;
  static constexpr bool TILES = false;
  struct Hold {};
  static inline V madd(V a, V b, V sum) { return dot(a, b, sum); }
};
#endif

#if defined(CRIA_ATTENTION_TILES)
/** Pairs that the tile unit multiplies: amx-forward.h. */
struct TileWords : PairWords {
  static constexpr bool TILES = true;
  struct Hold : TileUnit {
    Hold() : TileUnit(TILE_ROWS, 64) {}
  };
};
using HalfWords = TileWords;
/** Narrower heads do not fill half a tile. */
constexpr int LEAST_WIDTH = 16;
#elif defined(CRIA_ATTENTION_PAIRS)
using HalfWords = PairWords;
constexpr int LEAST_WIDTH = 2;
#else
using HalfWords = FloatWords;
constexpr int LEAST_WIDTH = 1;
#endif

// A window hides keys at the front of a chunk, which the tile unit's routines do not know.
#if defined(CRIA_ATTENTION_TILES)
using WindowWords = PairWords;
#else
using WindowWords = HalfWords;
#endif

constexpr int LANES = 64;
constexpr int PANELS = LANES / W;
/**
 * Keys are walked in chunks of this many, counted from the first key of the segment or sequence.
 */
constexpr int KEYS = 128;
constexpr int PANEL = KEYS * W;
/** A block of sums is at most 8 rows by WIDE vectors. */
constexpr int WIDE = REGISTERS >= 32 ? 4 : 2;
constexpr int ROWS = 8;

/** Rows by `vectors` that fit the registers beside the operands, and feed two fma units. */
constexpr int blockRows(int vectors) {
  return REGISTERS >= 32 ? (vectors == 4 ? 6 : 8) : (vectors == 2 ? 6 : 8);
}

#define CRIA_UNROLL _Pragma("GCC unroll 16")

/**
 * panels[p][n][lane] = scale * sum over e of rows[n][e] * columns[e][p * W + lane]
 *     columns: [E][LANES]; E counts words
 * The scale of floats is in the columns already.
 */
template <class Words, int N, int P>
static inline void productsBlock(float* panels, const float* const* rows, const float* columns,
                                 int E, float scale) {
  V sum[N][P];
  CRIA_UNROLL for (int n = 0; n < N; n++) {
    CRIA_UNROLL for (int p = 0; p < P; p++) sum[n][p] = zero();
  }
  const float* row[N];
  CRIA_UNROLL for (int n = 0; n < N; n++) row[n] = rows[n];
  for (int e = 0; e < E; e++) {
    V column[P];
    CRIA_UNROLL for (int p = 0; p < P; p++) column[p] =
        load(columns + static_cast<size_t>(e) * LANES + p * W);
    CRIA_UNROLL for (int n = 0; n < N; n++) {
      const V x = set1(row[n][e]);
      CRIA_UNROLL for (int p = 0; p < P; p++) sum[n][p] = Words::madd(x, column[p], sum[n][p]);
    }
  }
  const V factor = set1(scale);
  CRIA_UNROLL for (int n = 0; n < N; n++) {
    CRIA_UNROLL for (int p = 0; p < P; p++)
        store(panels + p * PANEL + n * W, Words::STEP == 1 ? sum[n][p] : mul(sum[n][p], factor));
  }
}

template <class Words, int P, int N = blockRows(P)>
static void productsRows(int n, float* panels, const float* const* rows, const float* columns,
                         int E, float scale) {
  if constexpr (N > 1) {
    if (n < N) return productsRows<Words, P, N - 1>(n, panels, rows, columns, E, scale);
  }
  productsBlock<Words, N, P>(panels, rows, columns, E, scale);
}

template <class Words>
static inline void products(int p, int n, float* panels, const float* const* rows,
                            const float* columns, int E, float scale) {
  if constexpr (WIDE == 4) {
    if (p == 4) return productsRows<Words, 4>(n, panels, rows, columns, E, scale);
    if (p == 3) return productsRows<Words, 3>(n, panels, rows, columns, E, scale);
  }
  if (p == 2) return productsRows<Words, 2>(n, panels, rows, columns, E, scale);
  productsRows<Words, 1>(n, panels, rows, columns, E, scale);
}

/**
 * How the weights of a block of sums are stored. Rows are lanes and keys are summed: [key][W] of a
 * panel, or [lane][KEYS] where lanes are few. Rows are keys and lanes are summed: [panel][KEYS][W].
 */
enum Summed { SUM_KEYS, SUM_KEYS_FEW, SUM_LANES };

struct Accumulate {
  float* const* sums;  // rows of E
  /** SUM_KEYS: words of the first lane, key 0. SUM_LANES: of lane 0, first key. */
  const float* weights;
  const float* const* values;  // rows of E, one a summand
  int from, to;                // summands, in words
  /** the old sums are multiplied by factors[n] first; null: they count as zero */
  const float* factors;
  int E;
};

/**
 * sums[n][at + ...] = factors[n] * sums[n][...] + sum over r of weight(n, r) * values[r][at + ...]
 *     T: the last vector has `tail` lanes
 */
template <class Words, Summed S, int N, int P, bool T>
static inline void accumulateBlock(const Accumulate& a, int at, int tail) {
  constexpr int NEXT_ROW = S == SUM_KEYS       ? 1
                           : S == SUM_KEYS_FEW ? KEYS / Words::STEP
                                               : W,
                NEXT = S == SUM_KEYS ? W : 1;
  V sum[N][P];
  CRIA_UNROLL for (int n = 0; n < N; n++) {
    CRIA_UNROLL for (int p = 0; p < P; p++) {
      const float* old = a.sums[n] + at + p * W;
      sum[n][p] = a.factors ? mul(T && p == P - 1 ? load(old, tail) : load(old), set1(a.factors[n]))
                            : zero();
    }
  }
  for (int r = a.from; r < a.to;) {
    const int end = S != SUM_LANES || (r | (W - 1)) + 1 > a.to ? a.to : (r | (W - 1)) + 1;
    const float* weight =
        S == SUM_LANES ? a.weights + (r / W) * PANEL + r % W : a.weights + r * NEXT;
    for (; r < end; r++, weight += NEXT) {
      const float* from = a.values[r] + at;
      V value[P];
      CRIA_UNROLL for (int p = 0; p < P; p++) value[p] =
          T && p == P - 1 ? load(from + p * W, tail) : load(from + p * W);
      CRIA_UNROLL for (int n = 0; n < N; n++) {
        const V x = set1(weight[n * NEXT_ROW]);
        CRIA_UNROLL for (int p = 0; p < P; p++) sum[n][p] = Words::madd(x, value[p], sum[n][p]);
      }
    }
  }
  CRIA_UNROLL for (int n = 0; n < N; n++) {
    CRIA_UNROLL for (int p = 0; p < P; p++) {
      float* to = a.sums[n] + at + p * W;
      if (T && p == P - 1) {
        store(to, sum[n][p], tail);
      } else {
        store(to, sum[n][p]);
      }
    }
  }
}

template <class Words, Summed S, int P, bool T, int N = blockRows(P)>
static void accumulateRows(int n, const Accumulate& a, int at, int tail) {
  if constexpr (N > 1) {
    if (n < N) return accumulateRows<Words, S, P, T, N - 1>(n, a, at, tail);
  }
  accumulateBlock<Words, S, N, P, T>(a, at, tail);
}

template <class Words, Summed S, bool T>
static inline void accumulateVectors(int p, int n, const Accumulate& a, int at, int tail) {
  if constexpr (WIDE == 4) {
    if (p == 4) return accumulateRows<Words, S, 4, T>(n, a, at, tail);
    if (p == 3) return accumulateRows<Words, S, 3, T>(n, a, at, tail);
  }
  if (p == 2) return accumulateRows<Words, S, 2, T>(n, a, at, tail);
  accumulateRows<Words, S, 1, T>(n, a, at, tail);
}

/** How a row of E elements is cut: `blocks` blocks of at most WIDE vectors, as even as can be. */
struct Width {
  int E, vectors, blocks, tail;
  explicit Width(int E)
      : E(E), vectors((E + W - 1) / W), blocks((vectors + WIDE - 1) / WIDE), tail(E % W) {}
  int start(int block) const { return vectors * block / blocks; }
  /** Rows a block of sums may have, for the widest of the blocks. */
  int rows() const { return blockRows((vectors + blocks - 1) / blocks); }
};

/** n rows of sums at once, n <= width.rows() */
template <class Words, Summed S>
static inline void accumulate(int n, const Accumulate& a, const Width& width) {
  for (int b = 0; b < width.blocks; b++) {
    const int first = width.start(b), end = width.start(b + 1);
    if (end == width.vectors && width.tail) {
      accumulateVectors<Words, S, true>(end - first, n, a, first * W, width.tail);
    } else {
      accumulateVectors<Words, S, false>(end - first, n, a, first * W, 0);
    }
  }
}

}  // namespace cria::CRIA_ISA::attention

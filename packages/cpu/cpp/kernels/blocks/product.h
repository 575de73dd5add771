// y = x·wᵀ with a quantised weight: whole-number products of bytes, exact within a block of 32,
// then one fma a block:
//
//   sum = fma(float(Σ q_x·q_w), scale_w · scale_x, sum)
//   (for each half of a block, where halves have scales of their own)
//   sum = fma(minimum_w, scale_x · Σ q_x, sum)   (where weights have minima)   blocks ascending
//
// Few rows read the packed weight as it lies, panel after panel. More rows work on a piece of it
// that was taken apart into bytes and floats, in the first-level cache. Both add in the same order,
// so a row's bits do not depend on the others.
#pragma once
#include "rows.h"

namespace cria::CRIA_ISA {

/** Rounded activations (rows.h): the blocks of one strip of ROWS rows. */
template <int ROWS, int HALVES>
struct RoundedStrip {
  const int8_t* q;
  const float *scales, *starts;

  /** Four along k. */
  const int8_t* four(int row, int64_t block, int j) const {
    return q + (block * ROWS + row) * BLOCK + 4 * j;
  }
  V scale(int row, int64_t block) const { return set1(scales[block * ROWS + row]); }
  I start(int row, int64_t block, int half) const {
    int32_t sum;
    __builtin_memcpy(&sum, starts + (block * HALVES + half) * ROWS + row, 4);
    return setInt(sum);
  }
  V total(int row, int64_t block) const { return set1(starts[block * ROWS + row]); }
};

/** What the innermost loops need to know of a format. */
template <bool WIDE_, int HALVES_, bool MINIMUM_>
struct Kind {
  static constexpr bool WIDE = WIDE_, MINIMUM = MINIMUM_;
  static constexpr int HALVES = HALVES_;
};
template <class Format>
using KindOf = Kind<Format::BITS == 8, Format::HALVES, Format::MINIMUM>;

template <class Kind>
inline I dotOf(I sum, I weights, I x) {
  return Kind::WIDE ? dotBiased(sum, weights, x) : dotBytes(sum, weights, x);
}
template <class Kind>
inline I dotOf(I sum, I weights, const int8_t* four) {
  return Kind::WIDE ? dotBiasedAt(sum, weights, four) : dotBytesAt(sum, weights, four);
}

#ifdef CRIA_DOT_ROWS
/**
 * Whether rows share each prepared weight: only where vectors have a form of that which gains
 * (vec-avx2.h).
 */
template <class Kind>
constexpr bool ROWS_TOGETHER = !Kind::WIDE;
#else
template <class Kind>
constexpr bool ROWS_TOGETHER = false;
template <int FIT, int FROM, int TO, int M, class Weights>
inline void dotRows(I (&)[M], Weights, const int8_t*) {}
#endif

/**
 * sum(m) += scale · x's scale · Σ q·x of half H of a block, M rows together: q(j) are the 8 quads
 * of one vector of columns.
 */
template <class Kind, int H, int M, class Sum, class Weights>
inline void addHalf(Sum sum, Weights q, V scale, const RoundedStrip<M, Kind::HALVES>& x,
                    int64_t b) {
  constexpr int QUADS = 8 / Kind::HALVES;
  I whole[M];
  // Weights have 6 bits where there are halves, else up to 5.
  dotRows<Kind::HALVES == 2 ? 2 : 4, H * QUADS, (H + 1) * QUADS>(whole, q, x.q + b * M * BLOCK);
#pragma GCC unroll 8
  for (int m = 0; m < M; m++) {
    const I total = Kind::MINIMUM ? whole[m] : addInts(whole[m], x.start(m, b, H));
    sum(m) = fma(toFloat(total), mul(scale, x.scale(m, b)), sum(m));
  }
}

/**
 * Bytes that reading looks ahead, as far as the second-level cache: what the processor fetches
 * ahead by itself is not enough there.
 */
constexpr int64_t BLOCK_AHEAD = 8192;

/**
 * Always inline: GCC takes a function that only prefetches for one without effect, and drops the
 * call.
 */
__attribute__((always_inline)) inline void prefetchBytes(const uint8_t* p, int64_t bytes) {
#pragma GCC unroll 16
  for (int64_t line = 0; line < bytes; line += 64) __builtin_prefetch(p + line, 0, 2);
}

/**
 * Some blocks of one panel, and where they lie there: whole groups of the format but for the end of
 * a row.
 */
struct PanelPart {
  const uint8_t* panel;
  int64_t first, blocks;
  /** It comes from memory. */
  bool ahead;
};

/**
 * sums[m][16] of M rows over some blocks of a panel, read as it is packed. Few rows of a light
 * format are faster without prefetch (Zen 4, one row of Q4_0: 27 instead of 21 GB/s on one thread,
 * 47 instead of 42 on two); four rows read 41 GB/s on two threads with it and 32 without.
 */
template <class Format, int M>
__attribute__((noinline)) void readPanel(float* sums, const RoundedStrip<M, Format::HALVES>& x,
                                         const PanelPart& part) {
  constexpr int64_t STEP = Format::BYTES / Format::SUB_BLOCKS;
  V sum[M][PANEL_VECTORS];
#pragma GCC unroll 8
  for (int m = 0; m < M; m++) {
#pragma GCC unroll 4
    for (int v = 0; v < PANEL_VECTORS; v++)
      sum[m][v] = part.first == 0 ? zero() : load(sums + m * PANEL + v * W);
  }
  const uint8_t* group = part.panel + part.first / Format::SUB_BLOCKS * Format::BYTES;
  for (int64_t start = 0; start < part.blocks;
       start += Format::SUB_BLOCKS, group += Format::BYTES) {
    const int subs = Format::SUB_BLOCKS == 1
                         ? 1
                         : static_cast<int>(min(Format::SUB_BLOCKS, part.blocks - start));
    for (int sub = 0; sub < subs; sub++) {
      const int64_t b = start + sub;
      if (M > Format::LIGHT_ROWS && part.ahead)
        prefetchBytes(group + sub * STEP + BLOCK_AHEAD, STEP);
#pragma GCC unroll 4
      for (int v = 0; v < PANEL_VECTORS; v++) {
        I q[8];
        Format::unpack(group, sub, v, q);
        if constexpr (ROWS_TOGETHER<KindOf<Format>>) {
          const auto here = [&](int m) -> V& { return sum[m][v]; };
          const auto quad = [&](int j) { return q[j]; };
          addHalf<KindOf<Format>, 0, M>(here, quad, Format::scale(group, sub, 0, v), x, b);
          if constexpr (Format::HALVES == 2)
            addHalf<KindOf<Format>, 1, M>(here, quad, Format::scale(group, sub, 1, v), x, b);
        } else {
#pragma GCC unroll 2
          for (int h = 0; h < Format::HALVES; h++) {
            const V scale = Format::scale(group, sub, h, v);
#pragma GCC unroll 8
            for (int m = 0; m < M; m++) {
              // Few rows have too few sums under way for one chain each.
              constexpr int CHAINS = M < 4 ? 2 : 1;
              I whole[2] = {Format::MINIMUM ? setInt(0) : x.start(m, b, h), setInt(0)};
#pragma GCC unroll 8
              for (int j = 8 / Format::HALVES * h; j < 8 / Format::HALVES * (h + 1); j++) {
                I& chain = whole[j % CHAINS];
                chain = dotOf<KindOf<Format>>(chain, q[j], x.four(m, b, j));
              }
              const I total = CHAINS == 2 ? addInts(whole[0], whole[1]) : whole[0];
              sum[m][v] = fma(toFloat(total), mul(scale, x.scale(m, b)), sum[m][v]);
            }
          }
        }
        if (Format::MINIMUM) {
          const V minimum = Format::minimum(group, sub, v);
#pragma GCC unroll 8
          for (int m = 0; m < M; m++) sum[m][v] = fma(minimum, x.total(m, b), sum[m][v]);
        }
      }
    }
  }
#pragma GCC unroll 8
  for (int m = 0; m < M; m++) {
#pragma GCC unroll 4
    for (int v = 0; v < PANEL_VECTORS; v++) store(sums + m * PANEL + v * W, sum[m][v]);
  }
}

/** A block of a panel taken apart: bytes [8][16][4], scales [HALVES][16], minima [16]. */
template <class Kind>
struct OpenBlock {
  uint8_t weights[512];
  float scales[Kind::HALVES][PANEL];
  float minima[Kind::MINIMUM ? PANEL : 1];

  template <class Format>
  void open(Format, const uint8_t* block, int sub) {
#pragma GCC unroll 4
    for (int v = 0; v < PANEL_VECTORS; v++) {
      I q[8];
      Format::unpack(block, sub, v, q);
#pragma GCC unroll 8
      for (int j = 0; j < 8; j++) __builtin_memcpy(weights + j * 64 + v * W * 4, &q[j], sizeof(I));
      for (int h = 0; h < Format::HALVES; h++)
        store(scales[h] + v * W, Format::scale(block, sub, h, v));
      if (Format::MINIMUM) store(minima + v * W, Format::minimum(block, sub, v));
    }
  }
};

/** What a tile of many rows reads and writes. */
struct OpenSums {
  /** Sums so far; null: none. */
  const float* from;
  float* to;
  /** Added at the end; null: nothing. */
  const float* residual;
  int64_t strideFrom, strideTo, strideResidual;
};

/** sums[m][n …] of a group of open blocks of BLOCK_PANELS panels, M rows. */
template <class Kind, int M>
__attribute__((noinline)) void openTile(const OpenSums& sums,
                                        const RoundedStrip<M, Kind::HALVES>& x,
                                        const OpenBlock<Kind>* open, int64_t blocks) {
  constexpr int VECTORS = BLOCK_PANELS * PANEL_VECTORS;
  V sum[M][VECTORS];
#pragma GCC unroll 8
  for (int m = 0; m < M; m++) {
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; v++)
      sum[m][v] = sums.from == nullptr ? zero() : load(sums.from + m * sums.strideFrom + v * W);
  }
  for (int64_t b = 0; b < blocks; b++) {
    if constexpr (ROWS_TOGETHER<Kind>) {
#pragma GCC unroll 4
      for (int v = 0; v < VECTORS; v++) {
        const OpenBlock<Kind>& block = open[v / PANEL_VECTORS * GROUP + b];
        const int column = v % PANEL_VECTORS * W;
        const auto q = [&](int j) { return loadInts(block.weights + j * 64 + column * 4); };
        const auto here = [&](int m) -> V& { return sum[m][v]; };
        addHalf<Kind, 0, M>(here, q, load(block.scales[0] + column), x, b);
        if constexpr (Kind::HALVES == 2)
          addHalf<Kind, 1, M>(here, q, load(block.scales[1] + column), x, b);
      }
    } else {
#pragma GCC unroll 2
      for (int h = 0; h < Kind::HALVES; h++) {
        I whole[M][VECTORS];
#pragma GCC unroll 8
        for (int m = 0; m < M; m++) {
          const I start = Kind::MINIMUM ? setInt(0) : x.start(m, b, h);
#pragma GCC unroll 4
          for (int v = 0; v < VECTORS; v++) whole[m][v] = start;
        }
#pragma GCC unroll 8
        for (int j = 8 / Kind::HALVES * h; j < 8 / Kind::HALVES * (h + 1); j++) {
          I weights[VECTORS];
#pragma GCC unroll 4
          for (int v = 0; v < VECTORS; v++) {
            weights[v] = loadInts(open[v / PANEL_VECTORS * GROUP + b].weights + j * 64 +
                                  v % PANEL_VECTORS * W * 4);
          }
#pragma GCC unroll 8
          for (int m = 0; m < M; m++) {
            const I quad = quadAt(x.four(m, b, j));
#pragma GCC unroll 4
            for (int v = 0; v < VECTORS; v++)
              whole[m][v] = dotOf<Kind>(whole[m][v], weights[v], quad);
          }
        }
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) {
          const V scale =
              load(open[v / PANEL_VECTORS * GROUP + b].scales[h] + v % PANEL_VECTORS * W);
#pragma GCC unroll 8
          for (int m = 0; m < M; m++)
            sum[m][v] = fma(toFloat(whole[m][v]), mul(scale, x.scale(m, b)), sum[m][v]);
        }
      }
    }
    if (Kind::MINIMUM) {
#pragma GCC unroll 4
      for (int v = 0; v < VECTORS; v++) {
        const V minimum = load(open[v / PANEL_VECTORS * GROUP + b].minima + v % PANEL_VECTORS * W);
#pragma GCC unroll 8
        for (int m = 0; m < M; m++) sum[m][v] = fma(minimum, x.total(m, b), sum[m][v]);
      }
    }
  }
#pragma GCC unroll 8
  for (int m = 0; m < M; m++) {
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; v++) {
      if (sums.residual != nullptr)
        sum[m][v] = add(sum[m][v], load(sums.residual + m * sums.strideResidual + v * W));
      store(sums.to + m * sums.strideTo + v * W, sum[m][v]);
    }
  }
}

/**
 * y = x·wᵀ (+ residual)
 *     y: [rows, columns]   x rounded: [rows, k]   w: packed panels of `format`
 */
struct BlockProduct : BlockProductArguments {
  /**
   * Rows that share a weight taken apart: a group of so many, and their sums, stay in the
   * second-level cache.
   */
  static constexpr int64_t MOST_ROWS = 512;
  static constexpr int64_t PAIR = BLOCK_PANELS * PANEL;

  RoundedPlaces x;
  /** A chunk: strips of rows, columns. */
  int64_t blockStrips, blockColumns, rowBlocks;

  explicit BlockProduct(Arguments& in) : BlockProductArguments(in), x{rows, k / BLOCK} { cut(); }
  int64_t chunks() const { return rows == 0 ? 0 : rowBlocks * ceilDivide(columns, blockColumns); }
  void run(int64_t chunk, ThreadMemory& thread) const {
    const Range strips = piece(chunk % rowBlocks, blockStrips, x.strips()),
                n = piece(chunk / rowBlocks, blockColumns, columns);
    withFormat(format, [&](auto of) {
      if (rows <= FEW_ROWS) runFew<decltype(of)>(n);
      else runMany<decltype(of)>(strips, n, thread);
    });
  }

 protected:
  /** The block size: a function of the shape alone. */
  void cut() {
    if (rows <= FEW_ROWS) {
      blockStrips = x.strips();
      const int64_t bytes =
          withFormat(format, [this](auto of) { return panelBytes<decltype(of)>(k); });
      blockColumns = PANEL * max(1, streamedPanels(ceilDivide(columns, PANEL), bytes));
    } else {
      const int64_t strips = x.strips();
      blockStrips = ceilDivide(strips, ceilDivide(rows, MOST_ROWS));
      blockColumns = 4 * PAIR;
      const auto tooFew = [&] {
        return ceilDivide(strips, blockStrips) * ceilDivide(columns, blockColumns) < 32;
      };
      const auto worthIt = [&] { return blockStrips * BLOCK_ROWS * blockColumns * k > 1 << 21; };
      while (blockColumns > PAIR && tooFew() && worthIt()) blockColumns /= 2;
      while (blockStrips > 8 && tooFew() && worthIt()) blockStrips = ceilDivide(blockStrips, 2);
    }
    rowBlocks = ceilDivide(x.strips(), max(1, blockStrips));
  }

  template <class Format>
  void runFew(Range n) const {
    alignas(64) float sums[FEW_AT_ONCE * PANEL];
    for (int64_t column = n.start; column < n.end; column += PANEL) {
      const uint8_t* panel = w + column / PANEL * panelBytes<Format>(k);
      for (int64_t s = 0; s < x.strips(); s++) {
        const int64_t row = x.firstRow(s), height = x.firstRow(s + 1) - row;
        // Groups of a single strip lie one after the other.
        const int64_t step = x.strips() == 1 ? x.blocks : GROUP;
        for (int64_t first = 0; first < x.blocks; first += step) {
          // Strips after the first find the panel in a cache.
          readStrip<Format>(height, sums, x.at(first, row),
                            {panel, first, min(step, x.blocks - first), s == 0});
        }
        finish(sums, PANEL, {row, row + height}, {column, min(n.end, column + PANEL)});
      }
    }
  }
  /** A strip so high, whose blocks begin at place `at`: 1 to 4, 6 or 8 rows. */
  template <class Format, int M = FEW_AT_ONCE>
  void readStrip(int64_t height, float* sums, int64_t at, const PanelPart& part) const {
    if constexpr (M > 1) {
      if (height < M)
        return readStrip<Format, M == 8 ? 6 : M == 6 ? 4 : M - 1>(height, sums, at, part);
    }
    readPanel<Format, M>(sums, {q + at * BLOCK, scales + at, starts + at * Format::HALVES}, part);
  }

  template <class Format>
  void runMany(Range strips, Range n, ThreadMemory& thread) const {
    using Open = OpenBlock<KindOf<Format>>;
    const Range m = {x.firstRow(strips.start), x.firstRow(strips.end)};
    const int64_t numbers =
        roundUp((m.end - m.start) * PAIR * static_cast<int64_t>(sizeof(float)), 64);
    char* memory =
        thread.grow(thread, static_cast<uint64_t>(numbers) + BLOCK_PANELS * GROUP * sizeof(Open));
    float* sums = reinterpret_cast<float*>(memory);
    Open* open = reinterpret_cast<Open*>(memory + numbers);
    for (int64_t column = n.start; column < n.end; column += PAIR) {
      // Whole tiles of floats are finished by the tile itself.
      const bool direct = type == static_cast<int64_t>(Dtype::f32) && column + PAIR <= n.end;
      for (int64_t first = 0; first < x.blocks; first += GROUP) {
        const int64_t blocks = x.groupSize(first);
        openGroup<Format>(open, column, n.end, first, blocks);
        const bool last = first + blocks == x.blocks;
        for (int64_t s = strips.start; s < strips.end; s++) {
          prefetchNext<Format>(column, first + GROUP, n.end, s - strips.start,
                               strips.end - strips.start);
          const int64_t row = x.firstRow(s), height = x.firstRow(s + 1) - row;
          float* here = sums + (row - m.start) * PAIR;
          OpenSums to = {first == 0 ? nullptr : here, here, nullptr, PAIR, PAIR, columns};
          if (last && direct) {
            to.to = static_cast<float*>(y) + row * columns + column;
            to.strideTo = columns;
            if (residual != nullptr)
              to.residual = static_cast<const float*>(residual) + row * columns + column;
          }
          runOpenTile<KindOf<Format>>(height, to, x.at(first, row), static_cast<const Open*>(open),
                                      blocks);
        }
      }
      if (!direct) finish(sums, PAIR, m, {column, min(n.end, column + PAIR)});
    }
  }
  template <class Format>
  void openGroup(OpenBlock<KindOf<Format>>* open, int64_t column, int64_t end, int64_t first,
                 int64_t blocks) const {
    for (int64_t p = 0; p < BLOCK_PANELS; p++) {
      const uint8_t* panel = w + min(column / PANEL + p, (end - 1) / PANEL) * panelBytes<Format>(k);
      for (int64_t b = 0; b < blocks; b++) {
        const int64_t at = first + b;
        open[p * GROUP + b].open(Format(), panel + at / Format::SUB_BLOCKS * Format::BYTES,
                                 static_cast<int>(at % Format::SUB_BLOCKS));
      }
    }
  }
  /** The tile of a strip so high, whose blocks begin at place `at`. */
  template <class Kind, int M = BLOCK_ROWS>
  void runOpenTile(int64_t height, const OpenSums& sums, int64_t at, const OpenBlock<Kind>* open,
                   int64_t blocks) const {
    if constexpr (M > 1) {
      if (height < M) return runOpenTile<Kind, M - 1>(height, sums, at, open, blocks);
    }
    openTile<Kind, M>(sums, {q + at * BLOCK, scales + at, starts + at * Kind::HALVES}, open,
                      blocks);
  }

  /** Asks for part s of what is opened next: blocks `first` on, or those of the next panels. */
  template <class Format>
  void prefetchNext(int64_t column, int64_t first, int64_t end, int64_t s, int64_t strips) const {
    constexpr int64_t STEP = Format::BYTES / Format::SUB_BLOCKS, BYTES = GROUP * STEP;
    if (first >= x.blocks) {
      first = 0;
      column += PAIR;
    }
    if (column >= end) return;
    const uint8_t* next = w + column / PANEL * panelBytes<Format>(k) + first * STEP;
    for (int p = 0; p < BLOCK_PANELS; p++, next += panelBytes<Format>(k)) {
      for (int64_t at = BYTES * s / strips; at < BYTES * (s + 1) / strips; at += 64)
        prefetch(next + at);
    }
  }

  /** y = sums (+ residual) */
  void finish(const float* sums, int64_t stride, Range m, Range n) const {
    withElements(type, y, [&](auto* target) {
      using T = Element<decltype(target)>;
      for (int64_t row = m.start; row < m.end; row++, sums += stride) {
        const T* from =
            residual == nullptr ? nullptr : static_cast<const T*>(residual) + row * columns;
        forVectors(n.start, n.end, [&](int64_t i, int64_t some) {
          const V sum = loadSome(sums + (i - n.start), some);
          storeSome(target + row * columns + i,
                    from == nullptr ? sum : add(sum, loadSome(from + i, some)), some);
        });
      }
    });
  }
};

}  // namespace cria::CRIA_ISA

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
#include "few-rows.h"
#include "many-rows.h"

namespace cria::CRIA_ISA {

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

// Products with quantised weights by tiles: whole numbers, exact within a block of 32, then the
// float arithmetic of blocks/product.h in the same order, so the bits are those of the other
// AVX-512 instruction sets. And, where a device was asked for it, the faster arithmetic: weights
// widened to bf16, activations rounded to bf16. That one differs from what few rows get.
#pragma once
#include "gemm.h"
#include "kernels/blocks/product.h"

namespace cria::CRIA_ISA {

static_assert(BIAS_DONE == 0 && PANEL == TILE_ROWS,
              "a packed block of a panel is the right factor of a tile as it lies");

/**
 * Sixteen rows by one panel over many blocks: four products are on their way while the one before
 * them is scaled.
 */
template <class Kind>
struct TileBlocks {
  static constexpr int HALVES = Kind::HALVES, BYTES = static_cast<int>(BLOCK) / HALVES;
  static constexpr int AHEAD = 4;
  /**
   * Rounded rows of this strip, [block][16][32]; their scales, [block][16]; their starts,
   * [block][HALVES][16].
   */
  const int8_t* q;
  const float *scales, *starts;
  int64_t rows;
  const OpenBlock<Kind>* open;
  /** AHEAD tiles. */
  int32_t* ring;

  /** sums[m][16] += blocks `first` to `first + blocks` of x */
  void run(float* sums, int64_t stride, int64_t first, int64_t blocks) const {
    V sum[TILE_ROWS];
#pragma GCC unroll 16
    for (int m = 0; m < TILE_ROWS; m++) sum[m] = m < rows ? load(sums + m * stride) : zero();
    const int64_t products = blocks * HALVES;
    for (int64_t s = 0; s < products + AHEAD - 1; s++) {
      if (s < products) issue(s, first);
      if (s >= AHEAD - 1) take(sum, s - (AHEAD - 1), first);
    }
    for (int64_t m = 0; m < rows; m++) store(sums + m * stride, sum[m]);
  }

 private:
  template <int SLOT>
  void multiply(const int8_t* left, const uint8_t* right) const {
    tiles::zero<SLOT>();
    tiles::load<4 + SLOT % 2>(left, BLOCK);
    tiles::load<6 + SLOT % 2>(right, 64);
    tiles::dotBytes<SLOT, 4 + SLOT % 2, 6 + SLOT % 2>();
    tiles::store<SLOT>(ring + SLOT * (TILE / 4), 64);
  }
  void issue(int64_t s, int64_t first) const {
    const int64_t b = s / HALVES, h = s % HALVES;
    const int8_t* left = q + (first + b) * TILE_ROWS * BLOCK + h * BYTES;
    const uint8_t* right = open[b].weights + h * (BYTES / 4) * 64;
    switch (s % AHEAD) {
      case 0: return multiply<0>(left, right);
      case 1: return multiply<1>(left, right);
      case 2: return multiply<2>(left, right);
      default: return multiply<3>(left, right);
    }
  }
  void take(V (&sum)[TILE_ROWS], int64_t s, int64_t first) const {
    const int64_t b = s / HALVES, h = s % HALVES;
    const int32_t* products = ring + s % AHEAD * (TILE / 4);
    const V scale = load(open[b].scales[h]);
#pragma GCC unroll 16
    for (int m = 0; m < TILE_ROWS; m++) {
      if (m >= rows) continue;
      const I start =
          Kind::MINIMUM ? setInt(0) : startAt(((first + b) * HALVES + h) * TILE_ROWS + m);
      sum[m] = fma(toFloat(addInts(start, loadInts(products + m * W))),
                   mul(scale, set1(scales[(first + b) * TILE_ROWS + m])), sum[m]);
    }
    if (Kind::MINIMUM && h == HALVES - 1) {
      const V minimum = load(open[b].minima);
#pragma GCC unroll 16
      for (int m = 0; m < TILE_ROWS; m++) {
        if (m < rows) sum[m] = fma(minimum, set1(starts[(first + b) * TILE_ROWS + m]), sum[m]);
      }
    }
  }
  I startAt(int64_t at) const {
    int32_t start;
    __builtin_memcpy(&start, starts + at, 4);
    return setInt(start);
  }
};

struct TileBlockProduct : BlockProduct {
  /** Below this a tile is mostly empty and vectors are faster; the bits are the same. */
  static constexpr int64_t FROM_ROWS = 9;
  /** Blocks of a panel taken apart at one time: some 20 KiB. */
  static constexpr int64_t OPEN = 32;
  static constexpr int64_t MOST_TILE_ROWS = 192;
  int64_t blockRows = 0;

  explicit TileBlockProduct(Arguments& in) : BlockProduct(in) {
    if (rows < FROM_ROWS) return;
    blockRows = roundUp(ceilDivide(rows, ceilDivide(rows, MOST_TILE_ROWS)), TILE_ROWS);
    rowBlocks = ceilDivide(rows, blockRows);
    // Rows are copied for each block of columns: wide ones.
    blockColumns = 512;
    while (blockColumns > TILE_NR && rowBlocks * ceilDivide(columns, blockColumns) < 16 &&
           blockRows * blockColumns * k > 8 * CHUNK_WORK)
      blockColumns /= 2;
  }
  void run(int64_t chunk, ThreadMemory& thread) const {
    if (rows < FROM_ROWS) return BlockProduct::run(chunk, thread);
    const Range m = piece(chunk % rowBlocks, blockRows, rows),
                n = piece(chunk / rowBlocks, blockColumns, columns);
    withFormat(format, [&](auto of) { runTiles<decltype(of)>(m, n, thread); });
  }

 private:
  template <class Format>
  void runTiles(Range m, Range n, ThreadMemory& thread) const {
    using Kind = KindOf<Format>;
    using Open = OpenBlock<Kind>;
    const int64_t height = m.end - m.start, strips = ceilDivide(height, TILE_ROWS),
                  size = panelBytes<Format>(k);
    const int64_t lefts = strips * TILE_ROWS * k, places = strips * TILE_ROWS * x.blocks;
    const int64_t numbers = strips * TILE_ROWS * PANEL * static_cast<int64_t>(sizeof(float));
    const int64_t factors =
        roundUp(places * (1 + Kind::HALVES) * static_cast<int64_t>(sizeof(float)), 64);
    char* memory = thread.grow(thread, static_cast<uint64_t>(lefts + numbers + factors) +
                                           TileBlocks<Kind>::AHEAD * TILE + OPEN * sizeof(Open));
    int8_t* left = reinterpret_cast<int8_t*>(memory);
    float* sums = reinterpret_cast<float*>(memory + lefts);
    float *rowScales = reinterpret_cast<float*>(memory + lefts + numbers),
          *rowStarts = rowScales + places;
    int32_t* ring = reinterpret_cast<int32_t*>(memory + lefts + numbers + factors);
    Open* open = reinterpret_cast<Open*>(memory + lefts + numbers + factors +
                                         TileBlocks<Kind>::AHEAD * TILE);
    for (int64_t row = m.start; row < m.start + strips * TILE_ROWS; row++)
      copyRow<Kind::HALVES>(left, rowScales, rowStarts, row, m);
    TileUnit unit(TILE_ROWS, TileBlocks<Kind>::BYTES);
    for (int64_t column = n.start; column < n.end; column += PANEL) {
      __builtin_memset(sums, 0, static_cast<size_t>(numbers));
      const uint8_t* panel = w + column / PANEL * size;
      for (int64_t first = 0; first < x.blocks; first += OPEN) {
        const int64_t blocks = min(OPEN, x.blocks - first);
        for (int64_t b = 0; b < blocks; b++) {
          const int64_t at = first + b;
          open[b].open(Format(), panel + at / Format::SUB_BLOCKS * Format::BYTES,
                       static_cast<int>(at % Format::SUB_BLOCKS));
        }
        for (int64_t s = 0; s < strips; s++) {
          const int64_t row = m.start + s * TILE_ROWS;
          const int64_t place = s * TILE_ROWS * x.blocks;
          TileBlocks<Kind> tile = {left + place * BLOCK,
                                   rowScales + place,
                                   rowStarts + place * Kind::HALVES,
                                   min(TILE_ROWS, m.end - row),
                                   open,
                                   ring};
          tile.run(sums + s * TILE_ROWS * PANEL, PANEL, first, blocks);
        }
      }
      finish(sums, PANEL, m, {column, min(n.end, column + PANEL)});
    }
  }

  /**
   * A row into tiles [strip][block][16][32], its scales and starts beside them; zeros where there
   * is no row.
   */
  template <int HALVES>
  void copyRow(int8_t* left, float* rowScales, float* rowStarts, int64_t row, Range m) const {
    const int64_t strip = (row - m.start) / TILE_ROWS * x.blocks, i = (row - m.start) % TILE_ROWS;
    for (int64_t b = 0; b < x.blocks; b++) {
      const int64_t to = (strip + b) * TILE_ROWS + i;
      if (row >= m.end) {
        __builtin_memset(left + to * BLOCK, 0, BLOCK);
        continue;
      }
      const RoundedPlaces::Block from = x.find(row, b);
      __builtin_memcpy(left + to * BLOCK, q + (from.place + from.row) * BLOCK, BLOCK);
      rowScales[to] = scales[from.place + from.row];
      for (int64_t h = 0; h < HALVES; h++) {
        __builtin_memcpy(rowStarts + ((strip + b) * HALVES + h) * TILE_ROWS + i,
                         starts + from.place * HALVES + h * from.height + from.row, sizeof(float));
      }
    }
  }
};

/**
 * One block of a panel as a tile of bf16 [16 pairs of k][16 columns][2]: scale · (q − offset) (+
 * minimum), rounded once.
 */
template <class Format>
inline void widenBlock(uint8_t* to, const OpenBlock<KindOf<Format>>& block) {
  constexpr int PER_HALF = 8 / Format::HALVES;
  const V offset = set1(static_cast<float>(Format::OFFSET));
  const I mask = setInt(255);
#pragma GCC unroll 8
  for (int j = 0; j < 8; j++) {
    const I quad = loadInts(block.weights + j * 64);
    const V scale = load(block.scales[j / PER_HALF]);
    const V minimum = Format::MINIMUM ? load(block.minima) : zero();
    const auto value = [&](I bytes) {
      return fma(sub(toFloat(both(bytes, mask)), offset), scale, minimum);
    };
    const V first = value(quad), second = value(right<8>(quad)), third = value(right<16>(quad)),
            fourth = value(right<24>(quad));
    store(reinterpret_cast<float*>(to + 2 * j * 64), pairWords(first, second));
    store(reinterpret_cast<float*>(to + (2 * j + 1) * 64), pairWords(third, fourth));
  }
}

/**
 * y = bf16(x)·bf16(w)ᵀ (+ residual), w quantised
 *     y: [rows, columns]   x: [rows, k] of typeX   w: packed panels of `format`
 */
struct WidenedProduct : WidenedProductArguments {
  int64_t blockRows, blockColumns;

  explicit WidenedProduct(Arguments& in) : WidenedProductArguments(in) {
    cutTiles(rows, columns, k, false, blockRows, blockColumns);
  }
  int64_t chunks() const {
    return rows == 0 || columns == 0
               ? 0
               : ceilDivide(rows, blockRows) * ceilDivide(columns, blockColumns);
  }
  void run(int64_t chunk, ThreadMemory& thread) const {
    const int64_t rowBlocks = ceilDivide(rows, blockRows);
    const Range m = piece(chunk % rowBlocks, blockRows, rows),
                n = piece(chunk / rowBlocks, blockColumns, columns);
    const auto packLeft = [&](uint8_t* to, Range strips, int64_t at, int64_t here, int64_t tileRows,
                              int64_t strip) {
      withElements(typeX, x, [&](auto* from) {
        packTileLeft(to, from, k, strips, at, here, tileRows, strip, false);
      });
    };
    const auto begin = [](int64_t, int64_t, int64_t, float*) {};
    const auto end = [&](int64_t row, int64_t height, int64_t column, const float* sums) {
      withElements(typeY, y, [&](auto* target) {
        using T = Element<decltype(target)>;
        const T* more = residual == nullptr
                            ? nullptr
                            : static_cast<const T*>(residual) + row * columns + column;
        finishTiles(target + row * columns + column, more, columns, columns, height, n.end - column,
                    sums);
      });
    };
    withFormat(format, [&](auto of) {
      using Format = decltype(of);
      const auto packRight = [&](uint8_t* to, Range panels, int64_t at, int64_t here) {
        OpenBlock<KindOf<Format>> open;
        for (int64_t column = panels.start; column < panels.end; column += TILE_NR) {
          for (int64_t b = at / BLOCK; b < (at + here) / BLOCK; b++) {
            for (int64_t half = 0; half < 2; half++, to += TILE) {
              // Where there is no second panel the first is taken again; its sums go nowhere.
              const int64_t panel = min(column / PANEL + half, (columns - 1) / PANEL);
              open.open(Format(),
                        w + panel * panelBytes<Format>(k) + b / Format::SUB_BLOCKS * Format::BYTES,
                        static_cast<int>(b % Format::SUB_BLOCKS));
              widenBlock<Format>(to, open);
            }
          }
        }
      };
      tileProduct(m, n, k, PanelsMade{packRight}, false, packLeft, begin, end, thread);
    });
  }
};

}  // namespace cria::CRIA_ISA

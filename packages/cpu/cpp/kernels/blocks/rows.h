// Activations for products with quantised weights: 8 bits, one scale for 32 along k. What the
// product needs of each block besides is made here once: the start of the whole-number sum that
// takes the weights' offset away, or the sum that minima are multiplied by.
//
// They lie as the tile of many rows walks them, one after the other: [group of blocks][strip of
// rows][block][row][32].
#pragma once
#include "format.h"

namespace cria::CRIA_ISA {

/**
 * Blocks along k that the tile takes at one time: so many of all its panels, taken apart, stay in
 * the first-level cache.
 */
constexpr int64_t GROUP = 16;

/** Most rows that read a weight as it is packed, and most of them at one time. */
constexpr int FEW_ROWS = W >= 8 ? 16 : 1;
constexpr int FEW_AT_ONCE = W == 16 ? 8 : W == 8 ? 4 : 1;
/**
 * Strips of so few rows where eight go at one time: even ones of 1 to 4, 6 or 8 rows, for which
 * there are kernels.
 */
constexpr int8_t FEW_STRIPS[] = {0, 1, 1, 1, 1, 2, 1, 2, 1, 3, 3, 3, 2, 4, 4, 4, 2};

/**
 * Where rounded rows lie. Strips are as even as can be: eight of many rows are four and four, not
 * six and two.
 */
struct RoundedPlaces {
  int64_t rows, blocks;

  int64_t strips() const {
    if (rows > FEW_ROWS) return ceilDivide(rows, BLOCK_ROWS);
    return FEW_AT_ONCE == 8 ? FEW_STRIPS[rows] : ceilDivide(rows, FEW_AT_ONCE);
  }
  int64_t firstRow(int64_t strip) const { return rows * strip / max(1, strips()); }
  int64_t stripOf(int64_t row) const { return ((row + 1) * strips() - 1) / rows; }
  int64_t groupSize(int64_t firstBlock) const { return min(GROUP, blocks - firstBlock); }
  /** Place of the first block of a group in a strip that begins with `row`, counted in blocks. */
  int64_t at(int64_t firstBlock, int64_t row) const {
    return firstBlock * rows + row * groupSize(firstBlock);
  }

  /** A block of any row: it is row `row` of `height` from `place` on. */
  struct Block {
    int64_t place, row, height;
  };
  Block find(int64_t row, int64_t block) const {
    const int64_t strip = stripOf(row), first = firstRow(strip),
                  height = firstRow(strip + 1) - first, group = block / GROUP * GROUP;
    return {at(group, first) + (block - group) * height, row - first, height};
  }
};

/** What the product takes off each unsigned weight after its kernel has taken BIAS_DONE. */
template <class Format>
constexpr int32_t offsetLeft = Format::OFFSET - (Format::BITS == 8 ? BIAS_DONE : 0);

/**
 * x = scale · q, scale = max|x| / 127; NaN where a block holds anything that is not finite.
 *   q: i8, 32 a block   scales: one a block
 *   starts: [HALVES][row of the strip] a block, i32 −offset · Σq (of each half), or f32 scale · Σq
 */
struct RoundRows : RoundRowsArguments {
  using RoundRowsArguments::RoundRowsArguments;

  int64_t chunks() const { return ceilDivide(rows, rowsPerChunk(k)); }
  void run(int64_t chunk, ThreadMemory&) const {
    const Range range = piece(chunk, rowsPerChunk(k), rows);
    withFormat(format, [&](auto of) {
      withElements(type, x, [&](auto* from) {
        for (int64_t row = range.start; row < range.end; row++)
          roundRow<decltype(of)>(from + row * k, row);
      });
    });
  }

 private:
  /** Smaller than this a block counts as zero: the scale's reciprocal would overflow. */
  static constexpr float LEAST = 1e-30f;

  template <class Format, class T>
  void roundRow(const T* from, int64_t row) const {
    const RoundedPlaces places = {rows, k / BLOCK};
    for (int64_t b = 0; b < places.blocks; b++) {
      const RoundedPlaces::Block to = places.find(row, b);
      block<Format>(from + b * BLOCK, to.place, to.row, to.height);
    }
  }
  /** One block, as row `i` of `height` from place b on. */
  template <class Format, class T>
  void block(const T* from, int64_t b, int64_t i, int64_t height) const {
    constexpr int N = BLOCK / W;
    V values[N], largest = zero(), bad = zero();
#pragma GCC unroll 8
    for (int v = 0; v < N; v++) {
      values[v] = load(from + v * W);
      bad = fma(values[v], zero(), bad);
      largest = max(largest, max(values[v], sub(zero(), values[v])));
    }
    const float spread = reduceAdd(bad), most = spread == 0.0f ? reduceMax(largest) : 0.0f;
    const float inverse = most > LEAST ? 127.0f / most : 0.0f,
                scale = spread == 0.0f ? (most > LEAST ? most / 127.0f : 0.0f) : spread * 0.0f;
    I sums[2] = {setInt(0), setInt(0)};
#pragma GCC unroll 8
    for (int v = 0; v < N; v++) {
      const I rounded = toInts(spread == 0.0f ? mul(values[v], set1(inverse)) : zero());
      storeBytes(q + (b + i) * BLOCK + v * W, rounded);
      I& sum = sums[2 * v / N];
      sum = addInts(sum, rounded);
    }
    const int32_t first = total(sums[0]), second = total(sums[1]);
    scales[b + i] = scale;
    if (Format::MINIMUM) {
      starts[b + i] = scale * static_cast<float>(first + second);
    } else if (Format::HALVES == 2) {
      start(2 * b + i, -offsetLeft<Format> * first);
      start(2 * b + height + i, -offsetLeft<Format> * second);
    } else {
      start(b + i, -offsetLeft<Format> * (first + second));
    }
  }
  /** Sums of so few bytes are exact as floats. */
  static int32_t total(I sums) { return static_cast<int32_t>(reduceAdd(toFloat(sums))); }
  void start(int64_t at, int32_t value) const { __builtin_memcpy(starts + at, &value, 4); }
};

}  // namespace cria::CRIA_ISA

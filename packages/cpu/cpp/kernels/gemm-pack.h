// Packing: the left factor into strips of MR rows, the right one into panels of NR columns, both with k running slowest, so that the
// tile reads two streams of words (gemm-unit.h). What does not exist is zero.
#pragma once
#include "gemm-tile.h"

namespace cria::CRIA_ISA {

/** One strip [k][width] from rows whose elements along k are neighbours: width rows of `source`, `rows` of them there. */
template <class Unit, int width, class Word, class T>
inline void packAcross(Word* packed, const T* source, int64_t stride, int64_t rows, int64_t k) {
  constexpr int64_t ALONG = W * Unit::STEP;
  for (int64_t first = 0; first < width; first += W) {
    const int64_t here = max(0, min(W, rows - first));
    const int64_t keep = min(W, width - first);
    for (int64_t at = 0; at < k; at += ALONG) {
      V block[W];
      const int64_t there = min(ALONG, k - at);
      Word* to = packed + at / Unit::STEP * width + first;
      if (there == ALONG) {
#pragma GCC unroll 16
        for (int i = 0; i < W; i++) block[i] = i < here ? Unit::words(source + (first + i) * stride + at) : zero();
        transpose(block);
        if (keep == W) {
#pragma GCC unroll 16
          for (int i = 0; i < W; i++) storeWords(to + i * width, block[i], W);
        } else {
#pragma GCC unroll 16
          for (int i = 0; i < W; i++) storeWords(to + i * width, block[i], keep);
        }
      } else {
        for (int i = 0; i < W; i++) block[i] = i < here ? Unit::words(source + (first + i) * stride + at, there) : zero();
        transpose(block);
        for (int64_t i = 0; i < depthOf<Unit>(there); i++) storeWords(to + i * width, block[i], keep);
      }
    }
  }
}

/** Rows that packing looks ahead. */
constexpr int64_t PACK_AHEAD = 12;

/** One strip [k][width] from rows along k: `width` neighbours of each row of `source`, `columns` of them there. */
template <class Unit, int width, class Word, class T>
inline void packAlong(Word* packed, const T* source, int64_t stride, int64_t columns, int64_t k) {
  const int64_t n = min(width, columns);
  for (int64_t at = 0; at < k; at += Unit::STEP, packed += width, source += Unit::STEP * stride) {
#pragma GCC unroll 4
    for (int64_t i = 0; i < width; i += W) {
      const int64_t keep = min(W, width - i);
      // Rows are far apart, where the processor does not look ahead by itself.
      prefetch(source + PACK_AHEAD * stride + i);
      if (Unit::STEP > 1) prefetch(source + (PACK_AHEAD + 1) * stride + i);
      const int64_t there = n == width ? keep : max(0, min(keep, n - i));
      storeWords(packed + i, Unit::wordsDown(source + i, stride, k - at, there), keep);
    }
  }
}

/** The right factor of a product, packed: panels [columns / NR][k][NR].   `type`: dtype of the source
 *  across: source [columns, k], as a weight of `linear`     along: source [k, columns], as a weight of `linearGradInput` */
template <class Unit>
struct PackPanels {
  using Right = typename Unit::Right;
  Right* packed;
  const void* source;
  int64_t columns, k, stride, along, type;

  explicit PackPanels(Arguments& in) {
    packed = in.tensor<Right>();
    source = in.tensor<const char>();
    columns = in.integer();
    k = in.integer();
    stride = in.integer();
    along = in.integer();
    type = in.integer();
  }
  int64_t panels() const { return ceilDivide(columns, NR); }
  int64_t panelsPerChunk() const { return max(1, CHUNK_ELEMENTS / max(1, NR * k)); }
  /** Some rows of the source, whole pairs, so that it is read in the order in which it lies. */
  int64_t depthPerChunk() const { return roundUp(max(1, CHUNK_ELEMENTS / max(1, columns)), 2 * PACK_AHEAD); }
  int64_t chunks() const { return along != 0 ? ceilDivide(k, depthPerChunk()) : ceilDivide(panels(), panelsPerChunk()); }
  void run(int64_t chunk, ThreadMemory&) const {
    withElements(type, source, [&](auto* from) {
      if (along != 0) {
        const Range range = piece(chunk, depthPerChunk(), k);
        for (int64_t p = 0; p < panels(); p++) {
          Right* to = packed + p * NR * depthOf<Unit>(k) + range.start / Unit::STEP * NR;
          packAlong<Unit, NR>(to, from + range.start * stride + p * NR, stride, columns - p * NR, range.end - range.start);
        }
        return;
      }
      const Range range = piece(chunk, panelsPerChunk(), panels());
      for (int64_t p = range.start; p < range.end; p++) packAcross<Unit, NR>(packed + p * NR * depthOf<Unit>(k), from + p * NR * stride, stride, columns - p * NR, k);
    });
  }
};

}  // namespace cria::CRIA_ISA

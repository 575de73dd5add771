// Packing: the left factor into strips of MR rows, the right one into panels of NR columns, both
// with k running slowest, so that the tile reads two streams of words (unit.h). What does not exist
// is zero.
#pragma once
#include "tile.h"

namespace cria::CRIA_ISA {

/**
 * `keep` lanes of a word. Words follow each other, so that what lies beyond them is written again
 * by the next one, which is cheaper than a masked store; only the last word must leave alone what
 * follows.
 */
template <class Word>
inline void storeWord(Word* to, V word, int64_t keep, bool last) {
  storeWords(to, word, last ? keep : W);
}

/**
 * Vectors of a row that packing looks ahead, where the processor follows too many rows to do it by
 * itself (2.4 MB of f32: 11 → 39 GB/s).
 */
constexpr int64_t VECTORS_AHEAD = 2;

/**
 * One strip [k][width] from rows whose elements along k are neighbours: width rows of `source`,
 * `rows` of them there.
 */
template <class Unit, int width, class Word, class T>
inline void packAcross(Word* packed, const T* source, int64_t stride, int64_t rows, int64_t k) {
  constexpr int64_t ALONG = W * Unit::STEP;
  for (int64_t first = 0; first < width; first += W) {
    const int64_t here = max(0, min(W, rows - first)), keep = min(W, width - first);
    for (int64_t at = 0; at < k; at += ALONG) {
      V block[W];
      const int64_t there = min(ALONG, k - at);
      const T* const from = source + first * stride + at;
      Word* const to = packed + at / Unit::STEP * width + first;
      if (there == ALONG) {
#pragma GCC unroll 16
        for (int i = 0; i < W; i++) {
          prefetch(from + i * stride + VECTORS_AHEAD * ALONG);
          block[i] = i < here ? Unit::words(from + i * stride) : zero();
        }
        transpose(block);
#pragma GCC unroll 16
        for (int i = 0; i < W - 1; i++) storeWords(to + i * width, block[i], W);
        storeWord(to + (W - 1) * width, block[W - 1], keep, keep < W && at + ALONG >= k);
      } else {
        for (int i = 0; i < W; i++)
          block[i] = i < here ? Unit::words(from + i * stride, there) : zero();
        transpose(block);
        const int64_t words = depthOf<Unit>(there);
        for (int64_t i = 0; i < words; i++)
          storeWord(to + i * width, block[i], keep, i == words - 1);
      }
    }
  }
}

/**
 * One strip [k][width] from rows along k: `width` neighbours of each row of `source`, `columns` of
 * them there. `ahead`: rows that it looks ahead.
 */
template <class Unit, int width, class Word, class T>
inline void packAlong(Word* packed, const T* source, int64_t stride, int64_t columns, int64_t k,
                      int64_t ahead) {
  const int64_t n = min(width, columns);
  for (int64_t at = 0; at < k; at += Unit::STEP, packed += width, source += Unit::STEP * stride) {
#pragma GCC unroll 4
    for (int64_t i = 0; i < width; i += W) {
      const int64_t keep = min(W, width - i);
      prefetch(source + ahead * stride + i);
      if (Unit::STEP > 1) prefetch(source + (ahead + 1) * stride + i);
      // Lanes beyond the strip are read where they exist, and written again by the next word.
      const int64_t there = n < width ? max(0, min(keep, n - i)) : min(W, columns - i);
      storeWord(packed + i, Unit::wordsDown(source + i, stride, k - at, there), keep,
                at + Unit::STEP >= k);
    }
  }
}

/**
 * Rows along k that go into all strips before the next ones do, whole pairs: they are read in the
 * order in which they lie.
 */
constexpr int64_t PACK_ROWS = 8;

/** Strips [k][width] of `columns` columns, `strip` words apart, from rows along k. */
template <class Unit, int width, class Word, class T>
inline void packStripsAlong(Word* packed, int64_t strip, const T* source, int64_t stride,
                            int64_t columns, int64_t k) {
  for (int64_t at = 0; at < k; at += PACK_ROWS) {
    Word* to = packed + at / Unit::STEP * width;
    for (int64_t c = 0; c < columns; c += width, to += strip)
      packAlong<Unit, width>(to, source + at * stride + c, stride, columns - c,
                             min(PACK_ROWS, k - at), PACK_ROWS);
  }
}

/**
 * One factor of a product, packed: pieces [count / width][k][width] of rows (or columns) of the
 * result.
 *     `type`: dtype of the source
 *  across: source [count, k], as a weight of `linear`
 *  along: source [k, count], as a weight of `linearGradInput`
 */
template <class Unit, class Word, int width>
struct PackFactor : PackPanelsArguments<Word> {
  using Given = PackPanelsArguments<Word>;
  using Given::Given;
  using Given::packed, Given::source, Given::columns, Given::k, Given::stride, Given::along,
      Given::type;

  int64_t panels() const { return ceilDivide(columns, width); }
  int64_t panelsPerChunk() const { return max(1, CHUNK_ELEMENTS / max(1, width * k)); }
  int64_t depthPerChunk() const {
    return roundUp(max(1, CHUNK_ELEMENTS / max(1, columns)), 2 * PACK_ROWS);
  }
  int64_t chunks() const {
    return along ? ceilDivide(k, depthPerChunk()) : ceilDivide(panels(), panelsPerChunk());
  }
  void run(int64_t chunk, ThreadMemory&) const {
    withElements(type, source, [&](auto* from) {
      if (along) {
        const Range range = piece(chunk, depthPerChunk(), k);
        packStripsAlong<Unit, width>(packed + range.start / Unit::STEP * width,
                                     width * depthOf<Unit>(k), from + range.start * stride, stride,
                                     columns, range.end - range.start);
        return;
      }
      const Range range = piece(chunk, panelsPerChunk(), panels());
      for (int64_t p = range.start; p < range.end; p++)
        packAcross<Unit, width>(packed + p * width * depthOf<Unit>(k), from + p * width * stride,
                                stride, columns - p * width, k);
    });
  }
};

/** The right factor of a product in panels, the left one in strips. */
template <class Unit>
using PackPanels = PackFactor<Unit, typename Unit::Right, NR>;
template <class Unit>
using PackStrips = PackFactor<Unit, typename Unit::Left, MR>;

/** Memory of an element, whatever its bits mean. */
template <int64_t BYTES>
struct Bits;
template <>
struct Bits<2> {
  using Type = uint16_t;
};
template <>
struct Bits<4> {
  using Type = uint32_t;
};

template <class Unit>
using UnpackedElement = typename Bits<sizeof(typename Unit::Right) / Unit::STEP>::Type;

/**
 * Columns `first` to first + columns of a weight [rows, k] that lies in panels, row by row again.
 *     y: [rows, columns]
 */
template <class Unit>
struct UnpackPanels : UnpackPanelsArguments<UnpackedElement<Unit>> {
  using Element = UnpackedElement<Unit>;
  using Given = UnpackPanelsArguments<Element>;
  using Given::Given;
  using Given::y, Given::packed, Given::rows, Given::k, Given::first, Given::columns;

  int64_t chunks() const { return ceilDivide(rows, NR); }
  void run(int64_t chunk, ThreadMemory&) const {
    const Element* panel = packed + chunk * NR * depthOf<Unit>(k) * Unit::STEP;
    const Range range = piece(chunk, NR, rows);
    for (int64_t c = 0; c < columns; c++) {
      const Element* word =
          panel + ((first + c) / Unit::STEP * NR) * Unit::STEP + (first + c) % Unit::STEP;
      for (int64_t row = range.start; row < range.end; row++)
        y[row * columns + c] = word[(row - range.start) * Unit::STEP];
    }
  }
};

}  // namespace cria::CRIA_ISA

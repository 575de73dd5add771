// Packing: the left factor into strips of MR rows, the right one into panels of NR columns, both with k running slowest, so that the
// tile reads two streams. What does not exist is zero.
#pragma once
#include "gemm-tile.h"

namespace cria::CRIA_ISA {

/** One strip [k][width] from rows whose elements along k are neighbours: width rows of `source`, `rows` of them there. */
template <int width>
inline void packAcross(float* packed, const float* source, int64_t stride, int64_t rows, int64_t k) {
  for (int64_t first = 0; first < width; first += W) {
    const int64_t here = max(0, min(W, rows - first));
    const int64_t keep = min(W, width - first);
    int64_t at = 0;
    for (; at + W <= k; at += W) {
      V block[W];
#pragma GCC unroll 16
      for (int i = 0; i < W; i++) block[i] = i < here ? load(source + (first + i) * stride + at) : zero();
      transpose(block);
      if (keep == W) {
#pragma GCC unroll 16
        for (int i = 0; i < W; i++) store(packed + (at + i) * width + first, block[i]);
      } else {
#pragma GCC unroll 16
        for (int i = 0; i < W; i++) store(packed + (at + i) * width + first, block[i], keep);
      }
    }
    for (; at < k; at++) {
      for (int64_t i = 0; i < keep; i++) packed[at * width + first + i] = i < here ? source[(first + i) * stride + at] : 0.0f;
    }
  }
}

/** Rows that packing looks ahead. */
constexpr int64_t PACK_AHEAD = 12;

/** One strip [k][width] from rows along k: `width` neighbours of each row of `source`, `columns` of them there. */
template <int width>
inline void packAlong(float* packed, const float* source, int64_t stride, int64_t columns, int64_t k) {
  const int64_t n = min(width, columns);
  for (int64_t at = 0; at < k; at++, packed += width, source += stride) {
#pragma GCC unroll 4
    for (int64_t i = 0; i < width; i += W) {
      const int64_t keep = min(W, width - i);
      // Rows are far apart, where the processor does not look ahead by itself.
      prefetch(source + PACK_AHEAD * stride + i);
      const V a = n == width && keep == W ? load(source + i) : load(source + i, max(0, min(keep, n - i)));
      if (keep == W) store(packed + i, a);
      else store(packed + i, a, keep);
    }
  }
}

/** The right factor of a product, packed: panels [columns / NR][k][NR].
 *  across: source [columns, k], as a weight of `linear`     along: source [k, columns], as a weight of `linearGradInput` */
struct PackPanels {
  float* packed;
  const float* source;
  int64_t columns, k, stride, along;

  explicit PackPanels(Arguments& in) {
    packed = in.tensor<float>();
    source = in.tensor<const float>();
    columns = in.integer();
    k = in.integer();
    stride = in.integer();
    along = in.integer();
  }
  int64_t perChunk() const { return max(1, CHUNK_ELEMENTS / max(1, NR * k)); }
  int64_t chunks() const { return ceilDivide(ceilDivide(columns, NR), perChunk()); }
  void run(int64_t chunk, ThreadMemory&) const {
    const Range range = piece(chunk, perChunk(), ceilDivide(columns, NR));
    for (int64_t p = range.start; p < range.end; p++) {
      float* panel = packed + p * NR * k;
      const int64_t there = columns - p * NR;
      if (along != 0) packAlong<NR>(panel, source + p * NR, stride, there, k);
      else packAcross<NR>(panel, source + p * NR * stride, stride, there, k);
    }
  }
};

}  // namespace cria::CRIA_ISA

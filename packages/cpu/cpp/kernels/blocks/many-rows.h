// Many rows by a quantised weight: a piece of it is taken apart into bytes and floats, which lie in
// the first-level cache while strips of rows pass over them.
#pragma once
#include "rounded-strip.h"

namespace cria::CRIA_ISA {

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

/** sum[m][v] += scale · x's scale · Σ q·x of half h of block b of BLOCK_PANELS open panels. */
template <class Kind, int M, int VECTORS>
__attribute__((always_inline)) inline void addOpenHalf(V (&sum)[M][VECTORS], int h,
                                                       const RoundedStrip<M, Kind::HALVES>& x,
                                                       const OpenBlock<Kind>* open, int64_t b) {
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
      for (int v = 0; v < VECTORS; v++) whole[m][v] = dotOf<Kind>(whole[m][v], weights[v], quad);
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < VECTORS; v++) {
    const V scale = load(open[v / PANEL_VECTORS * GROUP + b].scales[h] + v % PANEL_VECTORS * W);
#pragma GCC unroll 8
    for (int m = 0; m < M; m++)
      sum[m][v] = fma(toFloat(whole[m][v]), mul(scale, x.scale(m, b)), sum[m][v]);
  }
}

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
      for (int h = 0; h < Kind::HALVES; h++) addOpenHalf<Kind, M, VECTORS>(sum, h, x, open, b);
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

}  // namespace cria::CRIA_ISA

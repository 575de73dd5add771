// Few rows by a quantised weight: they read its panels as they are packed, once.
#pragma once
#include "rounded-strip.h"

namespace cria::CRIA_ISA {

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

/** What a panel's sums are so far: nothing at its first block. */
template <int M>
__attribute__((always_inline)) inline void loadSums(const float* sums, bool first,
                                                    V (&sum)[M][PANEL_VECTORS]) {
#pragma GCC unroll 8
  for (int m = 0; m < M; m++) {
#pragma GCC unroll 4
    for (int v = 0; v < PANEL_VECTORS; v++)
      sum[m][v] = first ? zero() : load(sums + m * PANEL + v * W);
  }
}

template <int M>
__attribute__((always_inline)) inline void storeSums(float* sums, V (&sum)[M][PANEL_VECTORS]) {
#pragma GCC unroll 8
  for (int m = 0; m < M; m++) {
#pragma GCC unroll 4
    for (int v = 0; v < PANEL_VECTORS; v++) store(sums + m * PANEL + v * W, sum[m][v]);
  }
}

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
  loadSums<M>(sums, part.first == 0, sum);
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
  storeSums<M>(sums, sum);
}

}  // namespace cria::CRIA_ISA

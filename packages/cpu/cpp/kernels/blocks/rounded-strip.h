// What the products with quantised weights share: rounded activations, and the sum of a block for
// several rows.
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

}  // namespace cria::CRIA_ISA

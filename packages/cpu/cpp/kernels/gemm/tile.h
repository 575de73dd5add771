// The innermost part of every matrix product: a register tile of MR rows by NV vectors. Each
// element of the result is one chain of steps (unit.h) over k ascending, whoever computes it: the
// tile, the few-rows kernel, or two calls that each take a part of k.
#pragma once
#include "unit.h"

namespace cria::CRIA_ISA {

/** Columns of a panel. */
constexpr int NR = NV * W;

template <class Unit>
struct GemmTile {
  const typename Unit::Left* a;
  const typename Unit::Right* b;
  float* c;
  /** Where the sums begin; null: at zero. */
  const float* from;
  const float* residual;
  /** k counts words. */
  int64_t k, strideC, strideFrom, strideResidual;
  /** Columns that exist, 1 to NR. */
  int64_t columns;
  /** What is needed soon, asked for by so many bytes a word of k. */
  const char* ahead;
  int64_t aheadStep;
};

/** What a tile's sums begin with. */
template <class Unit, int M>
__attribute__((always_inline)) inline void beginTile(const GemmTile<Unit>& t, bool whole,
                                                     V (&sum)[M][NV]) {
  if (t.from != nullptr) {
#pragma GCC unroll 16
    for (int i = 0; i < M; i++) {
#pragma GCC unroll 4
      for (int v = 0; v < NV; v++) {
        const float* c = t.from + i * t.strideFrom + v * W;
        sum[i][v] = whole ? load(c) : load(c, max(0, min(W, t.columns - v * W)));
      }
    }
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < M; i++) {
#pragma GCC unroll 4
      for (int v = 0; v < NV; v++) sum[i][v] = zero();
    }
  }
}

/** c = sum (+ residual) */
template <class Unit, int M>
__attribute__((always_inline)) inline void endTile(const GemmTile<Unit>& t, bool whole,
                                                   V (&sum)[M][NV]) {
  if (t.residual != nullptr) {
#pragma GCC unroll 16
    for (int i = 0; i < M; i++) {
#pragma GCC unroll 4
      for (int v = 0; v < NV; v++) {
        const float* r = t.residual + i * t.strideResidual + v * W;
        sum[i][v] = add(sum[i][v], whole ? load(r) : load(r, max(0, min(W, t.columns - v * W))));
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < M; i++) {
#pragma GCC unroll 4
    for (int v = 0; v < NV; v++) {
      float* c = t.c + i * t.strideC + v * W;
      if (whole) store(c, sum[i][v]);
      else store(c, sum[i][v], max(0, min(W, t.columns - v * W)));
    }
  }
}

/** C[M, columns] = (from +) A·B (+ residual)           a: [k][MR] packed     b: [k][NR] packed */
template <class Unit, int M>
__attribute__((noinline)) void tile(const GemmTile<Unit>& t) {
  V sum[M][NV];
  const bool whole = t.columns == NR;
  beginTile<Unit, M>(t, whole, sum);
  const typename Unit::Left* a = t.a;
  const typename Unit::Right* b = t.b;
  const char* ahead = t.ahead;
  const int64_t aheadStep = t.aheadStep;
  if (t.from == nullptr) {
    // What is only written has to come too.
    for (int i = 0; i < M; i++) {
      for (int v = 0; v < NR; v += 16) prefetch(t.c + i * t.strideC + v);
    }
  }
  for (int64_t k = t.k; k > 0; k--) {
    V column[NV];
#pragma GCC unroll 4
    for (int v = 0; v < NV; v++) column[v] = Unit::column(b + v * W);
    prefetch(b + 16 * NR);
    if (NR * sizeof *b > 64) prefetch(b + 16 * NR + 16);
    prefetch(ahead);
    ahead += aheadStep;
#pragma GCC unroll 16
    for (int i = 0; i < M; i++) {
      const V row = Unit::row(a + i);
#pragma GCC unroll 4
      for (int v = 0; v < NV; v++) sum[i][v] = Unit::step(row, column[v], sum[i][v]);
    }
    a += MR;
    b += NR;
  }
  endTile<Unit, M>(t, whole, sum);
}

/** The tile of `rows` rows, 1 to MR. */
template <class Unit, int M = MR>
inline void runTile(int64_t rows, const GemmTile<Unit>& t) {
  if constexpr (M > 1) {
    if (rows < M) return runTile<Unit, M - 1>(rows, t);
  }
  tile<Unit, M>(t);
}

/** Rows that are cheaper to take as they lie than to pack. */
constexpr int FEW = MR < 8 ? MR : 8;
/**
 * Panels that the few-rows kernel reads at one time, so that enough sums are under way. One row of
 * wide vectors has enough of them, and panels one after the other are a single stream of memory (K
 * = 768 in bf16, one thread of a Zen 4: 30 instead of 27 GB/s).
 */
constexpr int panelsAtOnce(int rows) {
  if (rows == 1 && W == 16) return 1;
  const int fit = ACCUMULATORS / (rows * NV);
  return fit < 1 ? 1 : fit > 2 ? 2 : fit;
}

/**
 * Bytes that the few-rows kernel looks ahead in each panel, where it computes too much for the
 * processor to look far ahead by itself.
 */
constexpr int64_t ROWS_AHEAD = 4096;
constexpr int LOOK_AHEAD_FROM = 6;

/**
 * C[M, P panels] = A·B (+ residual) over all of k
 *     a: rows as they lie   b: P panels, `panel` floats apart
 */
template <class Unit, int M, int P>
__attribute__((noinline)) void fewRows(const GemmTile<Unit>& t, int64_t strideA, int64_t panel) {
  V sum[P][M][NV];
#pragma GCC unroll 4
  for (int p = 0; p < P; p++) {
#pragma GCC unroll 16
    for (int i = 0; i < M; i++) {
#pragma GCC unroll 4
      for (int v = 0; v < NV; v++) sum[p][i][v] = zero();
    }
  }
  for (int64_t k = 0; k < t.k; k++) {
#pragma GCC unroll 4
    for (int p = 0; p < P; p++) {
      V column[NV];
      const auto* ahead = t.b + p * panel + k * NR + ROWS_AHEAD / static_cast<int64_t>(sizeof *t.b);
      if (M >= LOOK_AHEAD_FROM) prefetch(ahead);
      if (M >= LOOK_AHEAD_FROM && NR * sizeof *t.b > 64) prefetch(ahead + NR / 2);
#pragma GCC unroll 4
      for (int v = 0; v < NV; v++) column[v] = Unit::column(t.b + p * panel + k * NR + v * W);
#pragma GCC unroll 16
      for (int i = 0; i < M; i++) {
        const V row = Unit::row(t.a + i * strideA + k);
#pragma GCC unroll 4
        for (int v = 0; v < NV; v++) sum[p][i][v] = Unit::step(row, column[v], sum[p][i][v]);
      }
    }
  }
  for (int p = 0; p < P; p++) {
    for (int i = 0; i < M; i++) {
      for (int v = 0; v < NV; v++) {
        const int64_t at = p * NR + v * W, n = max(0, min(W, t.columns - at));
        V y = sum[p][i][v];
        if (t.residual != nullptr) y = add(y, load(t.residual + i * t.strideResidual + at, n));
        store(t.c + i * t.strideC + at, y, n);
      }
    }
  }
}

/** All `panels` panels for M rows; `columns` counts over all of them. */
template <class Unit, int M>
inline void runFewRows(GemmTile<Unit> t, int64_t strideA, int64_t panel, int64_t panels) {
  constexpr int P = panelsAtOnce(M);
  const auto advance = [&](int by) {
    t.b += by * panel;
    t.c += by * NR;
    if (t.residual != nullptr) t.residual += by * NR;
    t.columns -= by * NR;
  };
  int64_t p = 0;
  for (; p + P <= panels; p += P, advance(P)) fewRows<Unit, M, P>(t, strideA, panel);
  for (; p < panels; p++, advance(1)) fewRows<Unit, M, 1>(t, strideA, panel);
}
template <class Unit, int M = FEW>
inline void runFewRows(int64_t rows, const GemmTile<Unit>& t, int64_t strideA, int64_t panel,
                       int64_t panels) {
  if constexpr (M > 1) {
    if (rows < M) return runFewRows<Unit, M - 1>(rows, t, strideA, panel, panels);
  }
  runFewRows<Unit, M>(t, strideA, panel, panels);
}

}  // namespace cria::CRIA_ISA

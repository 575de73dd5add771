// Matrix products in all forms that a linear layer and its gradients need: C[rows, columns] = A·B.
//
//   linear            A = x  [T, C] by rows        B = w  [N, C], packed across (k = C)
//   linearGradInput   A = dy [T, N] by rows        B = w  [N, C], packed along  (k = N)
//   linearGradWeight  A = dyᵀ, dy [T, N] by columns   B = x [T, C], packed along  (k = T), C = dw holds the start of the chain
//
// The result is cut into blocks, one a chunk; k is never split between chunks. Inside a block k goes in pieces, so that a packed
// strip of A stays in L1 and the piece of B in L2; between the pieces the sums wait in C, or beside it where C is also the residual.
#pragma once
#include "gemm-pack.h"

namespace cria::CRIA_ISA {

/** k of a piece. */
constexpr int64_t KC = 256;
/** Largest block: rows (some 112) and columns. */
constexpr int64_t MC = 112 / MR * MR;
constexpr int64_t NC = 512;
/** Multiply-adds that take some ten microseconds. */
constexpr int64_t CHUNK_WORK = 1 << 20;

struct Gemm {
  enum Factor { byRows = 0, byColumns = 1 };
  enum Right { packed = 0, across = 1, along = 2 };

  float* c;
  const float *a, *b, *residual;
  int64_t rows, columns, k, strideC, strideA, strideB, strideResidual;
  int64_t left, right;
  bool accumulate;
  int64_t blockRows, blockColumns, rowBlocks, columnBlocks;

  explicit Gemm(Arguments& in) {
    c = in.tensor<float>();
    a = in.tensor<const float>();
    b = in.tensor<const float>();
    residual = in.tensor<const float>();
    rows = in.integer();
    columns = in.integer();
    k = in.integer();
    strideC = in.integer();
    strideA = in.integer();
    strideB = in.integer();
    strideResidual = in.integer();
    left = in.integer();
    right = in.integer();
    accumulate = in.integer() != 0;
    cut();
  }

  int64_t chunks() const { return rowBlocks * columnBlocks; }

  void run(int64_t chunk, ThreadMemory& thread) const {
    const Range m = piece(chunk % rowBlocks, blockRows, rows);
    const Range n = piece(chunk / rowBlocks, blockColumns, columns);
    if (few()) return runFew(n, thread);
    const int64_t strips = ceilDivide(m.end - m.start, MR), panels = ceilDivide(n.end - n.start, NR);
    const int64_t pieces = max(1, ceilDivide(k, KC)), piece = ceilDivide(k, pieces);
    const int64_t packedA = roundUp(strips * MR * piece, 64), packedB = right == packed ? 0 : panels * NR * piece;
    const int64_t aside = residual == c && pieces > 1 ? strips * MR * blockColumns : 0;
    float* memory = reinterpret_cast<float*>(thread.grow(thread, static_cast<uint64_t>(packedA + packedB + aside) * sizeof(float)));
    float* sums = aside > 0 ? memory + packedA + packedB : c + m.start * strideC + n.start;
    const int64_t strideSums = aside > 0 ? blockColumns : strideC;
    int64_t at = 0;
    do {
      const int64_t depth = min(piece, k - at);
      packA(memory, m, at, depth);
      const float* panelB = b + n.start * k + at * NR;
      int64_t nextPanel = k * NR;
      if (right != packed) {
        packB(memory + packedA, n, at, depth);
        panelB = memory + packedA;
        nextPanel = depth * NR;
      }
      const bool last = at + depth >= k;
      for (int64_t s = 0; s < strips; s++) {
        const int64_t row = m.start + s * MR;
        GemmTile t;
        t.a = memory + s * MR * depth;
        t.k = depth;
        t.strideC = last ? strideC : strideSums;
        t.strideFrom = strideSums;
        t.strideResidual = strideResidual;
        for (int64_t p = 0; p < panels; p++) {
          const int64_t column = n.start + p * NR;
          float* sum = sums + s * MR * strideSums + p * NR;
          t.b = panelB + p * nextPanel;
          t.c = last ? c + row * strideC + column : sum;
          t.from = at > 0 || accumulate ? sum : nullptr;
          t.residual = residual != nullptr && last ? residual + row * strideResidual + column : nullptr;
          t.columns = min(NR, n.end - column);
          runTile(min(MR, m.end - row), t);
        }
      }
      at += depth;
    } while (at < k);
  }

 private:
  /** Few rows are read as they lie, and the weight streams through once. */
  bool few() const { return rows <= FEW && left == byRows && !accumulate; }

  /** The block size: a function of the shape alone. */
  void cut() {
    if (few()) {
      blockRows = max(1, rows);
      blockColumns = NR * max(1, min(ceilDivide(CHUNK_WORK / 16, NR * max(1, k)), ceilDivide(columns, NR)));
      if (blockColumns > NR) blockColumns = roundUp(blockColumns, NR * min(panelsAtOnce(static_cast<int>(blockRows)), blockColumns / NR));
    } else {
      blockRows = roundUp(ceilDivide(rows, max(1, ceilDivide(rows, MC))), MR);
      blockColumns = roundUp(ceilDivide(columns, max(1, ceilDivide(columns, NC))), NR);
      // Enough chunks that threads end together, as long as each is worth taking. Where B is packed in every block anew, fewer.
      const int64_t enough = right == packed ? 16 : 8;
      while (ceilDivide(rows, max(1, blockRows)) * ceilDivide(columns, max(1, blockColumns)) < enough && blockRows * blockColumns * k > CHUNK_WORK) {
        if (blockColumns > 6 * NR || (blockRows <= 2 * MR && blockColumns > NR)) blockColumns = roundUp(blockColumns / 2, NR);
        else if (blockRows > MR) blockRows = roundUp(blockRows / 2, MR);
        else break;
      }
    }
    rowBlocks = ceilDivide(rows, max(1, blockRows));
    columnBlocks = ceilDivide(columns, max(1, blockColumns));
  }

  void runFew(Range n, ThreadMemory& thread) const {
    GemmTile t;
    t.a = a;
    t.k = k;
    t.strideC = strideC;
    t.strideResidual = strideResidual;
    t.from = nullptr;
    const auto run = [&](const float* panels, int64_t start, int64_t count) {
      t.b = panels;
      t.c = c + start;
      t.residual = residual == nullptr ? nullptr : residual + start;
      t.columns = n.end - start;
      runFewRows(rows, t, strideA, NR * k, count);
    };
    if (right == packed) return run(b + n.start * k, n.start, ceilDivide(n.end - n.start, NR));
    float* memory = reinterpret_cast<float*>(thread.grow(thread, static_cast<uint64_t>(NR * k) * sizeof(float)));
    for (int64_t column = n.start; column < n.end; column += NR) {
      packB(memory, {column, min(n.end, column + NR)}, 0, k);
      run(memory, column, 1);
    }
  }

  void packA(float* to, Range m, int64_t at, int64_t depth) const {
    for (int64_t row = m.start; row < m.end; row += MR, to += MR * depth) {
      if (left == byRows) packAcross<MR>(to, a + row * strideA + at, strideA, m.end - row, depth);
      else packAlong<MR>(to, a + at * strideA + row, strideA, m.end - row, depth);
    }
  }

  void packB(float* to, Range n, int64_t at, int64_t depth) const {
    for (int64_t column = n.start; column < n.end; column += NR, to += NR * depth) {
      if (right == across) packAcross<NR>(to, b + column * strideB + at, strideB, n.end - column, depth);
      else packAlong<NR>(to, b + at * strideB + column, strideB, n.end - column, depth);
    }
  }
};

}  // namespace cria::CRIA_ISA

// Matrix products in all forms that a linear layer and its gradients need: C[rows, columns] = A·B.
//
//   linear            A = x  [T, C] by rows        B = w  [N, C], packed across (k = C)
//   linearGradInput   A = dy [T, N] by rows        B = w  [N, C], packed along  (k = N)
//   linearGradWeight  A = dyᵀ, dy [T, N] by columns   B = x  [T, C], packed along  (k = T)
//                     C = dw holds the start of the chain
//
// The result is cut into blocks, one a chunk; k is never split between chunks. A comes in strips,
// packed once for all blocks, where there are many rows; B in panels, packed once for all blocks,
// or by the one block that needs them, or before (`device.pack`). What comes as it lies is packed
// by each block. Inside a block k goes in pieces, so that a strip of A stays in L1 and the piece of
// B in L2; between the pieces the sums wait in C, or beside it where C is also the residual or a
// half.
#pragma once
#include "pack.h"

namespace cria::CRIA_ISA {

/** Words along k of a piece. */
constexpr int64_t KC = 384;
/** Largest block: rows (some 112) and columns. */
constexpr int64_t MC = 112 / MR * MR;
constexpr int64_t NC = 384;
/**
 * Where a block has all rows: the largest one's columns, and how many there should be for threads
 * to end together.
 */
constexpr int64_t COLUMNS_OF_ALL_ROWS = 192;
constexpr int64_t BLOCKS_OF_ALL_ROWS = 12;
/** Multiply-adds that take some ten microseconds. */
constexpr int64_t CHUNK_WORK = 1 << 20;

template <class Unit>
struct Gemm : GemmArguments {
  using Left = typename Unit::Left;
  using Right = typename Unit::Right;
  enum LeftForm { byRows = 0, byColumns = 1, inStrips = 2 };
  enum RightForm { packed = 0, across = 1, along = 2 };

  // Types are codes of `Dtype`; C and the residual share one, that of a packed B is the unit's.
  int64_t depth, blockRows, blockColumns, rowBlocks, columnBlocks;

  explicit Gemm(Arguments& in) : GemmArguments(in) {
    depth = depthOf<Unit>(k);
    cut();
  }

  int64_t chunks() const { return rowBlocks * columnBlocks; }

  void run(int64_t chunk, ThreadMemory& thread) const {
    const Range m = piece(chunk % rowBlocks, blockRows, rows);
    const Range n = piece(chunk / rowBlocks, blockColumns, columns);
    if (few()) return runFew(n, thread);
    const int64_t strips = ceilDivide(m.end - m.start, MR),
                  panels = ceilDivide(n.end - n.start, NR);
    const int64_t pieces = max(1, ceilDivide(depth, KC)), pieceDepth = ceilDivide(depth, pieces);
    const bool plain = typeC == static_cast<int64_t>(Dtype::f32);
    Memory memory(thread, left == inStrips ? 0 : roundUp(strips * MR * pieceDepth, 64),
                  right == packed ? 0 : panels * NR * pieceDepth,
                  !plain || (residual == c && pieces > 1) ? strips * MR * blockColumns : 0);
    float* const result =
        plain ? static_cast<float*>(c) + m.start * strideC + n.start : memory.sums;
    const int64_t strideResult = plain ? strideC : blockColumns;
    float* const sums = memory.sums != nullptr ? memory.sums : result;
    const int64_t strideSums = memory.sums != nullptr ? blockColumns : strideC;
    const float* const added = plain && residual != nullptr ? static_cast<const float*>(residual) +
                                                                  m.start * strideResidual + n.start
                                                            : nullptr;
    int64_t at = 0;
    do {
      const int64_t here = min(pieceDepth, depth - at);
      if (left != inStrips) packA(memory.left, m, at, here);
      const Right* panelB = static_cast<const Right*>(b) + n.start * depth + at * NR;
      int64_t nextPanel = depth * NR;
      if (right != packed) {
        packB(memory.right, n, at, here);
        panelB = memory.right;
        nextPanel = here * NR;
      }
      const bool last = at + here >= depth;
      for (int64_t s = 0; s < strips; s++) {
        GemmTile<Unit> t;
        t.a = left == inStrips ? static_cast<const Left*>(a) + (m.start + s * MR) * depth + at * MR
                               : memory.left + s * MR * here;
        t.k = here;
        // The next strip, or the first one of the next piece, comes while the panels go by.
        const Left* next = t.a;
        if (s + 1 < strips) next += MR * (left == inStrips ? depth : here);
        else if (left == inStrips && !last)
          next = static_cast<const Left*>(a) + m.start * depth + (at + here) * MR;
        t.aheadStep = ceilDivide(MR * static_cast<int64_t>(sizeof(Left)), panels);
        t.strideC = last ? strideResult : strideSums;
        t.strideFrom = strideSums;
        t.strideResidual = strideResidual;
        for (int64_t p = 0; p < panels; p++) {
          float* sum = sums + s * MR * strideSums + p * NR;
          t.b = panelB + p * nextPanel;
          t.ahead = reinterpret_cast<const char*>(next) + p * t.aheadStep * here;
          t.c = last ? result + s * MR * strideResult + p * NR : sum;
          t.from = at > 0 || accumulate ? sum : nullptr;
          t.residual =
              added != nullptr && last ? added + s * MR * strideResidual + p * NR : nullptr;
          t.columns = min(NR, n.end - n.start - p * NR);
          runTile(min(MR, m.end - m.start - s * MR), t);
        }
      }
      at += here;
    } while (at < depth);
    if (!plain) finish(memory.sums, blockColumns, m, n);
  }

 protected:
  /** A thread's memory, cut. */
  struct Memory {
    Left* left;
    Right* right;
    float* sums;

    Memory(ThreadMemory& thread, int64_t lefts, int64_t rights, int64_t numbers) {
      const int64_t forLeft = roundUp(lefts * static_cast<int64_t>(sizeof(Left)), 64),
                    forRight = roundUp(rights * static_cast<int64_t>(sizeof(Right)), 64);
      char* memory =
          thread.grow(thread, static_cast<uint64_t>(forLeft + forRight +
                                                    numbers * static_cast<int64_t>(sizeof(float))));
      left = reinterpret_cast<Left*>(memory);
      right = reinterpret_cast<Right*>(memory + forLeft);
      sums = numbers > 0 ? reinterpret_cast<float*>(memory + forLeft + forRight) : nullptr;
    }
  };

  /** Few rows are read as they lie, and the weight streams through once. */
  bool few() const { return rows <= FEW && left == byRows && !accumulate; }

  /** C = sums (+ residual), where C is a half. */
  void finish(const float* sums, int64_t stride, Range m, Range n) const {
    withElements(typeC, c, [&](auto* target) {
      using T = Element<decltype(target)>;
      for (int64_t row = m.start; row < m.end; row++, sums += stride) {
        T* to = target + row * strideC;
        const T* from =
            residual == nullptr ? nullptr : static_cast<const T*>(residual) + row * strideResidual;
        forVectors(n.start, n.end, [&](int64_t i, int64_t some) {
          const V sum = loadSome(sums + (i - n.start), some);
          storeSome(to + i, from == nullptr ? sum : add(sum, loadSome(from + i, some)), some);
        });
      }
    });
  }

  /** The block size: a function of the shape alone. */
  void cut() {
    if (few()) {
      blockRows = max(1, rows);
      blockColumns = NR * max(1, streamedPanels(ceilDivide(columns, NR),
                                                NR * depth * static_cast<int64_t>(sizeof(Right))));
      if (blockColumns > NR)
        blockColumns = roundUp(blockColumns, NR * panelsAtOnce(static_cast<int>(blockRows)));
    } else if (left == inStrips && right != packed) {
      // One block alone needs its columns of B, and packs them.
      blockRows = roundUp(rows, MR);
      blockColumns =
          NR * max(1, min(COLUMNS_OF_ALL_ROWS / NR, ceilDivide(columns, NR) / BLOCKS_OF_ALL_ROWS));
    } else {
      blockRows = roundUp(ceilDivide(rows, max(1, ceilDivide(rows, MC))), MR);
      blockColumns = roundUp(ceilDivide(columns, max(1, ceilDivide(columns, NC))), NR);
      // Enough chunks that threads end together, as long as each is worth taking. Where B is packed
      // in every block anew, fewer.
      const int64_t enough = right == packed ? 16 : 8;
      while (ceilDivide(rows, max(1, blockRows)) * ceilDivide(columns, max(1, blockColumns)) <
                 enough &&
             blockRows * blockColumns * k > CHUNK_WORK) {
        if (blockColumns > 6 * NR || (blockRows <= 2 * MR && blockColumns > NR))
          blockColumns = roundUp(blockColumns / 2, NR);
        else if (blockRows > MR) blockRows = roundUp(blockRows / 2, MR);
        else break;
      }
    }
    rowBlocks = ceilDivide(rows, max(1, blockRows));
    columnBlocks = ceilDivide(columns, max(1, blockColumns));
  }

  void runFew(Range n, ThreadMemory& thread) const {
    const bool plain = typeC == static_cast<int64_t>(Dtype::f32);
    const bool ready = Unit::STEP == 1 && typeA == static_cast<int64_t>(Dtype::f32);
    const int64_t width = roundUp(n.end - n.start, NR);
    Memory memory(thread, ready ? 0 : rows * roundUp(depth, W), right == packed ? 0 : NR * depth,
                  plain ? 0 : rows * width);
    GemmTile<Unit> t;
    t.a = ready ? static_cast<const Left*>(a) : memory.left;
    t.k = depth;
    t.from = nullptr;
    t.strideC = plain ? strideC : width;
    t.strideResidual = strideResidual;
    const int64_t stride = ready ? strideA : roundUp(depth, W);
    if (!ready) wordsOfRows(memory.left);
    float* const result = plain ? static_cast<float*>(c) + n.start : memory.sums;
    const float* const added =
        plain && residual != nullptr ? static_cast<const float*>(residual) + n.start : nullptr;
    const auto run = [&](const Right* panels, int64_t start, int64_t count) {
      t.b = panels;
      t.c = result + start;
      t.residual = added == nullptr ? nullptr : added + start;
      t.columns = n.end - n.start - start;
      runFewRows(rows, t, stride, NR * depth, count);
    };
    if (right == packed) {
      run(static_cast<const Right*>(b) + n.start * depth, 0, ceilDivide(n.end - n.start, NR));
    } else {
      for (int64_t column = n.start; column < n.end; column += NR) {
        packB(memory.right, {column, min(n.end, column + NR)}, 0, depth);
        run(memory.right, column - n.start, 1);
      }
    }
    if (!plain) finish(memory.sums, width, {0, rows}, n);
  }

  /** Rows of A as words, each padded to whole vectors. */
  void wordsOfRows(Left* to) const {
    withElements(typeA, a, [&](auto* from) {
      for (int64_t row = 0; row < rows; row++, to += roundUp(depth, W)) {
        for (int64_t at = 0; at < k; at += W * Unit::STEP) {
          const int64_t there = min(W * Unit::STEP, k - at);
          const auto* source = from + row * strideA + at;
          storeWords(to + at / Unit::STEP,
                     there == W * Unit::STEP ? Unit::words(source) : Unit::words(source, there), W);
        }
      }
    });
  }

  /** Strips of `here` words from word `at` on. */
  void packA(Left* to, Range m, int64_t at, int64_t here) const {
    pack<MR>(to, typeA, a, strideA, left == byRows, m, at, here);
  }

  void packB(Right* to, Range n, int64_t at, int64_t here) const {
    pack<NR>(to, typeB, b, strideB, right == across, n, at, here);
  }

  template <int width, class Word>
  void pack(Word* to, int64_t type, const void* factor, int64_t stride, bool isAcross, Range range,
            int64_t at, int64_t here) const {
    const int64_t first = at * Unit::STEP, count = min(here * Unit::STEP, k - first),
                  total = range.end - range.start;
    withElements(type, factor, [&](auto* from) {
      if (!isAcross)
        return packStripsAlong<Unit, width>(to, width * here, from + first * stride + range.start,
                                            stride, total, count);
      for (int64_t i = 0; i < total; i += width)
        packAcross<Unit, width>(to + i * here, from + (range.start + i) * stride + first, stride,
                                total - i, count);
    });
  }
};

}  // namespace cria::CRIA_ISA

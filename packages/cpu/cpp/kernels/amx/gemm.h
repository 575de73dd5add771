// Products in bf16 by tiles, in all the forms of gemm.h. Every element of the result is one chain
// over k in steps of 32 (tiles.h), whoever computes it: sums that wait in memory between pieces of
// k come back as they were, and rows do not see each other, so one row has the bits it has among
// many.
//
//   left factor    [rows / 16][k / 32] tiles [16 rows][32 k]
//   right factor   [columns / 32][k / 32] two tiles [16 pairs of k][16 columns][2]; packed for
//                  keeping, the last step has only the pairs that there are, so that a panel takes
//                  the bytes it takes in pairs
#pragma once
#include "tile-block.h"
#include "kernels/gemm/measure.h"

namespace cria::CRIA_ISA {

/** Pieces of k: the piece of a panel stays in the first-level cache beside one of a strip. */
constexpr int64_t TILE_KC = 256;
constexpr int64_t TILE_MC = 256;
constexpr int64_t TILE_NC = 512;

/**
 * Where a chunk's right factor comes from when it is not kept packed: `pack(to, columns, at, here)`
 * fills whole steps of its panels.
 */
struct KeptPanels {
  static constexpr bool KEPT = true;
  const uint8_t* panels;
  int64_t bytes;
};
template <class Pack>
struct PanelsMade {
  static constexpr bool KEPT = false;
  Pack pack;
};
template <class Pack>
PanelsMade(Pack) -> PanelsMade<Pack>;

/** A kept panel's last step, which has only the pairs that there are, made whole with zeros. */
inline void wholeStep(uint8_t* to, const uint8_t* from, int64_t k) {
  const int64_t pairs = depthOf<Paired>(k);
  __builtin_memset(to, 0, TILE_STEP);
  __builtin_memcpy(to, from, static_cast<size_t>(pairs * 64));
  __builtin_memcpy(to + TILE, from + pairs * 64, static_cast<size_t>(pairs * 64));
}

/** What TileBlock has, for any number of strips and panels. */
struct TileOperands {
  const uint8_t *left, *right;
  int64_t tile, strip, panel, steps;
  const uint8_t* next = nullptr;
  int64_t share = 0;
};

/** Sums of `high` strips by `together` panels, at least one of which is 1. */
inline void runTiles(const TileOperands& of, int64_t high, int64_t together,
                     const uint8_t* (&tails)[2], float* sums, bool resume) {
  constexpr int64_t ROW_BYTES = 64;
  const uint8_t* tail[1] = {tails[0]};
  if (high == 2) {
    TileBlock<2, 1>{of.left, of.right, of.tile, of.strip, of.panel, of.next, of.share}.run(
        sums, ROW_BYTES, of.steps, tail, resume);
  } else if (together == 2) {
    TileBlock<1, 2>{of.left, of.right, of.tile, of.strip, of.panel}.run(sums, ROW_BYTES, of.steps,
                                                                        tails, resume);
  } else {
    TileBlock<1, 1>{of.left, of.right, of.tile, of.strip, of.panel}.run(sums, ROW_BYTES, of.steps,
                                                                        tail, resume);
  }
}

/**
 * One block of the result: rows `m` by columns `n`, over all of k.
 *   packLeft(to, rows, at, here, tileRows): strips of tileRows rows
 *   begin(row, rows, column, sums): where the sums begin
 *   finish(row, rows, column, sums): sums of one strip and panel, two tiles of 16 columns
 */
template <class Right, class PackLeft, class Begin, class Finish>
void tileProduct(Range m, Range n, int64_t k, const Right& right, bool accumulate,
                 PackLeft packLeft, Begin begin, Finish finish, ThreadMemory& thread) {
  const int64_t height = m.end - m.start, panels = ceilDivide(n.end - n.start, TILE_NR);
  const int64_t tileRows = min(TILE_ROWS, height), strips = ceilDivide(height, TILE_ROWS);
  const bool whole = Right::KEPT && strips == 1;
  const int64_t pieceSteps = whole ? max(1, tileSteps(k)) : TILE_KC / TILE_K,
                pieces = max(1, ceilDivide(tileSteps(k), pieceSteps));
  const int64_t tile = tileRows * 64, strip = pieceSteps * tile;
  const int64_t leftBytes = roundUp(strips * strip, 64),
                rightBytes = Right::KEPT ? 0 : panels * pieceSteps * TILE_STEP;
  const int64_t sumBytes = (pieces > 1 ? strips * panels : 2) * TILE_STEP;
  char* memory =
      thread.grow(thread, static_cast<uint64_t>(leftBytes + rightBytes + sumBytes + 2 * TILE_STEP));
  uint8_t* const left = reinterpret_cast<uint8_t*>(memory);
  uint8_t* const made = left + leftBytes;
  float* const sums = reinterpret_cast<float*>(memory + leftBytes + rightBytes);
  uint8_t* const spare = left + leftBytes + rightBytes + sumBytes;
  TileUnit unit(tileRows, 64);
  for (int64_t piece = 0; piece < pieces; piece++) {
    const int64_t at = piece * pieceSteps * TILE_K, here = min(pieceSteps * TILE_K, k - at),
                  steps = tileSteps(here);
    packLeft(left, m, at, here, tileRows, strip);
    const uint8_t* b = made;
    int64_t panelBytes = steps * TILE_STEP;
    if constexpr (Right::KEPT) {
      b = right.panels + at * 64;
      panelBytes = right.bytes;
    } else {
      right.pack(made, n, at, here);
    }
    const bool first = piece == 0, last = piece == pieces - 1;
    for (int64_t p = 0; p < panels;) {
      const int64_t together = strips == 1 && p + 1 < panels ? 2 : 1;
      const uint8_t* tails[2] = {nullptr, nullptr};
      if (Right::KEPT && here % TILE_K != 0) {
        for (int64_t i = 0; i < together; i++) {
          uint8_t* to = spare + i * TILE_STEP;
          wholeStep(to, b + (p + i) * panelBytes + (steps - 1) * TILE_STEP, here % TILE_K);
          tails[i] = to;
        }
      }
      for (int64_t s = 0; s < strips;) {
        const int64_t high = s + 1 < strips ? 2 : 1;
        float* const place =
            pieces > 1 ? sums + (p * strips + s * together) * (TILE_STEP / 4) : sums;
        const auto eachPart = [&](auto work) {
          for (int64_t i = 0; i < high * together; i++) {
            const int64_t row = m.start + (s + i / together) * TILE_ROWS;
            work(row, min(TILE_ROWS, m.end - row), n.start + (p + i % together) * TILE_NR,
                 place + i * (TILE_STEP / 4));
          }
        };
        if (first && accumulate) eachPart(begin);
        TileOperands of{left + s * strip, b + p * panelBytes, tile, strip, panelBytes, steps};
        if (high == 2 && Right::KEPT && p + 1 < panels) {
          // The same piece of the next panel, a part with each pair of strips. In prototypes it
          // gained 10 to 20 %.
          of.share = roundUp(TILE_STEP / (strips / 2), 64);
          of.next = of.right + panelBytes + s / 2 * of.share * steps;
        }
        runTiles(of, high, together, tails, place, !first || accumulate);
        if (last) eachPart(finish);
        s += high;
      }
      p += together;
    }
  }
}

/**
 * Strips of a left factor [tileRows][32 k] in bf16; rows and elements that do not exist are zero.
 * `columns`: the factor lies by columns
 */
template <class T>
inline void packTileLeft(uint8_t* to, const T* source, int64_t stride, Range m, int64_t at,
                         int64_t here, int64_t tileRows, int64_t strip, bool columns) {
  for (int64_t row = m.start; row < m.end; row += TILE_ROWS, to += strip) {
    const int64_t rows = min(TILE_ROWS, m.end - row);
    uint8_t* tile = to;
    for (int64_t k = 0; k < here; k += TILE_K, tile += tileRows * 64) {
      const int64_t there = min(TILE_K, here - k);
      V block[W];
      if (columns) {
        const T* from = source + (at + k) * stride + row;
        for (int i = 0; i < W; i++, from += 2 * stride)
          block[i] = 2 * i < there ? Paired::wordsDown(from, stride, there - 2 * i, rows) : zero();
        transpose(block);
      } else {
        const T* from = source + row * stride + at + k;
        for (int i = 0; i < W; i++, from += stride)
          block[i] = i >= rows         ? zero()
                     : there == TILE_K ? Paired::words(from)
                                       : Paired::words(from, there);
      }
      for (int64_t i = 0; i < tileRows; i++)
        store(reinterpret_cast<float*>(tile + i * 64), block[i]);
    }
  }
}

/** y[row …] = sums (+ residual) of one strip and panel */
template <class T>
inline void finishTiles(T* y, const T* residual, int64_t stride, int64_t strideResidual,
                        int64_t rows, int64_t columns, const float* sums) {
  for (int64_t i = 0; i < rows; i++, y += stride) {
    for (int64_t v = 0; v < 2; v++) {
      const int64_t there = min(W, columns - v * W);
      if (there <= 0) continue;
      const V sum = load(sums + v * (TILE / 4) + i * W);
      storeSome(y + v * W,
                residual == nullptr
                    ? sum
                    : add(sum, loadSome(residual + i * strideResidual + v * W, there)),
                there);
    }
  }
}

/** Chunks of a product by tiles: a function of the shape alone. */
inline void cutTiles(int64_t rows, int64_t columns, int64_t k, bool kept, int64_t& blockRows,
                     int64_t& blockColumns) {
  if (rows <= TILE_ROWS) {
    blockRows = max(1, rows);
    blockColumns = min(roundUp(ceilDivide(1 << 17, max(1, k)), 2 * TILE_NR),
                       roundUp(max(1, columns), TILE_NR));
    return;
  }
  blockRows = roundUp(ceilDivide(rows, max(1, ceilDivide(rows, TILE_MC))), TILE_NR);
  blockColumns = roundUp(ceilDivide(columns, max(1, ceilDivide(columns, TILE_NC))), TILE_NR);
  const int64_t enough = kept ? 16 : 8;
  while (ceilDivide(rows, blockRows) * ceilDivide(columns, max(1, blockColumns)) < enough &&
         blockRows * blockColumns * k > 8 * CHUNK_WORK) {
    if (blockColumns > 4 * TILE_NR) blockColumns = roundUp(blockColumns / 2, TILE_NR);
    else if (blockRows > 2 * TILE_NR) blockRows = roundUp(blockRows / 2, TILE_NR);
    else break;
  }
}

/** Measure by tiles: `repeat` times four products of operands that stay in tiles. */
struct TileMeasure : Measure<Paired> {
  explicit TileMeasure(Arguments& in) : Measure<Paired>(in) {}
  void run(int64_t, ThreadMemory& thread) const {
    char* sink = thread.grow(thread, TILE);
    TileUnit unit(TILE_ROWS, 64);
    for (int64_t n = 0; n < repeat; n++) {
      tiles::dotPairs<0, 4, 6>();
      tiles::dotPairs<1, 4, 7>();
      tiles::dotPairs<2, 5, 6>();
      tiles::dotPairs<3, 5, 7>();
    }
    tiles::store<0>(sink, 64);
  }
};

struct TileGemm : Gemm<Paired> {
  explicit TileGemm(Arguments& in) : Gemm<Paired>(in) {
    cutTiles(rows, columns, k, right == packed, blockRows, blockColumns);
    rowBlocks = ceilDivide(rows, blockRows);
    columnBlocks = ceilDivide(columns, max(1, blockColumns));
  }
  void run(int64_t chunk, ThreadMemory& thread) const {
    const Range m = piece(chunk % rowBlocks, blockRows, rows),
                n = piece(chunk / rowBlocks, blockColumns, columns);
    const auto packLeft = [&](uint8_t* to, Range strips, int64_t at, int64_t here, int64_t tileRows,
                              int64_t strip) {
      withElements(typeA, a, [&](auto* from) {
        packTileLeft(to, from, strideA, strips, at, here, tileRows, strip, left == byColumns);
      });
    };
    // A sum begins only in C of f32 (Gemm has no other).
    const auto begin = [&](int64_t row, int64_t height, int64_t column, float* sums) {
      const float* from = static_cast<const float*>(c) + row * strideC + column;
      for (int64_t i = 0; i < TILE_ROWS; i++) {
        for (int64_t v = 0; v < 2; v++)
          store(sums + v * (TILE / 4) + i * W,
                i < height
                    ? load(from + i * strideC + v * W, max(0, min(W, n.end - column - v * W)))
                    : zero());
      }
    };
    const auto end = [&](int64_t row, int64_t height, int64_t column, const float* sums) {
      withElements(typeC, c, [&](auto* target) {
        using T = Element<decltype(target)>;
        const T* more = residual == nullptr
                            ? nullptr
                            : static_cast<const T*>(residual) + row * strideResidual + column;
        finishTiles(target + row * strideC + column, more, strideC, strideResidual, height,
                    n.end - column, sums);
      });
    };
    if (right == packed) {
      const int64_t bytes = TILE_NR * depth * 4;
      tileProduct(m, n, k,
                  KeptPanels{static_cast<const uint8_t*>(b) + n.start / TILE_NR * bytes, bytes},
                  accumulate, packLeft, begin, end, thread);
      return;
    }
    const auto packRight = [&](uint8_t* to, Range columns, int64_t at, int64_t here) {
      withElements(typeB, b, [&](auto* from) {
        for (int64_t column = columns.start; column < columns.end;
             column += TILE_NR, to += tileSteps(here) * TILE_STEP) {
          const auto* start =
              right == along ? from + at * strideB + column : from + column * strideB + at;
          packTilePanel(to, start, strideB, columns.end - column, here, right == along);
        }
      });
    };
    tileProduct(m, n, k, PanelsMade{packRight}, accumulate, packLeft, begin, end, thread);
  }
};

}  // namespace cria::CRIA_ISA

// Products in bf16 by tiles, in all the forms of gemm.h. Every element of the result is one chain
// over k in steps of 32 (tiles.h), whoever computes it: sums that wait in memory between pieces of
// k come back as they were, and rows do not see each other, so one row has the bits it has among
// many.
//
//   left factor    [rows / 16][k / 32] tiles [16 rows][32 k]
//   right factor   [columns / 32][k / 32] two tiles [16 pairs of k][16 columns][2]; packed for
//                  keeping, the last step has only the pairs that there are, so that a panel takes
//                  the bytes it takes in pairs
//
// 32 by 32 sums in four tiles: the operands of a step are loaded first, then multiplied
// (interleaved it was up to 20 % slower).
#pragma once
#include "tiles.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/measure.h"

namespace cria::CRIA_ISA {

/** Elements along k of a step, columns of a panel, bytes of a panel's step. */
constexpr int64_t TILE_K = 32;
constexpr int64_t TILE_NR = 32;
constexpr int64_t TILE_STEP = 2 * TILE;
static_assert(NR == TILE_NR && W == TILE_ROWS, "a panel of pairs has as many columns as two tiles");

/** Pieces of k: the piece of a panel stays in the first-level cache beside one of a strip. */
constexpr int64_t TILE_KC = 256;
constexpr int64_t TILE_MC = 256;
constexpr int64_t TILE_NC = 512;

inline int64_t tileSteps(int64_t k) { return ceilDivide(k, TILE_K); }

/**
 * Both tiles of one step: `columns` columns and `k` of k that exist; pairs that do not are left
 * alone. `source` as in PackPanels.
 */
template <class T>
inline void packTileStep(uint8_t* to, const T* source, int64_t stride, int64_t columns, int64_t k,
                         bool along, int64_t bytes = TILE) {
  for (int64_t half = 0; half < 2; half++, columns -= TILE_ROWS, to += bytes) {
    Pair* words = reinterpret_cast<Pair*>(to);
    if (along)
      packAlong<Paired, TILE_ROWS>(words, source + half * TILE_ROWS, stride, max(0, columns), k,
                                   TILE_K);
    else
      packAcross<Paired, TILE_ROWS>(words, source + half * TILE_ROWS * stride, stride,
                                    max(0, columns), k);
  }
}

/** Whole steps of one panel from element `at` on, `k` of k: zeros where nothing exists. */
template <class T>
inline void packTilePanel(uint8_t* to, const T* source, int64_t stride, int64_t columns, int64_t k,
                          bool along) {
  for (int64_t at = 0; at < k; at += TILE_K, to += TILE_STEP) {
    const int64_t here = min(TILE_K, k - at);
    if (here < TILE_K) __builtin_memset(to, 0, TILE_STEP);
    packTileStep(to, along ? source + at * stride : source + at, stride, columns, here, along);
  }
}

/** A right factor packed for keeping. */
struct TilePackPanels : PackPanels<Paired> {
  explicit TilePackPanels(Arguments& in) : PackPanels<Paired>(in) {}
  int64_t chunks() const { return ceilDivide(ceilDivide(columns, TILE_NR), panelsPerChunk()); }
  void run(int64_t chunk, ThreadMemory&) const {
    const Range range = piece(chunk, panelsPerChunk(), ceilDivide(columns, TILE_NR));
    withElements(type, source, [&](auto* from) {
      for (int64_t p = range.start; p < range.end; p++) {
        uint8_t* to = reinterpret_cast<uint8_t*>(packed + p * TILE_NR * depthOf<Paired>(k));
        for (int64_t at = 0; at < k; at += TILE_K) {
          const int64_t here = min(TILE_K, k - at), bytes = depthOf<Paired>(here) * 64;
          const auto* start =
              along != 0 ? from + at * stride + p * TILE_NR : from + p * TILE_NR * stride + at;
          packTileStep(to, start, stride, columns - p * TILE_NR, here, along != 0, bytes);
          to += 2 * bytes;
        }
      }
    });
  }
};

/**
 * The same as `UnpackPanels` from the tiles that `TilePackPanels` makes: a step of k is two tiles
 * of 16 rows of the weight each.
 */
struct TileUnpackPanels : UnpackPanels<Paired> {
  explicit TileUnpackPanels(Arguments& in) : UnpackPanels<Paired>(in) {}
  int64_t chunks() const { return ceilDivide(rows, TILE_NR); }
  void run(int64_t chunk, ThreadMemory&) const {
    constexpr int64_t HALF = TILE_NR / 2;
    const Element* panel = packed + chunk * TILE_NR * depthOf<Paired>(k) * 2;
    const Range range = piece(chunk, TILE_NR, rows);
    for (int64_t c = first; c < first + columns; c++) {
      const int64_t step = c / TILE_K * TILE_K, here = min(TILE_K, k - step),
                    tile = depthOf<Paired>(here) * HALF * 2;
      const Element* from = panel + step * TILE_NR + (c - step) / 2 * HALF * 2 + (c - step) % 2;
      for (int64_t row = range.start; row < range.end; row++) {
        const int64_t i = row - range.start;
        y[row * columns + c - first] = from[i / HALF * tile + i % HALF * 2];
      }
    }
  }
};

/** Sums of STRIPS strips by PANELS panels over `steps` steps, in tiles 0 to 3. */
template <int STRIPS, int PANELS>
struct TileBlock {
  static_assert(STRIPS * PANELS == 2 || STRIPS * PANELS == 1,
                "two tiles a strip and panel, four in all");
  /**
   * Left tiles of a strip follow each other, `tile` bytes each; strips are `strip` bytes apart,
   * panels `panel`.
   */
  const uint8_t* a;
  const uint8_t* b;
  int64_t tile, strip, panel;
  /**
   * What comes next from far away, `share` bytes of it asked for a step, so that it is in the
   * second-level cache by then; or null.
   */
  const uint8_t* next = nullptr;
  int64_t share = 0;

  /** sums: [strip][panel][2 tiles]; `begin`: they hold where to begin, else zero */
  void run(float* sums, int64_t rowBytes, int64_t steps, const uint8_t* (&last)[PANELS],
           bool begin) const {
    if (begin)
      each([&](auto t, int64_t at) {
        tiles::load<decltype(t)::value>(reinterpret_cast<const char*>(sums) + at, rowBytes);
      });
    else each([&](auto t, int64_t) { tiles::zero<decltype(t)::value>(); });
    for (int64_t s = 0; s < steps; s++) {
      const uint8_t* left = a + s * tile;
      const uint8_t* right[PANELS];
      for (int p = 0; p < PANELS; p++)
        right[p] = s == steps - 1 && last[p] != nullptr ? last[p] : b + p * panel + s * TILE_STEP;
      if (STRIPS == 1) lookAhead(b + s * TILE_STEP);
      else if (next != nullptr) askForNext(s);
      step(left, right);
    }
    each([&](auto t, int64_t at) {
      tiles::store<decltype(t)::value>(reinterpret_cast<char*>(sums) + at, rowBytes);
    });
  }

 private:
  template <int n>
  struct Number {
    static constexpr int value = n;
  };
  /** Calls work(tile, bytes from the first sum). */
  template <class Work>
  static void each(Work work) {
    work(Number<0>(), int64_t{0});
    work(Number<1>(), TILE);
    if constexpr (STRIPS * PANELS == 2) {
      work(Number<2>(), 2 * TILE);
      work(Number<3>(), 3 * TILE);
    }
  }
  /** A weight that is read once comes from memory: the step after next is asked for. */
  void lookAhead(const uint8_t* from) const {
    for (int p = 0; p < PANELS; p++) prefetchLines(from + p * panel + TILE_STEP);
  }
  void askForNext(int64_t s) const {
    for (int64_t at = s * share; at < (s + 1) * share; at += 64)
      __builtin_prefetch(next + at, 0, 2);
  }
  static void prefetchLines(const uint8_t* p) {
    for (int64_t line = 0; line < TILE_STEP; line += 64) prefetch(p + line);
  }
  void step(const uint8_t* left, const uint8_t* const (&right)[PANELS]) const {
    tiles::load<6>(right[0], 64);
    tiles::load<7>(right[0] + TILE, 64);
    tiles::load<4>(left, 64);
    if constexpr (STRIPS == 2) tiles::load<5>(left + strip, 64);
    tiles::dotPairs<0, 4, 6>();
    tiles::dotPairs<1, 4, 7>();
    if constexpr (STRIPS == 2) {
      tiles::dotPairs<2, 5, 6>();
      tiles::dotPairs<3, 5, 7>();
    } else if constexpr (PANELS == 2) {
      tiles::load<6>(right[1], 64);
      tiles::load<7>(right[1] + TILE, 64);
      tiles::dotPairs<2, 4, 6>();
      tiles::dotPairs<3, 4, 7>();
    }
  }
};

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
  const int64_t tileRows = min(TILE_ROWS, height), strips = ceilDivide(height, TILE_ROWS),
                rowBytes = 64;
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
          // The last step of a kept panel is not whole.
          const int64_t pairs = depthOf<Paired>(here % TILE_K);
          uint8_t* to = spare + i * TILE_STEP;
          const uint8_t* from = b + (p + i) * panelBytes + (steps - 1) * TILE_STEP;
          __builtin_memset(to, 0, TILE_STEP);
          __builtin_memcpy(to, from, static_cast<size_t>(pairs * 64));
          __builtin_memcpy(to + TILE, from + pairs * 64, static_cast<size_t>(pairs * 64));
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
        const uint8_t* a = left + s * strip;
        const uint8_t* column = b + p * panelBytes;
        const bool resume = !first || accumulate;
        if (high == 2) {
          const uint8_t* tail[1] = {tails[0]};
          TileBlock<2, 1> block{a, column, tile, strip, panelBytes};
          if (Right::KEPT && p + 1 < panels) {
            // The same piece of the next panel, a part with each pair of strips. In prototypes it
            // gained 10 to 20 %.
            block.share = roundUp(TILE_STEP / (strips / 2), 64);
            block.next = column + panelBytes + s / 2 * block.share * steps;
          }
          block.run(place, rowBytes, steps, tail, resume);
        } else if (together == 2) {
          TileBlock<1, 2>{a, column, tile, strip, panelBytes}.run(place, rowBytes, steps, tails,
                                                                  resume);
        } else {
          const uint8_t* tail[1] = {tails[0]};
          TileBlock<1, 1>{a, column, tile, strip, panelBytes}.run(place, rowBytes, steps, tail,
                                                                  resume);
        }
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

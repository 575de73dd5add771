// Right factors in tiles: a panel of 32 columns is, for each step of 32 along k, two tiles [16 pairs
// of k][16 columns][2].
#pragma once
#include "tiles.h"
#include "kernels/gemm/gemm.h"

namespace cria::CRIA_ISA {

/** Elements along k of a step, columns of a panel, bytes of a panel's step. */
constexpr int64_t TILE_K = 32;
constexpr int64_t TILE_NR = 32;
constexpr int64_t TILE_STEP = 2 * TILE;
static_assert(NR == TILE_NR && W == TILE_ROWS, "a panel of pairs has as many columns as two tiles");

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

}  // namespace cria::CRIA_ISA

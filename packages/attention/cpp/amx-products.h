// Products of attention by the tile unit (AMX): strips of tiles as factors, and blocks of up to two
// by two tiles of sums.
//
// Bits: a sum goes in steps of 32, each a chain over even places, one over odd places, then their
// sum added to what was there (tiles.h of simd). A tile's row or column sees no other, and zeros
// add nothing.
#pragma once
#include "forward.h"

namespace cria::CRIA_ISA::attention {

/** Rows of a tile, and pairs or floats of its row; numbers of a step. */
constexpr int TILE_LANES = 16, TILE_STEP = 32;
static_assert(W == TILE_LANES && LANES % (2 * TILE_LANES) == 0 && KEYS % TILE_STEP == 0,
              "a panel of scores is a column of tiles");

static inline int stepsOf(int numbers) { return (numbers + TILE_STEP - 1) / TILE_STEP; }

/**
 * Tiles of one factor along the sum: the first one's first row; bytes to the next row, to the next
 * tile.
 */
struct TileStrip {
  const void* first;
  int64_t row, step;
  const char* at(int s) const { return static_cast<const char*>(first) + s * step; }
};
struct TilePlace {
  float* first;
  int64_t row;  // bytes
};

/**
 * to[l][r] (+)= left[l] by right[r], LEFT by RIGHT tiles of sums over `steps` steps, on top of what
 * is there unless `anew`. The operands of a step are loaded first, then multiplied.
 */
template <int LEFT, int RIGHT>
static inline void tileSums(const TileStrip* left, const TileStrip* right, int steps,
                            const TilePlace (&to)[2][2], bool anew) {
  if (anew) {
    tiles::zero<0>();
    if constexpr (RIGHT == 2) tiles::zero<1>();
    if constexpr (LEFT == 2) tiles::zero<2>();
    if constexpr (LEFT == 2 && RIGHT == 2) tiles::zero<3>();
  } else {
    tiles::load<0>(to[0][0].first, to[0][0].row);
    if constexpr (RIGHT == 2) tiles::load<1>(to[0][1].first, to[0][1].row);
    if constexpr (LEFT == 2) tiles::load<2>(to[1][0].first, to[1][0].row);
    if constexpr (LEFT == 2 && RIGHT == 2) tiles::load<3>(to[1][1].first, to[1][1].row);
  }
  for (int s = 0; s < steps; s++) {
    tiles::load<6>(right[0].at(s), right[0].row);
    if constexpr (RIGHT == 2) tiles::load<7>(right[1].at(s), right[1].row);
    tiles::load<4>(left[0].at(s), left[0].row);
    if constexpr (LEFT == 2) tiles::load<5>(left[1].at(s), left[1].row);
    tiles::dotPairs<0, 4, 6>();
    if constexpr (RIGHT == 2) tiles::dotPairs<1, 4, 7>();
    if constexpr (LEFT == 2) tiles::dotPairs<2, 5, 6>();
    if constexpr (LEFT == 2 && RIGHT == 2) tiles::dotPairs<3, 5, 7>();
  }
  tiles::store<0>(to[0][0].first, to[0][0].row);
  if constexpr (RIGHT == 2) tiles::store<1>(to[0][1].first, to[0][1].row);
  if constexpr (LEFT == 2) tiles::store<2>(to[1][0].first, to[1][0].row);
  if constexpr (LEFT == 2 && RIGHT == 2) tiles::store<3>(to[1][1].first, to[1][1].row);
}

/** place(l, r): where the sums of left[l] and right[r] go, or stand unless `anew` */
template <class Place>
static inline void tileProducts(const TileStrip* left, int lefts, const TileStrip* right,
                                int rights, int steps, bool anew, Place place) {
  for (int r = 0; r < rights; r += 2) {
    const bool wide = r + 1 < rights;
    for (int l = 0; l < lefts; l += 2) {
      const bool high = l + 1 < lefts;
      TilePlace to[2][2];
      for (int i = 0; i < (high ? 2 : 1); i++) {
        for (int j = 0; j < (wide ? 2 : 1); j++) to[i][j] = place(l + i, r + j);
      }
      if (high && wide) tileSums<2, 2>(left + l, right + r, steps, to, anew);
      else if (high) tileSums<2, 1>(left + l, right + r, steps, to, anew);
      else if (wide) tileSums<1, 2>(left + l, right + r, steps, to, anew);
      else tileSums<1, 1>(left + l, right + r, steps, to, anew);
    }
  }
}

/**
 * Rows of bf16 as a left factor, in strips of 16: as they lie, `step` bytes apart, where a strip is
 * whole and in steps; else copied, with zeros beyond E. `there`: rows that are memory, of which
 * only n count. step = 0: they lie anywhere.
 */
static inline int rowStrips(TileStrip* strips, const float* const* rows, int n, int there,
                            int64_t step, int E, float* copies) {
  const int64_t width = static_cast<int64_t>(stepsOf(E)) * TILE_STEP * 2,
                bytes = 2 * static_cast<int64_t>(E);
  int count = 0;
  for (int j = 0; j < n; j += TILE_LANES) {
    if (width == bytes && step != 0 && j + TILE_LANES <= there) {
      strips[count++] = {rows[j], step, 2 * TILE_STEP};
      continue;
    }
    char* to = reinterpret_cast<char*>(copies) + j * width;
    strips[count++] = {to, width, 2 * TILE_STEP};
    for (int i = j; i < j + TILE_LANES && i < n; i++, to += width) {
      __builtin_memcpy(to, rows[i], static_cast<size_t>(bytes));
      __builtin_memset(to + bytes, 0, static_cast<size_t>(width - bytes));
    }
  }
  return count;
}

/**
 * q, or its gradient's like, as a right factor: pairs, [pair of E][LANES], with zeros up to whole
 * steps.
 */
static inline void finishColumns(float* columns, int E) {
  const size_t words = static_cast<size_t>(E) / 2,
               whole = static_cast<size_t>(stepsOf(E)) * TILE_STEP / 2;
  __builtin_memset(columns + words * LANES, 0, (whole - words) * LANES * sizeof(float));
}

/** panels[p][key][lane] = key . q, unscaled, where a lane of the panel sees a key of two strips */
static inline void tileScores(float* panels, const TileStrip* keys, int count, int64_t first,
                              const Tile& tile, const float* columns, int E) {
  const int all = (tile.lanes + W - 1) / W;
  TileStrip queries[PANELS];
  for (int p = 0; p < all; p++)
    queries[p] = {columns + p * W, LANES * sizeof(float), TILE_STEP / 2 * LANES * sizeof(float)};
  for (int k = 0; k < count; k += 2) {
    const int p = tile.firstLane(first + k * TILE_LANES) / W;
    tileProducts(
        keys + k, k + 1 < count ? 2 : 1, queries + p, all - p, stepsOf(E), true, [&](int l, int r) {
          return TilePlace{panels + (p + r) * PANEL + (k + l) * TILE_LANES * W, W * sizeof(float)};
        });
  }
}

/**
 * Whether a number of rows `from` to `to` is infinite or none.
 *     pairs: of rows, [pair][width] words
 */
static inline bool holdsInfinite(const float* pairs, int from, int to, int width) {
  // x - x is no number for them alone, whatever the lower bits are.
  V found = zero();
  for (int64_t i = static_cast<int64_t>(from / 2) * width,
               end = static_cast<int64_t>((to + 1) / 2) * width;
       i < end; i += W) {
    const V both = load(pairs + i, end - i < W ? end - i : W), low = firstHalves(both);
    found = add(found, add(sub(both, both), sub(low, low)));
  }
  const float sum = reduceAdd(found);
  return sum != sum;
}

/** The first row of a pair becomes zero. */
static inline void hideFirst(float* pairs, int row, int width) {
  float* words = pairs + static_cast<int64_t>(row / 2) * width;
  for (int e = 0; e < width; e += W) {
    const int rest = width - e < W ? width - e : W;
    store(words + e, highHalves(load(words + e, rest)), rest);
  }
}

/** Rows `from` to `to` become zero; where `to` is odd, its pair too. */
static inline void hideRows(float* pairs, int from, int to, int width) {
  float* row = pairs + static_cast<int64_t>(from / 2) * width;
  if (from % 2 != 0 && from < to) {
    for (int e = 0; e < width; e += W) {
      const int rest = width - e < W ? width - e : W;
      store(row + e, lowHalves(load(row + e, rest)), rest);
    }
    row += width;
    from++;
  }
  if (from < to)
    __builtin_memset(row, 0, static_cast<size_t>((to - from + 1) / 2) * width * sizeof(float));
}

}  // namespace cria::CRIA_ISA::attention

// Forward attention over keys and values of bf16 or Q8_0 by the tile unit (AMX): what `chunk_sums` is there.
//
// Scores: keys are the left factor, 16 rows as they lie in the cache by 32 of E; queries are the right one, 16 lanes. So scores come out
// [key][lane], a panel, whose maximum, exp and sum need no shuffles. Outputs: probabilities are the left factor, 16 lanes by 32 keys, values
// in pairs of keys the right one, 16 of E; sums come out [lane][E].
//
// Bits: a score is a sum over E in steps of 32, a sum of a chunk one over its keys in steps of 32 from the chunk's first. A key that a lane
// does not see weighs zero, and a tile's row or column sees no other. So neither the lanes of a tile nor how a sequence was cut shows.
//
// A chunk of 128 keys, E = 64, takes 64 and 64 products of tiles for 64 lanes, each with a load, and 48 stores; for up to 16 lanes (decode) 16
// and 16, three loads for two, and 12 stores. A product took 16 cycles where it was measured: 2048 for 64 lanes, beside 7000 for their
// exponentials.
#pragma once
#include "forward.h"

namespace cria::CRIA_ISA::attention {

// Rows of a tile, and pairs or floats of its row; numbers of a step.
constexpr int TILE_LANES = 16, TILE_STEP = 32;
static_assert(W == TILE_LANES && LANES % (2 * TILE_LANES) == 0 && KEYS % TILE_STEP == 0, "a panel of scores is a column of tiles");

static inline int steps_of(int numbers) { return (numbers + TILE_STEP - 1) / TILE_STEP; }

// Tiles of one factor along the sum: the first one's first row; bytes to the next row, to the next tile.
struct TileStrip {
  const void* first;
  int64_t row, step;
  const char* at(int s) const { return static_cast<const char*>(first) + s * step; }
};
struct TilePlace {
  float* first;
  int64_t row;  // bytes
};

// to[l][r] = left[l] by right[r], LEFT by RIGHT tiles of sums over `steps` steps. The operands of a step are loaded first, then multiplied.
template <int LEFT, int RIGHT>
static inline void tile_sums(const TileStrip* left, const TileStrip* right, int steps, const TilePlace (&to)[2][2]) {
  tiles::zero<0>();
  if constexpr (RIGHT == 2) tiles::zero<1>();
  if constexpr (LEFT == 2) tiles::zero<2>();
  if constexpr (LEFT == 2 && RIGHT == 2) tiles::zero<3>();
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

// place(l, r): where the sums of left[l] and right[r] go
template <class Place>
static inline void tile_products(const TileStrip* left, int lefts, const TileStrip* right, int rights, int steps, Place place) {
  for (int r = 0; r < rights; r += 2) {
    const bool wide = r + 1 < rights;
    for (int l = 0; l < lefts; l += 2) {
      const bool high = l + 1 < lefts;
      TilePlace to[2][2];
      for (int i = 0; i < (high ? 2 : 1); i++) {
        for (int j = 0; j < (wide ? 2 : 1); j++) to[i][j] = place(l + i, r + j);
      }
      if (high && wide) tile_sums<2, 2>(left + l, right + r, steps, to);
      else if (high) tile_sums<2, 1>(left + l, right + r, steps, to);
      else if (wide) tile_sums<1, 2>(left + l, right + r, steps, to);
      else tile_sums<1, 1>(left + l, right + r, steps, to);
    }
  }
}

// q as pairs, [pair of E][LANES], with zeros up to whole steps.
template <>
inline void Queries::pack<TileWords>(const Tile& tile, const Shape& shape, const Scratch& s) const {
  pack<PairWords>(tile, shape, s);
  const size_t words = static_cast<size_t>(shape.E) / 2, whole = static_cast<size_t>(steps_of(shape.E)) * TILE_STEP / 2;
  __builtin_memset(s.columns + words * LANES, 0, (whole - words) * LANES * sizeof(float));
}

// Where a chunk's memory in `room` beyond the rows of stored_rows lies: copied keys, then, when these are used up, sums of 16 lanes.
static inline float* spare_room(const Scratch& s, int E) { return s.room + static_cast<size_t>(KEYS) * E; }

// The keys of a chunk in strips of 16: as they lie where a strip is whole, in steps, and in equal distances; else copied, with zeros beyond E.
static inline int key_strips(TileStrip (&strips)[KEYS / TILE_LANES], const Chunk& chunk, int n, const Source& source, int E, float* copies) {
  const int64_t width = static_cast<int64_t>(steps_of(E)) * TILE_STEP * 2, bytes = 2 * static_cast<int64_t>(E);
  const bool converted = source.stored != Stored::bf16, even = converted || source.table == nullptr || (1 << source.block_shift) >= TILE_LANES;
  int count = 0;
  for (int j = 0; j < n; j += TILE_LANES) {
    // Rows of converted keys that do not exist are memory all the same, and their scores go nowhere.
    if (width == bytes && even && (converted || j + TILE_LANES <= n)) {
      strips[count++] = {chunk.keys[j], converted ? bytes : source.step, 2 * TILE_STEP};
      continue;
    }
    char* to = reinterpret_cast<char*>(copies) + j * width;
    strips[count++] = {to, width, 2 * TILE_STEP};
    for (int i = j; i < j + TILE_LANES && i < n; i++, to += width) {
      __builtin_memcpy(to, chunk.keys[i], static_cast<size_t>(bytes));
      __builtin_memset(to + bytes, 0, static_cast<size_t>(width - bytes));
    }
  }
  return count;
}

// panels[p][key][lane] = key . q, unscaled, where a lane of the panel sees a key of two strips
static inline void tile_scores(float* panels, const TileStrip* keys, int count, int64_t first, const Tile& tile, const float* columns, int E) {
  const int all = (tile.lanes + W - 1) / W;
  TileStrip queries[PANELS];
  for (int p = 0; p < all; p++) queries[p] = {columns + p * W, LANES * sizeof(float), TILE_STEP / 2 * LANES * sizeof(float)};
  for (int k = 0; k < count; k += 2) {
    const int p = tile.first_lane(first + k * TILE_LANES) / W;
    tile_products(keys + k, k + 1 < count ? 2 : 1, queries + p, all - p, steps_of(E),
                  [&](int l, int r) { return TilePlace{panels + (p + r) * PANEL + (k + l) * TILE_LANES * W, W * sizeof(float)}; });
  }
}

// sums of the lanes of `count` strips of probabilities, rows of E floats
static inline void tile_outputs(float* sums, const TileStrip* weights, int count, const float* values, int steps, int E) {
  const int64_t row = static_cast<int64_t>(E) * sizeof(float);
  const int columns = (E + W - 1) / W, rest = E % W;
  TileStrip rights[256 / W];
  for (int c = 0; c < columns; c++) rights[c] = {values + c * W, row, row * (TILE_STEP / 2)};
  alignas(64) float last[LANES * W];
  tile_products(weights, count, rights, columns, steps, [&](int l, int r) {
    if (rest != 0 && r == columns - 1) return TilePlace{last + l * TILE_LANES * W, W * sizeof(float)};
    return TilePlace{sums + static_cast<int64_t>(l) * TILE_LANES * E + r * W, row};
  });
  if (rest == 0) return;
  for (int l = 0; l < count * TILE_LANES; l++) store(sums + static_cast<int64_t>(l) * E + E - rest, load(last + l * W), rest);
}

// Whether a number of the pairs of keys `from` to `to` is infinite or none.
static inline bool holds_infinite(const float* values, int from, int to, int E) {
  // x - x is no number for them alone, whatever the lower bits are.
  V found = zero();
  for (int64_t i = static_cast<int64_t>(from / 2) * E, end = static_cast<int64_t>((to + 1) / 2) * E; i < end; i += W) {
    const V both = load(values + i, end - i < W ? end - i : W), low = firstHalves(both);
    found = add(found, add(sub(both, both), sub(low, low)));
  }
  const float sum = reduce_add(found);
  return sum != sum;
}

// values of keys `from` to `to` become zero
static inline void hide_values(float* values, int from, int to, int E) {
  float* row = values + static_cast<int64_t>(from / 2) * E;
  if (from % 2 != 0 && from < to) {
    for (int e = 0; e < E; e += W) {
      const int rest = E - e < W ? E - e : W;
      store(row + e, lowHalves(load(row + e, rest)), rest);
    }
    row += E;
    from++;
  }
  if (from < to) __builtin_memset(row, 0, static_cast<size_t>((to - from + 1) / 2) * E * sizeof(float));
}

// Where values that some lanes do not see are infinite or no numbers, a weight of zero would not hide them: lane by lane, the last one first,
// with zeros in the place of what it does not see. The bits of all others are as they would be.
static inline void tile_outputs_apart(const Tile& tile, const Scratch& s, const TileStrip* weights, float* values, int64_t first, int n, int E) {
  float* sums = spare_room(s, E);
  int shown = n;
  for (int l = tile.lanes - 1; l >= 0; l--) {
    const int seen = in_chunk(tile.visible(l) - first);
    if (seen == 0) return;
    hide_values(values, seen, shown, E);
    shown = seen;
    tile_outputs(sums, weights + l / W, 1, values, steps_of(n), E);
    __builtin_memcpy(s.sums + static_cast<int64_t>(l) * E, sums + static_cast<int64_t>(l % W) * E, E * sizeof(float));
  }
}

// Scores of a tile of few lanes as rows of keys; their probabilities, [lane][KEYS / 2] pairs, are a left factor as they lie.
static inline TileStrip probabilities_by_lane(const Tile& tile, const Scratch& s, const TileStrip* keys, int count, int64_t first, int n, const Shape& shape) {
  tile_scores(s.words, keys, count, first, tile, s.columns, shape.E);
  const V scale = set1(shape.scale);
  for (int k = 0; k < count; k++) {
    V block[W];
    for (int i = 0; i < W; i++) block[i] = mul(load(s.words + (k * W + i) * W), scale);
    transpose(block);
    for (int l = 0; l < tile.lanes; l++) store(s.weights + l * KEYS + k * W, block[l]);
  }
  __builtin_memset(s.words, 0, static_cast<size_t>(tile.lanes) * KEYS / 2 * sizeof(float));
  softmax_lanes<TileWords>(s.weights, s.words, n, first, tile, s.chunk);
  return {s.words, KEYS / 2 * sizeof(float), TILE_STEP / 2 * sizeof(float)};
}

// A panel's scores become probabilities, [step][lane][16 pairs of keys]; `seen`: keys that its last lane sees.
static inline TileStrip probabilities_of_panel(const Tile& tile, const Scratch& s, int lane, int64_t first, int n, int seen, float scale) {
  float* weights = s.weights + lane / W * PANEL;
  float* words = s.words + lane / W * (PANEL / 2);
  const V factor = set1(scale);
  for (int j = 0; j < seen; j++) store(weights + j * W, mul(load(weights + j * W), factor));
  softmax_panel<TileWords>(weights, words, in_chunk(tile.visible(lane) - first), seen, first, lane, tile, s.chunk);
  const int pairs = (seen + 1) / 2, whole = steps_of(n) * (TILE_STEP / 2);
  __builtin_memset(words + pairs * W, 0, static_cast<size_t>(whole - pairs) * W * sizeof(float));
  for (int pair = 0; pair < whole; pair += W) {
    V block[W];
    for (int i = 0; i < W; i++) block[i] = load(words + (pair + i) * W);
    transpose(block);
    for (int i = 0; i < W; i++) store(words + (pair + i) * W, block[i]);
  }
  return {words, W * sizeof(float), W * W * sizeof(float)};
}

template <>
inline void chunk_sums<TileWords>(const Tile& tile, const Shape& shape, const Scratch& s, const Source& source, int64_t first, int64_t end) {
  const int n = in_chunk(end - first), E = shape.E;
  Chunk chunk;
  stored_rows<TileWords>(source, first, n, E, s.room, chunk);
  float* values = s.room + static_cast<size_t>(KEYS) / 2 * E;  // as stored_rows leaves them: [pair of keys][E] words
  hide_values(values, (n + 1) & ~1, steps_of(n) * TILE_STEP, E);
  TileStrip keys[KEYS / TILE_LANES], weights[PANELS];
  const int count = key_strips(keys, chunk, n, source, E, spare_room(s, E));
  int unseen = 0;  // panels of lanes that see none
  if (few(tile)) {
    weights[0] = probabilities_by_lane(tile, s, keys, count, first, n, shape);
  } else {
    tile_scores(s.weights, keys, count, first, tile, s.columns, E);
    for (int lane = 0; lane < tile.lanes; lane += W) {
      const int seen = in_chunk(tile.visible((lane + W < tile.lanes ? lane + W : tile.lanes) - 1) - first);
      if (seen == 0) {
        store(s.chunk.max + lane, set1(LEAST));
        store(s.chunk.sum + lane, zero());
        unseen = lane / W + 1;
        continue;
      }
      weights[lane / W] = probabilities_of_panel(tile, s, lane, first, n, seen, shape.scale);
    }
  }
  const int common = in_chunk(tile.visible(0) - first);
  if (common < n && holds_infinite(values, common, n, E)) return tile_outputs_apart(tile, s, weights, values, first, n, E);
  tile_outputs(s.sums + static_cast<int64_t>(unseen) * W * E, weights + unseen, (tile.lanes + W - 1) / W - unseen, values, steps_of(n), E);
}

}  // namespace cria::CRIA_ISA::attention

// Forward attention over keys and values of bf16 or Q8_0 by the tile unit (AMX): what `chunkSums`
// is there.
//
// Scores: keys are the left factor, 16 rows as they lie in the cache by 32 of E; queries are the
// right one, 16 lanes. So scores come out [key][lane], a panel, whose maximum, exp and sum need no
// shuffles. Outputs: probabilities are the left factor, 16 lanes by 32 keys, values in pairs of
// keys the right one, 16 of E; sums come out [lane][E].
//
// Bits: a score is a sum over E in steps of 32, a sum of a chunk one over its keys in steps of 32
// from the chunk's first. A key that a lane does not see weighs zero, and a tile's row or column
// sees no other. So neither the lanes of a tile nor how a sequence was cut shows.
//
// A chunk of 128 keys, E = 64, takes 64 and 64 products of tiles for 64 lanes, each with a load,
// and 48 stores; for up to 16 lanes (decode) 16 and 16, three loads for two, and 12 stores. A
// product took 16 cycles where it was measured: 2048 for 64 lanes, beside 7000 for their
// exponentials.
#pragma once
#include "amx-products.h"

namespace cria::CRIA_ISA::attention {

template <>
inline void Queries::pack<TileWords>(const Tile& tile, const Shape& shape, const Scratch& s) const {
  pack<PairWords>(tile, shape, s);
  finishColumns(s.columns, shape.E);
}

/**
 * Memory in `room` beyond the rows of storedRows: copied keys, then, when these are used up, sums
 * of 16 lanes.
 */
static inline float* spareRoom(const Scratch& s, int E) {
  return s.room + static_cast<size_t>(KEYS) * E;
}

/** sums of the lanes of `count` strips of probabilities, rows of E floats */
static inline void tileOutputs(float* sums, const TileStrip* weights, int count,
                               const float* values, int steps, int E) {
  const int64_t row = static_cast<int64_t>(E) * sizeof(float);
  const int columns = (E + W - 1) / W, rest = E % W;
  TileStrip rights[256 / W];
  for (int c = 0; c < columns; c++) rights[c] = {values + c * W, row, row * (TILE_STEP / 2)};
  alignas(64) float last[LANES * W];
  tileProducts(weights, count, rights, columns, steps, true, [&](int l, int r) {
    if (rest != 0 && r == columns - 1)
      return TilePlace{last + l * TILE_LANES * W, W * sizeof(float)};
    return TilePlace{sums + static_cast<int64_t>(l) * TILE_LANES * E + r * W, row};
  });
  if (rest == 0) return;
  for (int l = 0; l < count * TILE_LANES; l++)
    store(sums + static_cast<int64_t>(l) * E + E - rest, load(last + l * W), rest);
}

/**
 * Where values that some lanes do not see are infinite or no numbers, a weight of zero would not
 * hide them: lane by lane, the last one first, with zeros in the place of what it does not see. The
 * bits of all others are as they would be.
 */
static inline void tileOutputsApart(const Tile& tile, const Scratch& s, const TileStrip* weights,
                                    float* values, int64_t first, int n, int E) {
  float* sums = spareRoom(s, E);
  int shown = n;
  for (int l = tile.lanes - 1; l >= 0; l--) {
    const int seen = inChunk(tile.visible(l) - first);
    if (seen == 0) return;
    hideRows(values, seen, shown, E);
    shown = seen;
    tileOutputs(sums, weights + l / W, 1, values, stepsOf(n), E);
    __builtin_memcpy(s.sums + static_cast<int64_t>(l) * E, sums + static_cast<int64_t>(l % W) * E,
                     E * sizeof(float));
  }
}

/**
 * Scores of a tile of few lanes as rows of keys; their probabilities, [lane][KEYS / 2] pairs, are a
 * left factor as they lie.
 */
static inline TileStrip probabilitiesByLane(const Tile& tile, const Scratch& s,
                                            const TileStrip* keys, int count, int64_t first, int n,
                                            const Shape& shape) {
  tileScores(s.words, keys, count, first, tile, s.columns, shape.E);
  const V scale = set1(shape.scale);
  for (int k = 0; k < count; k++) {
    V block[W];
    for (int i = 0; i < W; i++) block[i] = mul(load(s.words + (k * W + i) * W), scale);
    transpose(block);
    for (int l = 0; l < tile.lanes; l++) store(s.weights + l * KEYS + k * W, block[l]);
  }
  __builtin_memset(s.words, 0, static_cast<size_t>(tile.lanes) * KEYS / 2 * sizeof(float));
  softmaxLanes<TileWords>(s.weights, s.words, n, first, tile, s.chunk);
  return {s.words, KEYS / 2 * sizeof(float), TILE_STEP / 2 * sizeof(float)};
}

/**
 * A panel's scores become probabilities, [step][lane][16 pairs of keys]; `seen`: keys that its last
 * lane sees.
 */
static inline TileStrip probabilitiesOfPanel(const Tile& tile, const Scratch& s, int lane,
                                             int64_t first, int n, int seen, float scale) {
  float* weights = s.weights + lane / W * PANEL;
  float* words = s.words + lane / W * (PANEL / 2);
  const V factor = set1(scale);
  for (int j = 0; j < seen; j++) store(weights + j * W, mul(load(weights + j * W), factor));
  softmaxPanel<TileWords>(weights, words, inChunk(tile.visible(lane) - first), seen, first, lane,
                          tile, s.chunk);
  const int pairs = (seen + 1) / 2, whole = stepsOf(n) * (TILE_STEP / 2);
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
inline void chunkSums<TileWords>(const Tile& tile, const Shape& shape, const Scratch& s,
                                 const Source& source, int64_t first, int64_t end) {
  const int n = inChunk(end - first), E = shape.E;
  Chunk chunk;
  storedRows<TileWords>(source, first, n, E, s.room, chunk);
  float* values = const_cast<float*>(chunk.values[0]);  // pairs of keys in `room`, row by row
  hideRows(values, (n + 1) & ~1, stepsOf(n) * TILE_STEP, E);
  TileStrip keys[KEYS / TILE_LANES], weights[PANELS];
  // Rows of converted keys lie side by side, and those that do not exist are memory all the same:
  // their scores go nowhere.
  const bool converted = source.stored != Stored::bf16,
             even = source.table == nullptr || (1 << source.blockShift) >= TILE_LANES;
  const int64_t step = converted ? 2 * static_cast<int64_t>(E) : even ? source.step : 0;
  const int count = rowStrips(keys, chunk.keys, n, converted ? KEYS : n, step, E, spareRoom(s, E));
  int unseen = 0;  // panels of lanes that see none
  if (few(tile)) {
    weights[0] = probabilitiesByLane(tile, s, keys, count, first, n, shape);
  } else {
    tileScores(s.weights, keys, count, first, tile, s.columns, E);
    for (int lane = 0; lane < tile.lanes; lane += W) {
      const int seen =
          inChunk(tile.visible((lane + W < tile.lanes ? lane + W : tile.lanes) - 1) - first);
      if (seen == 0) {
        store(s.chunk.max + lane, set1(LEAST));
        store(s.chunk.sum + lane, zero());
        unseen = lane / W + 1;
        continue;
      }
      weights[lane / W] = probabilitiesOfPanel(tile, s, lane, first, n, seen, shape.scale);
    }
  }
  const int common = inChunk(tile.visible(0) - first);
  if (common < n && holdsInfinite(values, common, n, E))
    return tileOutputsApart(tile, s, weights, values, first, n, E);
  tileOutputs(s.sums + static_cast<int64_t>(unseen) * W * E, weights + unseen,
              (tile.lanes + W - 1) / W - unseen, values, stepsOf(n), E);
}

}  // namespace cria::CRIA_ISA::attention

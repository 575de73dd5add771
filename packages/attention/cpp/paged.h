// Attention over a paged cache, for one row a sequence (decode) or many (prefill), as units of work.
//
// Caches: [blocks, block_size, K, E] stored as `stored`, block_size a divisor of KEYS; block_table: [S, max_blocks]; sequence s owns query rows
// query_starts[s] to query_starts[s + 1], the last at position lengths[s] - 1. q and out are bf16 where `half`, else f32.
//
// A sequence of few new rows over many keys is cut into chunks of keys, so that every thread has a part of it and the cache is read as it
// lies: units leave the sums of their chunk in `partials`, and `join_unit` puts them together in the order of the keys.
#pragma once
#include "attention.h"

namespace cria::CRIA_ISA::attention {

// Query rows of a sequence that is cut, at most.
constexpr int SPLIT_ROWS = 4;
// Bytes of a row that a unit walks: keys and values of a chunk stay in the second-level cache.
constexpr int64_t ROW_BYTES = 4096;

struct PagedCache {
  const void* keys;
  const void* values;
  const int32_t* block_table;
  const int32_t* query_starts;
  const int32_t* lengths;
  int32_t block_size, max_blocks;
  Stored stored;

  int64_t rows(int32_t s) const { return static_cast<int64_t>(query_starts[s + 1]) - query_starts[s]; }
  bool split(int32_t s) const { return rows(s) > 0 && rows(s) <= SPLIT_ROWS && lengths[s] > KEYS; }
  // Of one key/value head.
  Source source(int32_t s, int head, const Shape& shape) const {
    const int64_t start = bytes_of(stored, static_cast<int64_t>(head) * shape.E);
    return {static_cast<const char*>(keys) + start, static_cast<const char*>(values) + start, bytes_of(stored, static_cast<int64_t>(shape.K) * shape.E),
            block_table + static_cast<int64_t>(s) * max_blocks, __builtin_ctz(static_cast<uint32_t>(block_size)), stored};
  }
  // Key/value heads that a unit of a cut sequence takes.
  int group(const Shape& shape) const {
    const int64_t heads = ROW_BYTES / max64(1, bytes_of(stored, shape.E));
    return static_cast<int>(max64(1, min64(shape.K, heads)));
  }
  Tile tile(int32_t s, int64_t flat, int head, const Shape& shape) const { return make_tile(query_starts, s, flat, lengths[s] - rows(s), head, shape); }
};

// Numbers that a row and head leaves of one chunk: sums, maximum, sum of exponentials.
static inline int64_t partial_size(int E) { return E + 2; }

// Part of the work: a tile and head of a sequence, or where this is cut, a chunk and the heads from `head` on.
struct PagedPart {
  int32_t s;
  int head;
  int64_t flat, chunk;
  float* partials;  // of this sequence: [rows, H, chunks][E + 2]
};

static inline int64_t parts_of(int32_t s, const PagedCache& cache, const Shape& shape) {
  if (cache.split(s)) return chunks_of(cache.lengths[s]) * ((shape.K + cache.group(shape) - 1) / cache.group(shape));
  return (cache.rows(s) * (shape.H / shape.K) + LANES - 1) / LANES * shape.K;
}

static inline int64_t paged_units(const PagedCache& cache, const Shape& shape) {
  int64_t units = 0;
  for (int32_t s = 0; s < shape.S; s++) units += parts_of(s, cache, shape);
  return units;
}

static inline int64_t partials_of(int32_t s, const PagedCache& cache, const Shape& shape) {
  return cache.split(s) ? cache.rows(s) * shape.H * chunks_of(cache.lengths[s]) * partial_size(shape.E) : 0;
}

static inline PagedPart find_part(int64_t index, float* partials, const PagedCache& cache, const Shape& shape) {
  for (int32_t s = 0;; s++) {
    const int64_t parts = parts_of(s, cache, shape);
    if (index < parts) {
      if (!cache.split(s)) return {s, static_cast<int>(index % shape.K), index / shape.K * LANES, 0, nullptr};
      const int64_t groups = parts / chunks_of(cache.lengths[s]);
      return {s, static_cast<int>(index % groups) * cache.group(shape), 0, index / groups, partials};
    }
    index -= parts;
    partials += partials_of(s, cache, shape);
  }
}

// Where a lane's chunk lies among the partials of its sequence.
static inline int64_t partial_place(const Tile& tile, int lane, int64_t chunk, int64_t chunks, const Shape& shape) {
  return ((tile.head_row(lane, shape) - tile.row * shape.H) * chunks + chunk) * partial_size(shape.E);
}

// Reads a byte of every line of rows that lie side by side, in order: only so does the processor fetch ahead of what it is asked for. One
// Zen 4 core reads a cache head by head at 9 GB/s, and 29 GB/s in order; prefetch instructions change neither.
static inline void read_ahead(const char* rows, const Source& source, int64_t first, int64_t end, int64_t bytes) {
  for (int64_t key = first; key < end; key++) {
    const char* row = rows + source.place(key);
    for (int64_t i = 0; i < bytes; i += 64) (void)*static_cast<const volatile char*>(row + i);
  }
}

template <class Words>
static void chunk_of_heads(const PagedPart& part, const Queries& queries, const PagedCache& cache, const Shape& shape, void* scratch) {
  const Scratch s(scratch, shape.E);
  [[maybe_unused]] const typename Words::Hold hold;
  const int last = static_cast<int>(min64(shape.K, part.head + cache.group(shape)));
  const int64_t first = part.chunk * KEYS, end = min64(first + KEYS, cache.lengths[part.s]);
  const Source rows = cache.source(part.s, part.head, shape);
  const int64_t bytes = bytes_of(cache.stored, static_cast<int64_t>(last - part.head) * shape.E);
  read_ahead(rows.keys, rows, first, end, bytes);
  read_ahead(rows.values, rows, first, end, bytes);
  for (int head = part.head; head < last; head++) {
    const Source source = cache.source(part.s, head, shape);
    for (int64_t flat = 0; flat < cache.rows(part.s) * (shape.H / shape.K); flat += LANES) {
      const Tile tile = cache.tile(part.s, flat, head, shape);
      const int64_t seen = min64(end, tile.visible(tile.lanes - 1));
      if (seen <= first) continue;
      queries.pack<Words>(tile, shape, s);
      chunk_sums<Words>(tile, shape, s, source, first, seen);
      for (int l = tile.first_lane(first); l < tile.lanes; l++) {
        float* to = part.partials + partial_place(tile, l, part.chunk, chunks_of(cache.lengths[part.s]), shape);
        __builtin_memcpy(to, s.sums + static_cast<size_t>(l) * shape.E, shape.E * sizeof(float));
        to[shape.E] = s.chunk.max[l];
        to[shape.E + 1] = s.chunk.sum[l];
      }
    }
  }
}

static inline void paged_unit(int64_t unit, void* scratch, void* out, float* partials, const void* q, bool half, const PagedCache& cache, const Shape& shape) {
  const PagedPart part = find_part(paged_units(cache, shape) - 1 - unit, partials, cache, shape);
  if (!cache.split(part.s)) return tile_of({out, nullptr, half}, {q, half}, cache.tile(part.s, part.flat, part.head, shape), shape, cache.source(part.s, part.head, shape), scratch);
  if (in_pairs(cache.stored, shape.E)) return chunk_of_heads<HalfWords>(part, {q, half}, cache, shape, scratch);
  chunk_of_heads<FloatWords>(part, {q, half}, cache, shape, scratch);
}

static inline int64_t join_units(const PagedCache& cache, const Shape& shape) {
  for (int32_t s = 0; s < shape.S; s++) {
    if (cache.split(s)) return static_cast<int64_t>(shape.S) * shape.K;
  }
  return 0;
}

// out of one sequence and key/value head, from the sums of its chunks
static inline void join_unit(int64_t unit, void* scratch, void* out, const float* partials, bool half, const PagedCache& cache, const Shape& shape) {
  const int32_t s = static_cast<int32_t>(unit / shape.K);
  if (!cache.split(s)) return;
  for (int32_t before = 0; before < s; before++) partials += partials_of(before, cache, shape);
  const Results results{out, nullptr, half};
  const int64_t chunks = chunks_of(cache.lengths[s]);
  float* total = Scratch(scratch, shape.E).totals;
  float M[W] = {}, L[W] = {}, m[W] = {}, l[W] = {}, old[W], fresh[W];
  for (int64_t flat = 0; flat < cache.rows(s) * (shape.H / shape.K); flat += LANES) {
    const Tile tile = cache.tile(s, flat, static_cast<int>(unit % shape.K), shape);
    for (int lane = 0; lane < tile.lanes; lane++) {
      const float* from = partials + partial_place(tile, lane, 0, chunks, shape);
      __builtin_memcpy(total, from, shape.E * sizeof(float));
      M[0] = from[shape.E];
      L[0] = from[shape.E + 1];
      for (int64_t chunk = 1; chunk * KEYS < tile.visible(lane); chunk++) {
        from += partial_size(shape.E);
        m[0] = from[shape.E];
        l[0] = from[shape.E + 1];
        join_statistics(M, L, m, l, old, fresh);
        join_sums(total, from, old[0], fresh[0], shape.E);
      }
      results.finish(tile.head_row(lane, shape), total, M[0], L[0], shape.E);
    }
  }
}

}  // namespace cria::CRIA_ISA::attention

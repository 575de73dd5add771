// Attention over a paged cache, for one row a sequence (decode) or many (prefill), as units of
// work.
//
// Caches: [blocks, blockSize, K, E] stored as `stored`, blockSize a divisor of KEYS; blockTable:
// [S, maxBlocks]; sequence s owns query rows queryStarts[s] to queryStarts[s + 1], the last at
// position lengths[s] - 1. q and out are bf16 where `half`, else f32.
//
// A sequence of few new rows over many keys is cut into chunks of keys, so that every thread has a
// part of it and the cache is read as it lies: units leave the sums of their chunk in `partials`,
// and `joinUnit` puts them together in the order of the keys.
#pragma once
#include "attention.h"
#include "few-lanes.h"

namespace cria::CRIA_ISA::attention {

/** Query rows of a sequence that is cut, at most. */
constexpr int SPLIT_ROWS = 4;
/** Bytes of a row that a unit walks: keys and values of a chunk stay in the second-level cache. */
constexpr int64_t ROW_BYTES = 4096;

struct PagedCache {
  const void* keys;
  const void* values;
  const int32_t* blockTable;
  const int32_t* queryStarts;
  const int32_t* lengths;
  int32_t blockSize, maxBlocks;
  Stored stored;

  int64_t rows(int32_t s) const {
    return static_cast<int64_t>(queryStarts[s + 1]) - queryStarts[s];
  }
  bool split(int32_t s) const { return rows(s) > 0 && rows(s) <= SPLIT_ROWS && lengths[s] > KEYS; }
  /** Of one key/value head. */
  Source source(int32_t s, int head, const Shape& shape) const {
    const int64_t start = bytesOf(stored, static_cast<int64_t>(head) * shape.E);
    return {static_cast<const char*>(keys) + start,
            static_cast<const char*>(values) + start,
            bytesOf(stored, static_cast<int64_t>(shape.K) * shape.E),
            blockTable + static_cast<int64_t>(s) * maxBlocks,
            __builtin_ctz(static_cast<uint32_t>(blockSize)),
            stored};
  }
  /** Lanes of a key/value head. */
  int64_t lanes(int32_t s, const Shape& shape) const { return rows(s) * (shape.H / shape.K); }
  /** Key/value heads that a unit of a cut sequence takes. */
  int group(int32_t s, const Shape& shape) const {
    const int64_t heads = ROW_BYTES / max64(1, bytesOf(stored, shape.E));
    return static_cast<int>(max64(1, min64(shape.K, min64(heads, LANES / lanes(s, shape)))));
  }
  Tile tile(int32_t s, int64_t flat, int head, const Shape& shape) const {
    return makeTile(queryStarts, s, flat, lengths[s] - rows(s), head, shape);
  }
};

/**
 * Part of the work: a tile and head of a sequence, or where this is cut, a chunk and the heads from
 * `head` on.
 */
struct PagedPart {
  int32_t s;
  int head;
  int64_t flat, chunk;
  Partials partials;
};

static inline int64_t partsOf(int32_t s, const PagedCache& cache, const Shape& shape) {
  if (cache.split(s))
    return chunksOf(cache.lengths[s]) *
           ((shape.K + cache.group(s, shape) - 1) / cache.group(s, shape));
  return (cache.lanes(s, shape) + LANES - 1) / LANES * shape.K;
}

static inline int64_t pagedUnits(const PagedCache& cache, const Shape& shape) {
  int64_t units = 0;
  for (int32_t s = 0; s < shape.S; s++) units += partsOf(s, cache, shape);
  return units;
}

/** Numbers that the chunks of a cut sequence leave. */
static inline int64_t partialsOf(int32_t s, const PagedCache& cache, const Shape& shape) {
  return cache.split(s)
             ? Partials::size(cache.rows(s) * shape.H, chunksOf(cache.lengths[s]), shape.E)
             : 0;
}

static inline PagedPart findPart(int64_t index, float* partials, const PagedCache& cache,
                                 const Shape& shape) {
  for (int32_t s = 0;; s++) {
    const int64_t parts = partsOf(s, cache, shape);
    if (index < parts) {
      if (!cache.split(s))
        return {s,
                static_cast<int>(index % shape.K),
                index / shape.K * LANES,
                0,
                {nullptr, 0, shape.E}};
      const int64_t groups = parts / chunksOf(cache.lengths[s]);
      return {s,
              static_cast<int>(index % groups) * cache.group(s, shape),
              0,
              index / groups,
              {partials, cache.rows(s) * shape.H, shape.E}};
    }
    index -= parts;
    partials += partialsOf(s, cache, shape);
  }
}

/**
 * Reads a byte of every line of rows that lie side by side, in order: only so does the processor
 * fetch ahead of what it is asked for.
 */
static inline void readAhead(const char* rows, const Source& source, int64_t first, int64_t end,
                             int64_t bytes) {
  for (int64_t key = first; key < end; key++) {
    const char* row = rows + source.place(key);
    for (int64_t i = 0; i < bytes; i += Ahead::LINE)
      (void)*static_cast<const volatile char*>(row + i);
  }
}

/** A chunk of a head that has many lanes. */
template <class Words>
static void chunkOfHead(const PagedPart& part, int head, int64_t end, const Queries& queries,
                        const PagedCache& cache, const Shape& shape, const Scratch& s) {
  const int64_t first = part.chunk * KEYS;
  for (int64_t flat = 0; flat < cache.lanes(part.s, shape); flat += LANES) {
    const Tile tile = cache.tile(part.s, flat, head, shape);
    const int64_t seen = min64(end, tile.visible(tile.lanes - 1));
    if (seen <= first) continue;
    queries.pack<Words>(tile, shape, s);
    chunkSums<Words>(tile, shape, s, cache.source(part.s, head, shape), first, seen);
    const Statistics to = part.partials.statistics(part.chunk);
    for (int l = tile.firstLane(first); l < tile.lanes; l++) {
      const int64_t lane = tile.headRow(l, shape) - tile.row * shape.H;
      __builtin_memcpy(part.partials.sums(part.chunk, lane),
                       s.sums + static_cast<size_t>(l) * shape.E, shape.E * sizeof(float));
      to.max[lane] = s.chunk.max[l];
      to.sum[lane] = s.chunk.sum[l];
    }
  }
}

template <class Words>
static void chunkOfHeads(const PagedPart& part, const Queries& queries, const PagedCache& cache,
                         const Shape& shape, void* scratch) {
  const Scratch s(scratch, shape.E);
  [[maybe_unused]] const typename Words::Hold hold;
  const int last = static_cast<int>(min64(shape.K, part.head + cache.group(part.s, shape)));
  const int64_t end = min64((part.chunk + 1) * KEYS, cache.lengths[part.s]);
  const Heads heads{cache.tile(part.s, 0, part.head, shape), last - part.head};
  const Source source = cache.source(part.s, part.head, shape);
  if (heads.tile.start(0) >= end) return;  // before the window of every row
  if (!Words::TILES && few(heads.tile) && !heads.tile.hides(part.chunk * KEYS))
    return fewLanesChunk<Words>(part.partials, part.chunk, end, queries, heads, source, shape, s);
  const int64_t bytes = bytesOf(cache.stored, static_cast<int64_t>(heads.count) * shape.E);
  readAhead(source.keys, source, part.chunk * KEYS, end, bytes);
  readAhead(source.values, source, part.chunk * KEYS, end, bytes);
  for (int head = part.head; head < last; head++)
    chunkOfHead<Words>(part, head, end, queries, cache, shape, s);
}

static inline void pagedUnit(int64_t unit, void* scratch, void* out, float* partials, const void* q,
                             bool half, const PagedCache& cache, const Shape& shape) {
  const PagedPart part = findPart(pagedUnits(cache, shape) - 1 - unit, partials, cache, shape);
  if (!cache.split(part.s))
    return tileOf({out, nullptr, half}, {q, half}, cache.tile(part.s, part.flat, part.head, shape),
                  shape, cache.source(part.s, part.head, shape), scratch);
  if (inPairs(cache.stored, shape.E)) {
    if (shape.windowed()) return chunkOfHeads<WindowWords>(part, {q, half}, cache, shape, scratch);
    return chunkOfHeads<HalfWords>(part, {q, half}, cache, shape, scratch);
  }
  chunkOfHeads<FloatWords>(part, {q, half}, cache, shape, scratch);
}

/** Units of W rows and heads of a sequence that was cut. */
static inline int64_t joinsOf(int32_t s, const PagedCache& cache, const Shape& shape) {
  return cache.split(s) ? (cache.rows(s) * shape.H + W - 1) / W : 0;
}

static inline int64_t joinUnits(const PagedCache& cache, const Shape& shape) {
  int64_t units = 0;
  for (int32_t s = 0; s < shape.S; s++) units += joinsOf(s, cache, shape);
  return units;
}

/** out of W rows and heads, from the sums of their chunks */
static inline void joinUnit(int64_t unit, void* scratch, void* out, float* partials, bool half,
                            const PagedCache& cache, const Shape& shape) {
  int32_t s = 0;
  for (; unit >= joinsOf(s, cache, shape); s++) {
    unit -= joinsOf(s, cache, shape);
    partials += partialsOf(s, cache, shape);
  }
  const int64_t lanes = cache.rows(s) * shape.H, seen = cache.lengths[s] - cache.rows(s) + 1;
  const auto visible = [&](int64_t lane) { return seen + lane / shape.H; };
  const int64_t begin = max64(0, visible(unit * W) - shape.window) / KEYS;
  joinLanes({out, nullptr, half}, static_cast<int64_t>(cache.queryStarts[s]) * shape.H,
            {partials, lanes, shape.E}, unit * W, static_cast<int>(min64(W, lanes - unit * W)),
            begin, visible, Scratch(scratch, shape.E).totals);
}

}  // namespace cria::CRIA_ISA::attention

// Causal grouped-query attention as units of work that any thread may take in any order: what the CPU device calls.
//
// Include after a vec-*.h with CRIA_ISA defined. Arrays are f32, row-major: q, out: [T, H, E]; k, v: [T, K, E]; lse: [T, H]; segments: [S + 1].
// Every function is stateless. How the work is cut is a function of (T, S, H, K) alone, and no bit depends on it: each output row is one
// fixed sequence of operations on its own query row and its own keys. `scratch`: scratch_bytes(E) a thread.
#pragma once
#include "backward.h"

namespace cria::CRIA_ISA::attention {

static inline size_t scratch_bytes(int32_t E) { return Scratch::bytes(E); }

// Segments are cut in pieces of `size` lanes or keys; there are at most this many pieces, whatever the lengths.
static inline int64_t piece_bound(int64_t total, int64_t segments, int64_t size) { return total / size + segments; }

// Piece number `piece` of all segments in turn: its segment and its first element there; false where there is none.
static inline bool find_piece(int64_t piece, const int32_t* starts, int32_t S, int64_t group, int64_t size, int32_t* segment, int64_t* first) {
  for (int32_t s = 0; s < S; s++) {
    const int64_t pieces = ((static_cast<int64_t>(starts[s + 1]) - starts[s]) * group + size - 1) / size;
    if (piece < pieces) {
      *segment = s;
      *first = piece * size;
      return true;
    }
    piece -= pieces;
  }
  return false;
}

static inline Tile make_tile(const int32_t* starts, int32_t s, int64_t flat, int64_t position, int head, const Shape& shape) {
  const int G = shape.H / shape.K;
  const int64_t lanes = (static_cast<int64_t>(starts[s + 1]) - starts[s]) * G - flat;
  return {starts[s], position, flat, static_cast<int>(min64(LANES, lanes)), head, G};
}

static inline int64_t forward_units(const Shape& shape) {
  return piece_bound(shape.T * (shape.H / shape.K), shape.S, LANES) * shape.K;
}

// out and lse of one tile of lanes
static inline void forward_unit(int64_t unit, void* scratch, float* out, float* lse, const float* q, const float* k, const float* v,
                                  const int32_t* segments, const Shape& shape) {
  int32_t s;
  int64_t flat;
  unit = forward_units(shape) - 1 - unit;  // late tiles see more keys: they go first
  const int head = static_cast<int>(unit % shape.K);
  if (!find_piece(unit / shape.K, segments, shape.S, shape.H / shape.K, LANES, &s, &flat)) return;
  const int64_t step = static_cast<int64_t>(shape.K) * shape.E, start = segments[s] * step + static_cast<int64_t>(head) * shape.E;
  forward_tile(out, lse, q, make_tile(segments, s, flat, 0, head, shape), shape, Scratch(scratch, shape.E),
               [=](const float** keys, const float** values, int64_t first, int n) {
                 for (int j = 0; j < n; j++) {
                   keys[j] = k + start + (first + j) * step;
                   values[j] = v + start + (first + j) * step;
                 }
               });
}

// With enough of them, a unit is a whole segment and head: p is made once for dq, dk and dv (5 products). Otherwise tiles of lanes give dq
// and tiles of keys give dk and dv (7 products). The sums are the same chains in both.
constexpr int64_t WHOLE_SEGMENTS = 8;

static inline bool grad_by_segment(const Shape& shape) { return static_cast<int64_t>(shape.S) * shape.K >= WHOLE_SEGMENTS; }

static inline int64_t backward_units(const Shape& shape) {
  if (grad_by_segment(shape)) return static_cast<int64_t>(shape.S) * shape.K;
  return forward_units(shape) + piece_bound(shape.T, shape.S, KEYS) * shape.K;
}

// dq, dk, dv (overwritten)
static inline void backward_unit(int64_t unit, void* scratch, float* dq, float* dk, float* dv, const float* dout, const float* q,
                                       const float* k, const float* v, const float* out, const float* lse, const int32_t* segments,
                                       const Shape& shape) {
  const int G = shape.H / shape.K, head = static_cast<int>(unit % shape.K);
  const int64_t step = static_cast<int64_t>(shape.K) * shape.E, tiles = forward_units(shape);
  int32_t s;
  int64_t begin, end, flat = 0;
  bool queries = true, keys = true;
  if (grad_by_segment(shape)) {
    s = static_cast<int32_t>(unit / shape.K);
    begin = 0;
  } else if (unit < tiles) {
    if (!find_piece(unit / shape.K, segments, shape.S, G, LANES, &s, &flat)) return;
    begin = 0;
    keys = false;
  } else {
    if (!find_piece((unit - tiles) / shape.K, segments, shape.S, 1, KEYS, &s, &begin)) return;
    flat = begin * G / LANES * LANES;  // the first tile that sees key `begin`
    queries = false;
  }
  const int64_t length = static_cast<int64_t>(segments[s + 1]) - segments[s], start = segments[s] * step + static_cast<int64_t>(head) * shape.E;
  end = queries ? length : min64(length, begin + KEYS);
  const int64_t flat_end = keys ? length * G : min64(length * G, flat + LANES);
  const KeyRows rows{k + start, v + start, dk + start, dv + start, step};
  if (keys) {
    for (int64_t j = begin; j < end; j++) {
      __builtin_memset(rows.dk + j * step, 0, shape.E * sizeof(float));
      __builtin_memset(rows.dv + j * step, 0, shape.E * sizeof(float));
    }
  }
  const Gradients gradients{dq, dout, q, out, lse, queries, keys};
  for (; flat < flat_end; flat += LANES) {
    backward_tile(gradients, rows, make_tile(segments, s, flat, 0, head, shape), begin, end, shape, Scratch(scratch, shape.E));
  }
}

// Paged cache: caches [blocks, block_size, K, E], block_size a divisor of KEYS; block_table: [S, max_blocks]; sequence s owns query rows
// query_starts[s] to query_starts[s + 1], the last at position lengths[s] - 1.
// T: float, or the halves of a vec-*.h, which are widened chunk by chunk into memory behind the scratch.
template <class T>
struct PagedCache {
  const T* keys;
  const T* values;
  const int32_t* block_table;
  const int32_t* query_starts;
  const int32_t* lengths;
  int32_t block_size, max_blocks;
};

template <class T>
static inline const float* widened(const T* row, float* to, int E) {
  for (int e = 0; e < E; e += W) {
    const int rest = E - e < W ? E - e : W;
    store(to + e, load(row + e, rest), rest);
  }
  return to;
}
static inline const float* widened(const float* row, float*, int) { return row; }

template <class T>
static inline size_t paged_scratch_bytes(int32_t E) {
  return scratch_bytes(E) + (sizeof(T) == sizeof(float) ? 0 : 2 * static_cast<size_t>(KEYS) * E * sizeof(float));
}

static inline int64_t paged_units(const Shape& shape) { return forward_units(shape); }

template <class T>
static inline void paged_unit(int64_t unit, void* scratch, float* out, const float* q, const PagedCache<T>& cache, const Shape& shape) {
  int32_t s;
  int64_t flat;
  unit = paged_units(shape) - 1 - unit;
  const int head = static_cast<int>(unit % shape.K);
  if (!find_piece(unit / shape.K, cache.query_starts, shape.S, shape.H / shape.K, LANES, &s, &flat)) return;
  const int64_t step = static_cast<int64_t>(shape.K) * shape.E;
  const int64_t position = cache.lengths[s] - (static_cast<int64_t>(cache.query_starts[s + 1]) - cache.query_starts[s]);
  float* wide = reinterpret_cast<float*>(static_cast<char*>(scratch) + scratch_bytes(shape.E));
  const int32_t* table = cache.block_table + static_cast<int64_t>(s) * cache.max_blocks;
  forward_tile(out, nullptr, q, make_tile(cache.query_starts, s, flat, position, head, shape), shape, Scratch(scratch, shape.E),
               [=](const float** keys, const float** values, int64_t first, int n) {
                 for (int j = 0; j < n; j++) {
                   const int64_t key = first + j, slot = static_cast<int64_t>(table[key / cache.block_size]) * cache.block_size + key % cache.block_size;
                   const int64_t at = slot * step + static_cast<int64_t>(head) * shape.E;
                   keys[j] = widened(cache.keys + at, wide + j * shape.E, shape.E);
                   values[j] = widened(cache.values + at, wide + (KEYS + j) * shape.E, shape.E);
                 }
               });
}

// Rows `begin` to `end` of k and v ([T, width]) into the places of `slots`; a negative slot writes nothing.
static inline void cache_write(float* key_cache, float* value_cache, const float* k, const float* v, const int32_t* slots, int64_t begin,
                               int64_t end, int64_t width) {
  for (int64_t t = begin; t < end; t++) {
    if (slots[t] < 0) continue;
    __builtin_memcpy(key_cache + slots[t] * width, k + t * width, width * sizeof(float));
    __builtin_memcpy(value_cache + slots[t] * width, v + t * width, width * sizeof(float));
  }
}

}  // namespace cria::CRIA_ISA::attention

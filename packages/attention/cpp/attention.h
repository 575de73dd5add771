// Causal grouped-query attention as units of work that any thread may take in any order: what the
// CPU device calls.
//
// Over the vectors of the simd room; CRIA_ISA names the set. Arrays are row-major: q, out: [T, H,
// E]; k, v: [T, K, E], all f32 or all bf16; lse: f32 [T, H]; segments: [S + 1]. Every function is
// stateless. How the work is cut is a function of the shape alone, and no bit depends on it: each
// output row is one fixed sequence of operations on its own query row and its own keys. `scratch`:
// scratchBytes(E) a thread, backwardScratchBytes(…) for the backward pass.
#pragma once
#include "backward.h"
#ifdef CRIA_ATTENTION_TILES
#include "amx-forward.h"
#endif

namespace cria::CRIA_ISA::attention {

static inline size_t scratchBytes(int32_t E) { return Scratch::bytes(E); }

/**
 * Segments are cut in pieces of `size` lanes or keys; there are at most this many pieces, whatever
 * the lengths.
 */
static inline int64_t pieceBound(int64_t total, int64_t segments, int64_t size) {
  return total / size + segments;
}

/**
 * Piece number `piece` of all segments in turn: its segment and its first element there; false
 * where there is none.
 */
static inline bool findPiece(int64_t piece, const int32_t* starts, int32_t S, int64_t group,
                             int64_t size, int32_t* segment, int64_t* first) {
  for (int32_t s = 0; s < S; s++) {
    const int64_t pieces =
        ((static_cast<int64_t>(starts[s + 1]) - starts[s]) * group + size - 1) / size;
    if (piece < pieces) {
      *segment = s;
      *first = piece * size;
      return true;
    }
    piece -= pieces;
  }
  return false;
}

static inline Tile makeTile(const int32_t* starts, int32_t s, int64_t flat, int64_t position,
                            int head, const Shape& shape) {
  const int G = shape.H / shape.K;
  const int64_t lanes = (static_cast<int64_t>(starts[s + 1]) - starts[s]) * G - flat;
  return {starts[s], position, flat, static_cast<int>(min64(LANES, lanes)), head, G, shape.window};
}

static inline int64_t forwardUnits(const Shape& shape) {
  return pieceBound(shape.T * (shape.H / shape.K), shape.S, LANES) * shape.K;
}

static inline void tileOf(const Results& results, const Queries& queries, const Tile& tile,
                          const Shape& shape, const Source& source, void* scratch) {
  const Scratch s(scratch, shape.E);
  if (inPairs(source.stored, shape.E)) {
    if (shape.windowed()) return forwardTile<WindowWords>(results, queries, tile, shape, s, source);
    return forwardTile<HalfWords>(results, queries, tile, shape, s, source);
  }
  forwardTile<FloatWords>(results, queries, tile, shape, s, source);
}

/** Of the forward pass; all but lse are bf16 where `half`. */
struct ForwardArrays {
  void* out;
  float* lse;
  const void *q, *k, *v;
  bool half;
  const int32_t* segments;
};

/** out and lse of one tile of lanes. */
static inline void forwardUnit(int64_t unit, void* scratch, const ForwardArrays& arrays,
                               const Shape& shape) {
  int32_t s;
  int64_t flat;
  const int32_t* segments = arrays.segments;
  unit = forwardUnits(shape) - 1 - unit;  // late tiles see more keys: they go first
  const int head = static_cast<int>(unit % shape.K);
  if (!findPiece(unit / shape.K, segments, shape.S, shape.H / shape.K, LANES, &s, &flat)) return;
  const Stored stored = arrays.half ? Stored::bf16 : Stored::f32;
  const int64_t step = bytesOf(stored, static_cast<int64_t>(shape.K) * shape.E),
                start = segments[s] * step + bytesOf(stored, static_cast<int64_t>(head) * shape.E);
  const Source source{static_cast<const char*>(arrays.k) + start,
                      static_cast<const char*>(arrays.v) + start,
                      step,
                      nullptr,
                      0,
                      stored};
  tileOf({arrays.out, arrays.lse, arrays.half}, {arrays.q, arrays.half},
         makeTile(segments, s, flat, 0, head, shape), shape, source, scratch);
}

/**
 * With enough of them, a unit is a whole segment and head: p is made once for dq, dk and dv (5
 * products). Otherwise tiles of lanes give dq and tiles of keys give dk and dv (7 products). The
 * sums are the same chains in both.
 */
constexpr int64_t WHOLE_SEGMENTS = 8;

static inline bool gradBySegment(const Shape& shape) {
  return static_cast<int64_t>(shape.S) * shape.K >= WHOLE_SEGMENTS;
}

static inline int64_t backwardUnits(const Shape& shape) {
  if (gradBySegment(shape)) return static_cast<int64_t>(shape.S) * shape.K;
  return forwardUnits(shape) + pieceBound(shape.T, shape.S, KEYS) * shape.K;
}

/** Keys whose gradients a unit sums in its scratch before they are rounded. */
static inline int64_t summedKeys(bool half, const int32_t* segments, const Shape& shape) {
  if (!half) return 0;
  if (!gradBySegment(shape)) return KEYS;
  int64_t most = 0;
  for (int32_t s = 0; s < shape.S; s++)
    most = max64(most, static_cast<int64_t>(segments[s + 1]) - segments[s]);
  return most;
}

static inline size_t backwardScratchBytes(bool half, const int32_t* segments, const Shape& shape) {
  return BackwardScratch::bytes(shape.E, summedKeys(half, segments, shape));
}

/** Of the backward pass; all but lse are bf16 where `half`. dq, dk and dv are overwritten. */
struct BackwardArrays {
  void *dq, *dk, *dv;
  const void *dout, *q, *k, *v, *out;
  const float* lse;
  bool half;
  const int32_t* segments;
};

/**
 * What a unit of the backward pass works on: one head of a segment, its keys `begin` to `end` against
 * its lanes `flat` to `flatEnd`, and whose gradients it gives.
 */
struct BackwardPiece {
  int32_t segment;
  int head;
  bool queries, keys;
  int64_t begin, end, flat, flatEnd;
  /** First element of the segment and head in k and v; elements from key to key. */
  int64_t start, step;
};

/** False where there is no such unit. */
static inline bool findBackwardPiece(int64_t unit, const int32_t* segments, const Shape& shape,
                                     BackwardPiece* piece) {
  const int G = shape.H / shape.K;
  const int64_t tiles = forwardUnits(shape);
  int32_t s;
  int64_t begin = 0, flat = 0;
  bool queries = true, keys = true;
  if (gradBySegment(shape)) {
    s = static_cast<int32_t>(unit / shape.K);
  } else if (unit < tiles) {
    if (!findPiece(unit / shape.K, segments, shape.S, G, LANES, &s, &flat)) return false;
    keys = false;
  } else {
    if (!findPiece((unit - tiles) / shape.K, segments, shape.S, 1, KEYS, &s, &begin)) return false;
    flat = begin * G / LANES * LANES;  // the first tile that sees key `begin`
    queries = false;
  }
  const int head = static_cast<int>(unit % shape.K);
  const int64_t length = static_cast<int64_t>(segments[s + 1]) - segments[s],
                step = static_cast<int64_t>(shape.K) * shape.E,
                end = queries ? length : min64(length, begin + KEYS);
  const int64_t flatEnd =
      keys ? min64(length, end - 1 + shape.window) * G : min64(length * G, flat + LANES);
  const int64_t start = segments[s] * step + static_cast<int64_t>(head) * shape.E;
  *piece = {s, head, queries, keys, begin, end, flat, flatEnd, start, step};
  return true;
}

/** Where the gradients of a piece's keys are summed: in place, or in scratch before rounding. */
static inline KeyRows summedRows(const BackwardArrays& arrays, const BackwardPiece& piece,
                                 const BackwardScratch& memory, int E) {
  const Stored stored = arrays.half ? Stored::bf16 : Stored::f32;
  const int64_t from = bytesOf(stored, piece.start), first = piece.start + piece.begin * piece.step;
  const Source source{static_cast<const char*>(arrays.k) + from,
                      static_cast<const char*>(arrays.v) + from,
                      bytesOf(stored, piece.step),
                      nullptr,
                      0,
                      stored};
  if (arrays.half) return {source, memory.dk, memory.dv, E, piece.begin};
  return {source, static_cast<float*>(arrays.dk) + first, static_cast<float*>(arrays.dv) + first,
          piece.step, piece.begin};
}

/** dq, dk, dv of one unit. */
static inline void backwardUnit(int64_t unit, void* scratch, const BackwardArrays& arrays,
                                const Shape& shape) {
  BackwardPiece piece;
  if (!findBackwardPiece(unit, arrays.segments, shape, &piece)) return;
  const int E = shape.E;
  const bool half = arrays.half;
  const int64_t count = piece.end - piece.begin, step = piece.step,
                first = piece.start + piece.begin * step;
  const BackwardScratch memory(scratch, E, summedKeys(half, arrays.segments, shape));
  const KeyRows rows = summedRows(arrays, piece, memory, E);
  for (int64_t j = 0; piece.keys && j < count; j++) {
    __builtin_memset(rows.dk + j * rows.step, 0, E * sizeof(float));
    __builtin_memset(rows.dv + j * rows.step, 0, E * sizeof(float));
  }
  const Gradients gradients{arrays.dq,  arrays.dout, arrays.q,      arrays.out,
                            arrays.lse, half,        piece.queries, piece.keys};
  for (int64_t flat = piece.flat; flat < piece.flatEnd; flat += LANES) {
    const Tile tile = makeTile(arrays.segments, piece.segment, flat, 0, piece.head, shape);
    if (half && BackwardWords::STEP == 2 && E % 2 == 0) {
      backwardTile<BackwardWords>(gradients, rows, tile, piece.begin, piece.end, shape, memory);
    } else {
      backwardTile<FloatWords>(gradients, rows, tile, piece.begin, piece.end, shape, memory);
    }
  }
  for (int64_t j = 0; half && piece.keys && j < count; j++) {
    roundRow(static_cast<Bf16*>(arrays.dk) + first + j * step, rows.dk + j * E, E);
    roundRow(static_cast<Bf16*>(arrays.dv) + first + j * step, rows.dv + j * E, E);
  }
}

}  // namespace cria::CRIA_ISA::attention

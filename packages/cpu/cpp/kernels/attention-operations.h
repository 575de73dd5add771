// The attention kernels of @cria/attention as operations: their units of work are the chunks.
#pragma once
#include "paged.h"
#include "operation.h"

namespace cria::CRIA_ISA {

/** Of the arguments of any of these commands; a window of 0 is none. */
template <class Given>
inline attention::Shape shapeOf(const Given& given) {
  attention::Shape shape;
  shape.T = given.T;
  shape.S = static_cast<int32_t>(given.S);
  shape.H = static_cast<int32_t>(given.H);
  shape.K = static_cast<int32_t>(given.K);
  shape.E = static_cast<int32_t>(given.E);
  shape.scale = given.scale;
  if (given.window > 0 && given.window < attention::NO_WINDOW) shape.window = given.window;
  return shape;
}

inline void* attentionMemory(ThreadMemory& thread, const attention::Shape& shape) {
  return thread.grow(thread, attention::scratchBytes(shape.E));
}

/**
 * out, lse of packed sequences
 *     out, q: [T, H·E]   k, v: [T, K·E], all f32 or all bf16   lse: f32 [T, H]   segments: [S + 1]
 */
struct Attention : AttentionArguments {
  attention::Shape shape;

  explicit Attention(Arguments& in) : AttentionArguments(in), shape(shapeOf(*this)) {}
  int64_t chunks() const { return shape.T == 0 ? 0 : attention::forwardUnits(shape); }
  void run(int64_t chunk, ThreadMemory& thread) const {
    attention::forwardUnit(chunk, attentionMemory(thread, shape),
                           {out, lse, q, k, v, half, segments}, shape);
  }
};

/** dq, dk, dv from dout, q, k, v, out, all f32 or all bf16, and lse */
struct AttentionGrad : AttentionGradArguments {
  attention::Shape shape;

  explicit AttentionGrad(Arguments& in) : AttentionGradArguments(in), shape(shapeOf(*this)) {}
  int64_t chunks() const { return shape.T == 0 ? 0 : attention::backwardUnits(shape); }
  void run(int64_t chunk, ThreadMemory& thread) const {
    void* scratch = thread.grow(thread, attention::backwardScratchBytes(half, segments, shape));
    attention::backwardUnit(chunk, scratch, arrays(), shape);
  }

 protected:
  attention::BackwardArrays arrays() const {
    return {dq, dk, dv, dout, q, k, v, out, lse, half, segments};
  }
};

inline attention::PagedCache cacheOf(const PagedAttentionArguments& given) {
  attention::PagedCache cache;
  cache.keys = given.keys;
  cache.values = given.values;
  cache.blockTable = given.blockTable;
  cache.queryStarts = given.queryStarts;
  cache.lengths = given.lengths;
  cache.blockSize = static_cast<int32_t>(given.blockSize);
  cache.maxBlocks = static_cast<int32_t>(given.maxBlocks);
  cache.stored = static_cast<attention::Stored>(given.stored);
  return cache;
}

/**
 * out of queries against a paged cache, and sums of chunks of the sequences that are cut
 *                                    caches: [blocks, blockSize, K·E]   blockTable: [S, B]
 *                                    queryStarts: [S + 1]   lengths: [S]
 */
struct PagedAttention : PagedAttentionArguments {
  attention::PagedCache cache;
  attention::Shape shape;

  explicit PagedAttention(Arguments& in)
      : PagedAttentionArguments(in), cache(cacheOf(*this)), shape(shapeOf(*this)) {}
  int64_t chunks() const { return shape.T == 0 ? 0 : attention::pagedUnits(cache, shape); }
  void run(int64_t chunk, ThreadMemory& thread) const {
    attention::pagedUnit(chunk, attentionMemory(thread, shape), out, partials, q, half, cache,
                         shape);
  }
};

/** The same arguments: out of the sequences that were cut, from the sums of their chunks. */
struct JoinChunks : PagedAttention {
  using PagedAttention::PagedAttention;
  int64_t chunks() const { return shape.T == 0 ? 0 : attention::joinUnits(cache, shape); }
  void run(int64_t chunk, ThreadMemory& thread) const {
    attention::joinUnit(chunk, attentionMemory(thread, shape), out, partials, half, cache, shape);
  }
};

}  // namespace cria::CRIA_ISA

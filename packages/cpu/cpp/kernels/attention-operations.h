// The attention kernels of @cria/attention as operations: their units of work are the chunks.
#pragma once
#include "paged.h"
#include "operation.h"

namespace cria::CRIA_ISA {

/** T, S, H, K, E, the scale and the window (0: none), in that order. */
inline attention::Shape readShape(Arguments& in) {
  attention::Shape shape;
  shape.T = in.integer();
  shape.S = static_cast<int32_t>(in.integer());
  shape.H = static_cast<int32_t>(in.integer());
  shape.K = static_cast<int32_t>(in.integer());
  shape.E = static_cast<int32_t>(in.integer());
  shape.scale = in.scalar();
  const int64_t window = in.integer();
  if (window > 0 && window < attention::NO_WINDOW) shape.window = window;
  return shape;
}

inline void* attentionMemory(ThreadMemory& thread, const attention::Shape& shape) {
  return thread.grow(thread, attention::scratch_bytes(shape.E));
}

/** out, lse of packed sequences      out, q: [T, H·E]   k, v: [T, K·E], all f32 or all bf16   lse: f32 [T, H]   segments: [S + 1] */
struct Attention {
  void* out;
  float* lse;
  const void *q, *k, *v;
  const int32_t* segments;
  bool half;
  attention::Shape shape;

  explicit Attention(Arguments& in) {
    out = in.tensor<char>();
    lse = in.tensor<float>();
    q = in.tensor<const char>();
    k = in.tensor<const char>();
    v = in.tensor<const char>();
    segments = in.tensor<const int32_t>();
    half = in.integer() != 0;
    shape = readShape(in);
  }
  int64_t chunks() const { return shape.T == 0 ? 0 : attention::forward_units(shape); }
  void run(int64_t chunk, ThreadMemory& thread) const { attention::forward_unit(chunk, attentionMemory(thread, shape), out, lse, q, k, v, half, segments, shape); }
};

/** dq, dk, dv from dout, q, k, v, out, all f32 or all bf16, and lse */
struct AttentionGrad {
  void *dq, *dk, *dv;
  const void *dout, *q, *k, *v, *out;
  const float* lse;
  const int32_t* segments;
  bool half;
  attention::Shape shape;

  explicit AttentionGrad(Arguments& in) {
    dq = in.tensor<char>();
    dk = in.tensor<char>();
    dv = in.tensor<char>();
    dout = in.tensor<const char>();
    q = in.tensor<const char>();
    k = in.tensor<const char>();
    v = in.tensor<const char>();
    out = in.tensor<const char>();
    lse = in.tensor<const float>();
    segments = in.tensor<const int32_t>();
    half = in.integer() != 0;
    shape = readShape(in);
  }
  int64_t chunks() const { return shape.T == 0 ? 0 : attention::backward_units(shape); }
  void run(int64_t chunk, ThreadMemory& thread) const {
    void* scratch = thread.grow(thread, attention::backward_scratch_bytes(half, segments, shape));
    attention::backward_unit(chunk, scratch, dq, dk, dv, dout, q, k, v, out, lse, half, segments, shape);
  }
};

inline attention::PagedCache readCache(Arguments& in) {
  attention::PagedCache cache;
  cache.keys = in.tensor<const char>();
  cache.values = in.tensor<const char>();
  cache.block_table = in.tensor<const int32_t>();
  cache.query_starts = in.tensor<const int32_t>();
  cache.lengths = in.tensor<const int32_t>();
  cache.block_size = static_cast<int32_t>(in.integer());
  cache.max_blocks = static_cast<int32_t>(in.integer());
  cache.stored = static_cast<attention::Stored>(in.integer());
  return cache;
}

/**
 * out of queries against a paged cache, and sums of chunks of the sequences that are cut
 *                                    caches: [blocks, blockSize, K·E]   blockTable: [S, B]   queryStarts: [S + 1]   lengths: [S]
 */
struct PagedAttention {
  void* out;
  float* partials;
  const void* q;
  attention::PagedCache cache;
  bool half;
  attention::Shape shape;

  explicit PagedAttention(Arguments& in) {
    out = in.tensor<char>();
    partials = in.tensor<float>();
    q = in.tensor<const char>();
    cache = readCache(in);
    half = in.integer() != 0;
    shape = readShape(in);
  }
  int64_t chunks() const { return shape.T == 0 ? 0 : attention::paged_units(cache, shape); }
  void run(int64_t chunk, ThreadMemory& thread) const { attention::paged_unit(chunk, attentionMemory(thread, shape), out, partials, q, half, cache, shape); }
};

/** The same arguments: out of the sequences that were cut, from the sums of their chunks. */
struct JoinChunks : PagedAttention {
  using PagedAttention::PagedAttention;
  int64_t chunks() const { return shape.T == 0 ? 0 : attention::join_units(cache, shape); }
  void run(int64_t chunk, ThreadMemory& thread) const { attention::join_unit(chunk, attentionMemory(thread, shape), out, partials, half, cache, shape); }
};

}  // namespace cria::CRIA_ISA

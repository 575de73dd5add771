// The attention kernels of @cria/attention as operations: their units of work are the chunks.
#pragma once
#include "attention.h"
#include "operation.h"

namespace cria::CRIA_ISA {

/** T, S, H, K, E and the scale, in that order. */
inline attention::Shape readShape(Arguments& in) {
  attention::Shape shape;
  shape.T = in.integer();
  shape.S = static_cast<int32_t>(in.integer());
  shape.H = static_cast<int32_t>(in.integer());
  shape.K = static_cast<int32_t>(in.integer());
  shape.E = static_cast<int32_t>(in.integer());
  shape.scale = in.scalar();
  return shape;
}

inline void* attentionMemory(ThreadMemory& thread, const attention::Shape& shape) {
  return thread.grow(thread, attention::scratch_bytes(shape.E));
}

/** out, lse of packed sequences                out, q: [T, H·E]   k, v: [T, K·E]   lse: [T, H]   segments: [S + 1] */
struct Attention {
  float *out, *lse;
  const float *q, *k, *v;
  const int32_t* segments;
  attention::Shape shape;

  explicit Attention(Arguments& in) {
    out = in.tensor<float>();
    lse = in.tensor<float>();
    q = in.tensor<const float>();
    k = in.tensor<const float>();
    v = in.tensor<const float>();
    segments = in.tensor<const int32_t>();
    shape = readShape(in);
  }
  int64_t chunks() const { return shape.T == 0 ? 0 : attention::forward_units(shape); }
  void run(int64_t chunk, ThreadMemory& thread) const { attention::forward_unit(chunk, attentionMemory(thread, shape), out, lse, q, k, v, segments, shape); }
};

/** dq, dk, dv from dout, q, k, v, out, lse */
struct AttentionGrad {
  float *dq, *dk, *dv;
  const float *dout, *q, *k, *v, *out, *lse;
  const int32_t* segments;
  attention::Shape shape;

  explicit AttentionGrad(Arguments& in) {
    dq = in.tensor<float>();
    dk = in.tensor<float>();
    dv = in.tensor<float>();
    dout = in.tensor<const float>();
    q = in.tensor<const float>();
    k = in.tensor<const float>();
    v = in.tensor<const float>();
    out = in.tensor<const float>();
    lse = in.tensor<const float>();
    segments = in.tensor<const int32_t>();
    shape = readShape(in);
  }
  int64_t chunks() const { return shape.T == 0 ? 0 : attention::backward_units(shape); }
  void run(int64_t chunk, ThreadMemory& thread) const {
    attention::backward_unit(chunk, attentionMemory(thread, shape), dq, dk, dv, dout, q, k, v, out, lse, segments, shape);
  }
};

/** out of queries against a paged cache        caches: [blocks, blockSize, K·E] of T   blockTable: [S, B]   queryStarts: [S + 1]   lengths: [S] */
template <class T>
struct PagedAttention {
  float* out;
  const float* q;
  attention::PagedCache<T> cache;
  attention::Shape shape;

  explicit PagedAttention(Arguments& in) {
    out = in.tensor<float>();
    q = in.tensor<const float>();
    cache.keys = in.tensor<const T>();
    cache.values = in.tensor<const T>();
    cache.block_table = in.tensor<const int32_t>();
    cache.query_starts = in.tensor<const int32_t>();
    cache.lengths = in.tensor<const int32_t>();
    cache.block_size = static_cast<int32_t>(in.integer());
    cache.max_blocks = static_cast<int32_t>(in.integer());
    shape = readShape(in);
  }
  int64_t chunks() const { return shape.T == 0 ? 0 : attention::paged_units(shape); }
  void run(int64_t chunk, ThreadMemory& thread) const { attention::paged_unit(chunk, thread.grow(thread, attention::paged_scratch_bytes<T>(shape.E)), out, q, cache, shape); }
};

}  // namespace cria::CRIA_ISA

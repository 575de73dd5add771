// SwiGLU: the gated activation between the two halves of a feed-forward layer.
#pragma once
#include "operation.h"

namespace cria::CRIA_ISA {

/** 1 / (1 + e⁻ˣ) */
inline V sigmoid(V x) { return div(set1(1.0f), add(set1(1.0f), exp(sub(zero(), x)))); }

/** y = silu(gate) ∘ up,  silu(g) = g · σ(g) */
template <class T>
struct Swiglu : SwigluArguments<T> {
  using Given = SwigluArguments<T>;
  using Given::Given;
  using Given::y, Given::gate, Given::up, Given::elements;

  int64_t chunks() const { return ceilDivide(elements, CHUNK_ELEMENTS); }
  void run(int64_t chunk, ThreadMemory&) const {
    const Range range = piece(chunk, CHUNK_ELEMENTS, elements);
    forVectors(range.start, range.end, [&](int64_t i, int64_t n) {
      const V g = loadSome(gate + i, n);
      storeSome(y + i, mul(mul(g, sigmoid(g)), loadSome(up + i, n)), n);
    });
  }
};

/** dgate = dy ∘ up ∘ silu′(gate),  silu′(g) = σ(g)·(1 + g·(1 − σ(g)));   dup = dy ∘ silu(gate) */
template <class T>
struct SwigluGrad : SwigluGradArguments<T> {
  using Given = SwigluGradArguments<T>;
  using Given::dgate, Given::dup, Given::dy, Given::gate, Given::up, Given::elements;
  using Given::Given;

  int64_t chunks() const { return ceilDivide(elements, CHUNK_ELEMENTS); }
  void run(int64_t chunk, ThreadMemory&) const {
    const Range range = piece(chunk, CHUNK_ELEMENTS, elements);
    forVectors(range.start, range.end, [&](int64_t i, int64_t n) {
      const V g = loadSome(gate + i, n), u = loadSome(up + i, n), d = loadSome(dy + i, n);
      const V s = sigmoid(g);
      const V slope = mul(s, fma(g, sub(set1(1.0f), s), set1(1.0f)));
      storeSome(dgate + i, mul(mul(d, u), slope), n);
      storeSome(dup + i, mul(d, mul(g, s)), n);
    });
  }
};

}  // namespace cria::CRIA_ISA

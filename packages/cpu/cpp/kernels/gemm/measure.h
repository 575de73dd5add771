// The yardstick: how fast this instruction set multiplies and adds when nothing else is in the way.
#pragma once
#include "unit.h"

namespace cria::CRIA_ISA {

/**
 * `repeat` times a dozen independent steps of a product, enough to hide their latency, in each of
 * `pieces` chunks
 */
template <class Unit>
struct Measure : MeasureArguments {
  using MeasureArguments::MeasureArguments;

  int64_t chunks() const { return pieces; }
  void run(int64_t chunk, ThreadMemory& thread) const {
    constexpr int CHAINS = 12;
    float* sink = reinterpret_cast<float*>(thread.grow(thread, CHAINS * W * sizeof(float)));
    V sums[CHAINS];
    const V a = set1(0.999f), b = set1(static_cast<float>(chunk) + 1.0f);
#pragma GCC unroll 16
    for (int i = 0; i < CHAINS; i++) sums[i] = set1(static_cast<float>(i));
    for (int64_t n = 0; n < repeat; n++) {
#pragma GCC unroll 16
      // through the product: of two constants it would be computed once
      for (int i = 0; i < CHAINS; i++) sums[i] = Unit::step(sums[i], a, b);
    }
#pragma GCC unroll 16
    for (int i = 0; i < CHAINS; i++) store(sink + i * W, sums[i]);
  }
};

}  // namespace cria::CRIA_ISA

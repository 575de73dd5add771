// What the optimizer needs: the norm of a gradient, and AdamW in one pass over memory.
#pragma once
#include "cast.h"

namespace cria::CRIA_ISA {

/** partials[c] = Σ x² over elements 65536·c to 65536·(c + 1): an absolute grid */
template <class T>
struct SumSquares : SumSquaresArguments<T> {
  static constexpr int64_t PIECE = 1 << 16;
  static constexpr int64_t SMALL = 1 << 12;
  using Given = SumSquaresArguments<T>;
  using Given::Given;
  using Given::partials, Given::x, Given::elements;

  int64_t chunks() const { return ceilDivide(elements, PIECE); }
  void run(int64_t chunk, ThreadMemory&) const {
    const Range range = piece(chunk, PIECE, elements);
    double total = 0;
    for (int64_t start = range.start; start < range.end; start += SMALL)
      total += static_cast<double>(sum(start, min(start + SMALL, range.end)));
    partials[chunk] = total;
  }

 private:
  float sum(int64_t start, int64_t end) const {
    V sums[4] = {zero(), zero(), zero(), zero()};
    int64_t i = start;
    for (; i + 4 * W <= end; i += 4 * W) {
#pragma GCC unroll 4
      for (int j = 0; j < 4; j++) {
        const V a = load(x + i + j * W);
        sums[j] = fma(a, a, sums[j]);
      }
    }
    forVectors(i, end, [&](int64_t at, int64_t n) {
      const V a = loadSome(x + at, n);
      sums[0] = fma(a, a, sums[0]);
    });
    return reduceAdd(add(add(sums[0], sums[1]), add(sums[2], sums[3])));
  }
};

/** y[0] = Σ partials, in order */
struct SumPartials : SumPartialsArguments {
  using SumPartialsArguments::SumPartialsArguments;

  int64_t chunks() const { return 1; }
  void run(int64_t, ThreadMemory&) const {
    double total = 0;
    for (int64_t i = 0; i < count; i++) total += partials[i];
    *y = static_cast<float>(total);
  }
};

/**
 * g = gradient · scale; m = β₁m + (1 − β₁)g; v = β₂v + (1 − β₂)g²; value = value·decay − rate · m /
 * (√v / √(1 − β₂ᵗ) + ε) decay = 1 − lr·wd, rate = lr / (1 − β₁ᵗ). `copy`, where given, gets the new
 * value as dtype `copyType`.
 */
struct Adamw : AdamwArguments {
  using AdamwArguments::AdamwArguments;

  int64_t chunks() const { return ceilDivide(elements, CHUNK_ELEMENTS); }
  void run(int64_t chunk, ThreadMemory&) const {
    const Range range = piece(chunk, CHUNK_ELEMENTS, elements);
    // Rounded to floats once, 1 − β from the double.
    const float keep1 = static_cast<float>(beta1), keep2 = static_cast<float>(beta2);
    const float rest1 = static_cast<float>(1.0 - beta1), rest2 = static_cast<float>(1.0 - beta2);
    forVectors(range.start, range.end, [&](int64_t i, int64_t n) {
      const V g = mul(loadSome(gradient + i, n), set1(scale));
      const V first = fma(set1(keep1), loadSome(m + i, n), mul(set1(rest1), g));
      const V second = fma(set1(keep2), loadSome(v + i, n), mul(mul(set1(rest2), g), g));
      const V denominator = add(div(sqrt(second), set1(root)), set1(epsilon));
      const V next =
          fnma(set1(rate), div(first, denominator), mul(loadSome(value + i, n), set1(decay)));
      storeSome(m + i, first, n);
      storeSome(v + i, second, n);
      storeSome(value + i, next, n);
    });
    if (copy != nullptr)
      withElements(copyType, copy, [&](auto* target) {
        convert(target, static_cast<const float*>(value), range.start, range.end);
      });
  }
};

}  // namespace cria::CRIA_ISA

// Activations for products with quantised weights: 8 bits, one scale for 32 along k. What the product needs of each block besides is
// made here once: the start of the whole-number sum that takes the weights' offset away, or the sum that minima are multiplied by.
#pragma once
#include "block-format.h"

namespace cria::CRIA_ISA {

/** What the product takes off each unsigned weight after its kernel has taken BIAS_DONE. */
template <class Format>
constexpr int32_t offsetLeft = Format::OFFSET - (Format::BITS == 8 ? BIAS_DONE : 0);

/**
 * x = scale · q, scale = max|x| / 127; NaN where a block holds anything that is not finite.
 *   q: i8 [rows, k]   scales: [rows, k / 32]   starts: [rows, k / 32 · HALVES], i32 −offset · Σq (of each half), or f32 scale · Σq
 */
struct RoundRows {
  int8_t* q;
  float *scales, *starts;
  const void* x;
  int64_t rows, k, type, format;

  explicit RoundRows(Arguments& in) {
    q = in.tensor<int8_t>();
    scales = in.tensor<float>();
    starts = in.tensor<float>();
    x = in.tensor<const char>();
    rows = in.integer();
    k = in.integer();
    type = in.integer();
    format = in.integer();
  }
  int64_t chunks() const { return ceilDivide(rows, rowsPerChunk(k)); }
  void run(int64_t chunk, ThreadMemory&) const {
    const Range range = piece(chunk, rowsPerChunk(k), rows);
    withFormat(format, [&](auto of) {
      withElements(type, x, [&](auto* from) {
        for (int64_t b = range.start * (k / BLOCK); b < range.end * (k / BLOCK); b++) block<decltype(of)>(from, b);
      });
    });
  }

 private:
  /** Smaller than this a block counts as zero: the scale's reciprocal would overflow. */
  static constexpr float LEAST = 1e-30f;

  template <class Format, class T>
  void block(const T* from, int64_t b) const {
    constexpr int N = BLOCK / W;
    V values[N], largest = zero(), bad = zero();
#pragma GCC unroll 8
    for (int i = 0; i < N; i++) {
      values[i] = load(from + b * BLOCK + i * W);
      bad = fma(values[i], zero(), bad);
      largest = max(largest, max(values[i], sub(zero(), values[i])));
    }
    const float spread = reduce_add(bad), most = spread == 0.0f ? reduce_max(largest) : 0.0f;
    const float inverse = most > LEAST ? 127.0f / most : 0.0f, scale = spread == 0.0f ? (most > LEAST ? most / 127.0f : 0.0f) : spread * 0.0f;
    I sums[2] = {setInt(0), setInt(0)};
#pragma GCC unroll 8
    for (int i = 0; i < N; i++) {
      const I rounded = toInts(spread == 0.0f ? mul(values[i], set1(inverse)) : zero());
      storeBytes(q + b * BLOCK + i * W, rounded);
      I& sum = sums[2 * i / N];
      sum = addInts(sum, rounded);
    }
    const int32_t first = total(sums[0]), second = total(sums[1]);
    scales[b] = scale;
    if (Format::MINIMUM) {
      starts[b] = scale * static_cast<float>(first + second);
    } else if (Format::HALVES == 2) {
      start(2 * b, -offsetLeft<Format> * first);
      start(2 * b + 1, -offsetLeft<Format> * second);
    } else {
      start(b, -offsetLeft<Format> * (first + second));
    }
  }
  /** Sums of so few bytes are exact as floats. */
  static int32_t total(I sums) { return static_cast<int32_t>(reduce_add(toFloat(sums))); }
  void start(int64_t i, int32_t value) const { __builtin_memcpy(starts + i, &value, 4); }
};

}  // namespace cria::CRIA_ISA

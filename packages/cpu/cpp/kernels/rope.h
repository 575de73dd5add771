// Rotary position embedding.
#pragma once
#include "operation.h"

namespace cria::CRIA_ISA {

template <class T>
inline void load2(const T* p, V& even, V& odd) {
  float numbers[2 * W];
  store(numbers, load(p));
  store(numbers + W, load(p + W));
  load2(static_cast<const float*>(numbers), even, odd);
}
template <class T>
inline void store2(T* p, V even, V odd) {
  float numbers[2 * W];
  store2(static_cast<float*>(numbers), even, odd);
  store(p, load(numbers));
  store(p + W, load(numbers + W));
}

/**
 * (a, b) ← (a·cos − b·sin, b·cos + a·sin) for every pair of every head; inverse: sin ← −sin
 *                   x, y: [T, H·E]   positions: [T]   table: [P, E] = cos, sin of pair 0, cos, sin of pair 1, …
 * adjacent: a, b = elements 2j, 2j + 1     half: a, b = elements j, j + E/2
 */
template <class T>
struct Rope : RopeArguments<T> {
  using Given = RopeArguments<T>;
  using Given::Given;
  using Given::y, Given::x, Given::positions, Given::table, Given::rows, Given::heads, Given::width,
      Given::half, Given::inverse;

  int64_t chunks() const { return ceilDivide(rows, rowsPerChunk(heads * width)); }
  void run(int64_t chunk, ThreadMemory& thread) const {
    const int64_t pairs = width / 2;
    float* cosines =
        reinterpret_cast<float*>(thread.grow(thread, static_cast<uint64_t>(width) * sizeof(float)));
    float* sines = cosines + pairs;
    const Range range = piece(chunk, rowsPerChunk(heads * width), rows);
    for (int64_t t = range.start; t < range.end; t++) {
      const float* angles = table + positions[t] * width;
      for (int64_t j = 0; j < pairs; j++) {
        cosines[j] = angles[2 * j];
        sines[j] = inverse ? -angles[2 * j + 1] : angles[2 * j + 1];
      }
      for (int64_t h = 0; h < heads; h++) {
        const int64_t at = (t * heads + h) * width;
        if (half) rotateHalves(y + at, x + at, cosines, sines, pairs);
        else rotateNeighbours(y + at, x + at, cosines, sines, pairs);
      }
    }
  }

 private:
  static void rotateHalves(T* out, const T* in, const float* cosines, const float* sines,
                           int64_t pairs) {
    forVectors(0, pairs, [&](int64_t j, int64_t n) {
      const V a = loadSome(in + j, n), b = loadSome(in + pairs + j, n),
              c = loadSome(cosines + j, n), s = loadSome(sines + j, n);
      storeSome(out + j, fnma(b, s, mul(a, c)), n);
      storeSome(out + pairs + j, fma(a, s, mul(b, c)), n);
    });
  }
  static void rotateNeighbours(T* out, const T* in, const float* cosines, const float* sines,
                               int64_t pairs) {
    int64_t j = 0;
    for (; j + W <= pairs; j += W) {
      V a, b;
      load2(in + 2 * j, a, b);
      const V c = load(cosines + j), s = load(sines + j);
      store2(out + 2 * j, fnma(b, s, mul(a, c)), fma(a, s, mul(b, c)));
    }
    if (j == pairs) return;
    // The last pairs go through small arrays, so that they take the same arithmetic.
    float old[2 * W] = {}, turned[2 * W];
    const int64_t left = pairs - j;
    for (int64_t i = 0; i < 2 * left; i++) old[i] = number(in[2 * j + i]);
    V a, b;
    load2(old, a, b);
    const V c = load(cosines + j, left), s = load(sines + j, left);
    store2(turned, fnma(b, s, mul(a, c)), fma(a, s, mul(b, c)));
    for (int64_t i = 0; i < 2 * left; i++) assign(out[2 * j + i], turned[i]);
  }
};

}  // namespace cria::CRIA_ISA

// RMSNorm and its gradient, and what else adds a vector to every row or every row to a vector.
#pragma once
#include "cast.h"

namespace cria::CRIA_ISA {

/** A gain or bias [D] of any float type as floats: itself, or a copy in the thread's memory. */
struct Vector {
  const void* numbers;
  int64_t columns, type;

  const float* floats(ThreadMemory& thread) const {
    if (type == static_cast<int64_t>(Dtype::f32)) return static_cast<const float*>(numbers);
    float* copy = reinterpret_cast<float*>(
        thread.grow(thread, static_cast<uint64_t>(columns) * sizeof(float)));
    withElements(type, numbers, [&](auto* from) { convert(copy, from, 0, columns); });
    return copy;
  }
};

/**
 * y = x · rstd · gain, rstd = 1 / √(mean(x²) + eps)
 *     x, y: [T, D]   gain: [D]   rstd: [T] or null
 */
template <class T>
struct RmsNorm : RmsNormArguments<T> {
  using Given = RmsNormArguments<T>;
  using Given::Given;
  using Given::y, Given::rstd, Given::x, Given::gain, Given::rows, Given::columns, Given::eps,
      Given::type;

  int64_t chunks() const { return ceilDivide(rows, rowsPerChunk(columns)); }
  void run(int64_t chunk, ThreadMemory& thread) const {
    const Range range = piece(chunk, rowsPerChunk(columns), rows);
    const float* gains = Vector{gain, columns, type}.floats(thread);
    for (int64_t t = range.start; t < range.end; t++) {
      const T* in = x + t * columns;
      T* out = y + t * columns;
      V squares[2] = {zero(), zero()};
      int64_t i = 0;
      for (; i + 2 * W <= columns; i += 2 * W) {
        const V a = load(in + i), b = load(in + i + W);
        squares[0] = fma(a, a, squares[0]);
        squares[1] = fma(b, b, squares[1]);
      }
      forVectors(i, columns, [&](int64_t j, int64_t n) {
        const V a = loadSome(in + j, n);
        squares[0] = fma(a, a, squares[0]);
      });
      const float scale =
          1.0f / __builtin_sqrtf(
                     reduceAdd(add(squares[0], squares[1])) / static_cast<float>(columns) + eps);
      if (rstd != nullptr) rstd[t] = scale;
      const V factor = set1(scale);
      forVectors(0, columns, [&](int64_t j, int64_t n) {
        storeSome(out + j, mul(mul(loadSome(in + j, n), factor), loadSome(gains + j, n)), n);
      });
    }
  }
};

/**
 * dx = rstd · (dy∘gain − x̂ · mean(dy∘gain∘x̂)) (+ dx); partials[c] = Σ dy∘x̂ over the rows of
 * chunk c, for `SumRows` to add up
 *                                                                        partials: [⌈T / 64⌉, D] or null
 *                                                                        x̂ = x · rstd
 */
template <class T>
struct RmsNormGrad : RmsNormGradArguments<T> {
  using Given = RmsNormGradArguments<T>;
  using Given::dx, Given::partials, Given::dy, Given::x, Given::gain, Given::rstd, Given::rows,
      Given::columns, Given::chunkRows, Given::accumulate, Given::type;
  using Given::Given;

  int64_t chunks() const { return ceilDivide(rows, chunkRows); }
  void run(int64_t chunk, ThreadMemory& thread) const {
    const Range range = piece(chunk, chunkRows, rows);
    const float* gains = Vector{gain, columns, type}.floats(thread);
    float* dgain = partials == nullptr ? nullptr : partials + chunk * columns;
    if (dgain != nullptr) __builtin_memset(dgain, 0, static_cast<size_t>(columns) * sizeof(float));
    for (int64_t t = range.start; t < range.end; t++) row(t, gains, dgain);
  }

 private:
  void row(int64_t t, const float* gains, float* dgain) const {
    const T *in = x + t * columns, *grad = dy + t * columns;
    T* out = dx + t * columns;
    const V scale = set1(rstd[t]);
    V dot = zero();
    forVectors(0, columns, [&](int64_t i, int64_t n) {
      const V normed = mul(loadSome(in + i, n), scale), g = loadSome(grad + i, n);
      const V product = mul(g, normed);
      dot = fma(product, loadSome(gains + i, n), dot);
      if (dgain != nullptr) storeSome(dgain + i, add(loadSome(dgain + i, n), product), n);
    });
    const V mean = set1(reduceAdd(dot) / static_cast<float>(columns));
    forVectors(0, columns, [&](int64_t i, int64_t n) {
      const V normed = mul(loadSome(in + i, n), scale);
      const V value =
          mul(scale, fnma(normed, mean, mul(loadSome(grad + i, n), loadSome(gains + i, n))));
      storeSome(out + i, accumulate ? add(loadSome(out + i, n), value) : value, n);
    });
  }
};

/**
 * y[t] += bias
 *     y: [T, N]   bias: [N] of any float type
 */
template <class T>
struct AddBias : AddBiasArguments<T> {
  using Given = AddBiasArguments<T>;
  using Given::Given;
  using Given::y, Given::bias, Given::rows, Given::columns, Given::type;

  int64_t chunks() const { return ceilDivide(rows, rowsPerChunk(columns)); }
  void run(int64_t chunk, ThreadMemory& thread) const {
    const Range range = piece(chunk, rowsPerChunk(columns), rows);
    const float* added = Vector{bias, columns, type}.floats(thread);
    for (int64_t t = range.start; t < range.end; t++) {
      T* row = y + t * columns;
      forVectors(0, columns, [&](int64_t i, int64_t n) {
        storeSome(row + i, add(loadSome(row + i, n), loadSome(added + i, n)), n);
      });
    }
  }
};

/**
 * y[c] = (…((y[c] + x[0, c]) + x[1, c]) + …): rows in order
 *     y: [columns]   x: [rows, columns]
 */
template <class T>
struct SumRows : SumRowsArguments<T> {
  using Given = SumRowsArguments<T>;
  using Given::Given;
  using Given::y, Given::x, Given::rows, Given::columns;

  int64_t width() const { return roundUp(rowsPerChunk(rows), 64); }
  int64_t chunks() const { return ceilDivide(columns, width()); }
  void run(int64_t chunk, ThreadMemory&) const {
    const Range range = piece(chunk, width(), columns);
    forVectors(range.start, range.end, [&](int64_t c, int64_t n) {
      V sum = loadSome(y + c, n);
      for (int64_t r = 0; r < rows; r++) sum = add(sum, loadSome(x + r * columns + c, n));
      storeSome(y + c, sum, n);
    });
  }
};

}  // namespace cria::CRIA_ISA

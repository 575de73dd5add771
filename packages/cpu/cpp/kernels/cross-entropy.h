// Softmax cross entropy of one block of rows; the products around it are matrix products.
#pragma once
#include "cast.h"

namespace cria::CRIA_ISA {

/**
 * losses[t] = weight[t] · (log Σ exp(x[t] − max) + max − x[t, target]); with `gradient` x[t] ←
 * weight[t] · (softmax(x[t]) − onehot(target)). All
 * zeros where the target is −100 or the weight 0
 *     x: logits [rows, columns], `stride` apart   targets: i32 [rows]
 *                                                              weights: [rows], or null: each is 1
 * As bf16 the gradient of a row takes the first half of the row's memory: rows of halves, 2·stride
 * apart.
 */
struct CrossEntropy : CrossEntropyArguments {
  static constexpr int32_t IGNORE = -100;
  enum Gradient { none = 0, floats = 1, halves = 2 };
  using CrossEntropyArguments::CrossEntropyArguments;

  int64_t chunks() const { return ceilDivide(rows, rowsPerChunk(columns)); }
  void run(int64_t chunk, ThreadMemory&) const {
    const Range range = piece(chunk, rowsPerChunk(columns), rows);
    for (int64_t t = range.start; t < range.end; t++) row(t);
  }

 private:
  void row(int64_t t) const {
    float* logits = x + t * stride;
    const float weight = weights != nullptr ? weights[t] : 1.0f;
    if (targets[t] == IGNORE || weight == 0.0f) {
      losses[t] = 0.0f;
      if (gradient != none)
        __builtin_memset(logits, 0, static_cast<size_t>(columns) * sizeof(float));
      return;
    }
    const float atTarget = logits[targets[t]];
    const float largest = maximum(logits);
    const V shift = set1(largest);
    V sums[2] = {zero(), zero()};
    int64_t i = 0;
    for (; i + 2 * W <= columns; i += 2 * W) {
      const V a = exp(sub(load(logits + i), shift)), b = exp(sub(load(logits + i + W), shift));
      sums[0] = add(sums[0], a);
      sums[1] = add(sums[1], b);
      if (gradient != none) {
        store(logits + i, a);
        store(logits + i + W, b);
      }
    }
    forVectors(i, columns, [&](int64_t at, int64_t n) {
      // Lanes that do not exist hold exp(0 − max): they are taken out by loading −∞ in their place.
      const V a = exp(
          sub(n >= W ? load(logits + at) : select(n, load(logits + at, n), set1(-__builtin_inff())),
              shift));
      sums[0] = add(sums[0], a);
      if (gradient != none) storeSome(logits + at, a, n);
    });
    const float sum = reduceAdd(add(sums[0], sums[1]));
    // By a weight of 1 nothing changes, not in any bit.
    losses[t] = weight * (__builtin_logf(sum) + (largest - atTarget));
    if (gradient == floats) toGradient(logits, logits, targets[t], 1.0f / sum, weight);
    if (gradient == halves)
      toGradient(reinterpret_cast<Bf16*>(logits), logits, targets[t], 1.0f / sum, weight);
  }

  /** to = weight · (e · scale − onehot); `to` may begin where e does. */
  template <class T>
  void toGradient(T* to, const float* e, int32_t target, float scale, float weight) const {
    const float atTarget = weight * (e[target] * scale - 1.0f);
    const V factor = set1(weight * scale);
    forVectors(0, columns, [&](int64_t at, int64_t n) {
      storeSome(to + at, mul(loadSome(e + at, n), factor), n);
    });
    assign(to[target], atTarget);
  }

  float maximum(const float* logits) const {
    V most[4];
    for (int j = 0; j < 4; j++) most[j] = set1(-__builtin_inff());
    int64_t i = 0;
    for (; i + 4 * W <= columns; i += 4 * W) {
#pragma GCC unroll 4
      for (int j = 0; j < 4; j++) most[j] = max(load(logits + i + j * W), most[j]);
    }
    forVectors(i, columns, [&](int64_t at, int64_t n) {
      most[0] =
          max(n >= W ? load(logits + at) : select(n, load(logits + at, n), set1(-__builtin_inff())),
              most[0]);
    });
    return reduceMax(max(max(most[0], most[1]), max(most[2], most[3])));
  }
};

}  // namespace cria::CRIA_ISA

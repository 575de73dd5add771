// Softmax cross entropy of one block of rows, over a whole vocabulary or a part of one; the products
// around it are matrix products.
#pragma once
#include "cast.h"

namespace cria::CRIA_ISA {

/** The target of a row that counts nothing. */
constexpr int32_t IGNORE_TARGET = -100;

/** The largest of n logits; −∞ of none. */
inline float largestOf(const float* z, int64_t n) {
  V most[4];
  for (int j = 0; j < 4; j++) most[j] = set1(-__builtin_inff());
  int64_t i = 0;
  for (; i + 4 * W <= n; i += 4 * W) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) most[j] = max(load(z + i + j * W), most[j]);
  }
  forVectors(i, n, [&](int64_t at, int64_t lanes) {
    most[0] =
        max(lanes >= W ? load(z + at) : select(lanes, load(z + at, lanes), set1(-__builtin_inff())),
            most[0]);
  });
  return reduceMax(max(max(most[0], most[1]), max(most[2], most[3])));
}

/** Σ exp(z − shift) of n logits; with `keep` the exponentials take their place. */
inline float sumExponentials(float* z, int64_t n, float shift, bool keep) {
  const V beside = set1(shift);
  V sums[2] = {zero(), zero()};
  int64_t i = 0;
  for (; i + 2 * W <= n; i += 2 * W) {
    const V a = exp(sub(load(z + i), beside)), b = exp(sub(load(z + i + W), beside));
    sums[0] = add(sums[0], a);
    sums[1] = add(sums[1], b);
    if (keep) {
      store(z + i, a);
      store(z + i + W, b);
    }
  }
  forVectors(i, n, [&](int64_t at, int64_t lanes) {
    // Lanes that do not exist hold exp(0 − shift): they are taken out by loading −∞ in their place.
    const V a = exp(
        sub(lanes >= W ? load(z + at) : select(lanes, load(z + at, lanes), set1(-__builtin_inff())),
            beside));
    sums[0] = add(sums[0], a);
    if (keep) storeSome(z + at, a, lanes);
  });
  return reduceAdd(add(sums[0], sums[1]));
}

/**
 * to = weight · (e · scale − onehot) over n exponentials; `to` may begin where e does. A target
 * outside of them has no onehot.
 */
template <class T>
inline void softmaxGradient(T* to, const float* e, int64_t n, int64_t target, float scale,
                            float weight) {
  const float atTarget = isHeld(target, n) ? weight * (e[target] * scale - 1.0f) : 0.0f;
  const V factor = set1(weight * scale);
  forVectors(0, n, [&](int64_t at, int64_t lanes) {
    storeSome(to + at, mul(loadSome(e + at, lanes), factor), lanes);
  });
  if (isHeld(target, n)) assign(to[target], atTarget);
}

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
    if (targets[t] == IGNORE_TARGET || weight == 0.0f) {
      losses[t] = 0.0f;
      if (gradient != none)
        __builtin_memset(logits, 0, static_cast<size_t>(columns) * sizeof(float));
      return;
    }
    const float atTarget = logits[targets[t]];
    const float largest = largestOf(logits, columns);
    const float sum = sumExponentials(logits, columns, largest, gradient != none);
    // By a weight of 1 nothing changes, not in any bit.
    losses[t] = weight * (__builtin_logf(sum) + (largest - atTarget));
    if (gradient == floats)
      softmaxGradient(logits, logits, columns, targets[t], 1.0f / sum, weight);
    if (gradient == halves)
      softmaxGradient(reinterpret_cast<Bf16*>(logits), logits, columns, targets[t], 1.0f / sum,
                      weight);
  }
};

/**
 * share[t] = max x[t], Σ exp(x[t] − max), x[t, targets[t] − first], the last 0 where that is no
 * column; of logits that are all −∞ the sum is 0
 *     share: [rows, 3]   x: logits [rows, columns], `stride` apart
 */
struct SoftmaxShare : SoftmaxShareArguments {
  using SoftmaxShareArguments::SoftmaxShareArguments;

  int64_t chunks() const { return ceilDivide(rows, rowsPerChunk(columns)); }
  void run(int64_t chunk, ThreadMemory&) const {
    const Range range = piece(chunk, rowsPerChunk(columns), rows);
    for (int64_t t = range.start; t < range.end; t++) row(t);
  }

 private:
  void row(int64_t t) const {
    // Nothing is kept: the logits stay as they are.
    float* logits = const_cast<float*>(x) + t * stride;
    const int64_t target = targets[t] - first;
    const float largest = largestOf(logits, columns);
    const float beside = largest == -__builtin_inff() ? 0.0f : largest;
    share[3 * t] = largest;
    share[3 * t + 1] = sumExponentials(logits, columns, beside, false);
    share[3 * t + 2] = isHeld(target, columns) ? logits[target] : 0.0f;
  }
};

/**
 * `CrossEntropy` over a vocabulary in `parts`, of which x has the columns from `first` on; the shares
 * of each lie `apart` from those of the one before it. Without x there are losses alone
 *     shares: [parts, …, rows, 3]
 */
struct CrossEntropyShare : CrossEntropyShareArguments {
  using CrossEntropyShareArguments::CrossEntropyShareArguments;

  int64_t chunks() const { return ceilDivide(rows, rowsPerChunk(columns)); }
  void run(int64_t chunk, ThreadMemory&) const {
    const Range range = piece(chunk, rowsPerChunk(columns), rows);
    for (int64_t t = range.start; t < range.end; t++) row(t);
  }

 private:
  /** Of a row over all parts. */
  struct Whole {
    float largest, sum, atTarget;
  };

  void row(int64_t t) const {
    float* logits = x == nullptr ? nullptr : x + t * stride;
    const float weight = weights != nullptr ? weights[t] : 1.0f;
    if (targets[t] == IGNORE_TARGET || weight == 0.0f) {
      losses[t] = 0.0f;
      if (logits != nullptr)
        __builtin_memset(logits, 0, static_cast<size_t>(columns) * sizeof(float));
      return;
    }
    const Whole all = joined(t);
    losses[t] = weight * (__builtin_logf(all.sum) + (all.largest - all.atTarget));
    if (logits == nullptr) return;
    const int64_t target = targets[t] - first;
    const float scale = 1.0f / all.sum;
    sumExponentials(logits, columns, all.largest, true);
    if (half)
      softmaxGradient(reinterpret_cast<Bf16*>(logits), logits, columns, target, scale, weight);
    else softmaxGradient(logits, logits, columns, target, scale, weight);
  }

  /** Every part's sum, moved from beside its own largest logit to beside the largest of all. */
  Whole joined(int64_t t) const {
    Whole all{-__builtin_inff(), 0.0f, 0.0f};
    const auto of = [&](int64_t part) { return shares + part * apart + 3 * t; };
    for (int64_t part = 0; part < parts; part++) {
      if (!(of(part)[0] <= all.largest)) all.largest = of(part)[0];
    }
    for (int64_t part = 0; part < parts; part++) {
      float factor[W];
      store(factor, exp(set1(of(part)[0] - all.largest)));
      all.sum += of(part)[1] * factor[0];
      all.atTarget += of(part)[2];
    }
    return all;
  }
};

}  // namespace cria::CRIA_ISA

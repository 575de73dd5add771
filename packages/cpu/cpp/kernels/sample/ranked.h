// The largest of many numbers without a sort of all: they fall into buckets by the leading bits of
// how far they lie below the largest; only the buckets that matter are put in order.
#pragma once
#include "kernels/operation.h"

namespace cria::CRIA_ISA::sample {

/** 64 powers of two, 1024 buckets each; the last one takes all that lies further below. */
constexpr int64_t BUCKETS = 1 << 16;
constexpr int STEP = 42;

inline int64_t bitsOfDouble(double x) {
  int64_t bits;
  __builtin_memcpy(&bits, &x, 8);
  return bits;
}
inline double doubleOfBits(int64_t bits) {
  double x;
  __builtin_memcpy(&x, &bits, 8);
  return x;
}

/** Of a weight in [0, 1]: 0 for 1, more for less. */
inline int64_t bucketOfWeight(double weight) {
  return min((bitsOfDouble(1.0) - bitsOfDouble(weight)) >> STEP, BUCKETS - 1);
}
/** What every weight of a bucket has at least. */
inline double leastOfBucket(int64_t bucket) {
  return bucket == BUCKETS - 1 ? 0 : doubleOfBits(bitsOfDouble(1.0) - ((bucket + 1) << STEP));
}
/** Of a score at most `most`. */
inline int64_t bucketOfScore(double score, double most) {
  const int64_t below = bitsOfDouble(most - score) - bitsOfDouble(0x1p-22);
  return below <= 0 ? 0 : min(below >> STEP, BUCKETS - 1);
}

/** The largest first; in place, no memory, never more than n·log n steps. */
inline void sortDescending(double* a, int64_t n) {
  if (n <= 24) {
    for (int64_t i = 1; i < n; i++) {
      const double x = a[i];
      int64_t at = i;
      for (; at > 0 && a[at - 1] < x; at--) a[at] = a[at - 1];
      a[at] = x;
    }
    return;
  }
  const auto sink = [a](int64_t at, int64_t end) {
    const double x = a[at];
    for (int64_t child = 2 * at + 1; child < end; child = 2 * at + 1) {
      if (child + 1 < end && a[child + 1] < a[child]) child++;
      if (a[child] >= x) break;
      a[at] = a[child];
      at = child;
    }
    a[at] = x;
  };
  for (int64_t at = n / 2 - 1; at >= 0; at--) sink(at, n);
  for (int64_t end = n - 1; end > 0; end--) {
    const double least = a[0];
    a[0] = a[end];
    a[end] = least;
    sink(0, end);
  }
}

/** So many are put in order at once: clearing and walking the buckets would take longer. */
constexpr int64_t FEW = 2048;

/** The k-th largest of n > k ≥ 1 scores, `most` the largest.                 sorted: n   counts: BUCKETS */
inline double kthLargest(const double* scores, int64_t n, double most, int64_t k, double* sorted,
                         int32_t* counts) {
  if (n <= FEW) {
    __builtin_memcpy(sorted, scores, static_cast<size_t>(n) * sizeof(double));
    sortDescending(sorted, n);
    return sorted[k - 1];
  }
  __builtin_memset(counts, 0, BUCKETS * sizeof(int32_t));
  for (int64_t i = 0; i < n; i++) counts[bucketOfScore(scores[i], most)]++;
  int64_t bucket = 0;
  while (k > counts[bucket]) k -= counts[bucket++];
  int64_t found = 0;
  for (int64_t i = 0; i < n; i++) {
    if (bucketOfScore(scores[i], most) == bucket) sorted[found++] = scores[i];
  }
  sortDescending(sorted, found);
  return sorted[k - 1];
}

/** The least weight that stays, and how many of its equals do, the first ones by their ids. */
struct Cut {
  double least;
  int64_t ties;
};

/** How many of the numbers up to `at`, which descend, equal the last one. */
inline Cut cutAt(const double* sorted, int64_t at) {
  Cut cut = {sorted[at - 1], 0};
  while (at > 0 && sorted[at - 1] == cut.least) at--, cut.ties++;
  return cut;
}

/** The largest weights that together reach `target`, summed from the largest on; of few. */
inline Cut cutOfFew(const double* weights, int64_t n, double target, double negligible,
                    double* sorted) {
  int64_t found = 0, at = 0;
  for (int64_t i = 0; i < n; i++) {
    if (weights[i] >= negligible) sorted[found++] = weights[i];
  }
  sortDescending(sorted, found);
  double before = 0;
  do before += sorted[at++];  // a target of 0 keeps the first
  while (at < found && before < target);
  return cutAt(sorted, at);
}

/**
 * The largest weights that together reach `target`, summed from the largest on; those below
 * `negligible` are not looked at. Puts all that stay in order, for it must add them in order.
 *     sorted: n   counts: BUCKETS
 */
inline Cut cutInOrder(const double* weights, int64_t n, double target, double negligible,
                      double* sorted, int32_t* counts) {
  __builtin_memset(counts, 0, BUCKETS * sizeof(int32_t));
  for (int64_t i = 0; i < n; i++) {
    if (weights[i] >= negligible) counts[bucketOfWeight(weights[i])]++;
  }
  // Buckets up to the one in which the sum is reached for certain, whatever it rounds to.
  int64_t end = 0, taken = 0;
  for (double mass = 0; end < BUCKETS && mass <= target * (1 + 1e-9); end++)
    mass += counts[end] * leastOfBucket(end);
  for (int64_t bucket = 0, start = 0; bucket < end; bucket++) {
    const int32_t count = counts[bucket];
    counts[bucket] = static_cast<int32_t>(start);
    start += count;
    taken = start;
  }
  for (int64_t i = 0; i < n; i++) {
    if (!(weights[i] >= negligible)) continue;
    const int64_t bucket = bucketOfWeight(weights[i]);
    if (bucket < end) sorted[counts[bucket]++] = weights[i];
  }
  // Each count is now where its bucket ends.
  double before = 0;
  int64_t at = 0, bucket = -1, ordered = 0;
  do {  // a target of 0 keeps the first
    while (at == ordered) {
      ordered = counts[++bucket];
      sortDescending(sorted + at, ordered - at);
    }
    before += sorted[at++];
  } while (at < taken && before < target);
  return cutAt(sorted, at);
}

/**
 * The same from sums of whole buckets in any order, of which only the one where the target is
 * reached is put in order; false where that is nearer to a weight's end than sums in two orders may
 * differ.                                                                  masses: BUCKETS
 */
inline bool cutByBuckets(const double* weights, int64_t n, double target, double negligible,
                         double* sorted, double* masses, Cut& cut) {
  const double doubt = static_cast<double>(n) * 0x1p-50 * target;
  __builtin_memset(masses, 0, BUCKETS * sizeof(double));
  for (int64_t i = 0; i < n; i++) {
    if (weights[i] >= negligible) masses[bucketOfWeight(weights[i])] += weights[i];
  }
  double before = 0;
  int64_t bucket = 0;
  while (bucket < BUCKETS && before + masses[bucket] < target - doubt) before += masses[bucket++];
  if (bucket == BUCKETS || before > target - doubt) return false;
  int64_t found = 0;
  for (int64_t i = 0; i < n; i++) {
    if (weights[i] >= negligible && bucketOfWeight(weights[i]) == bucket)
      sorted[found++] = weights[i];
  }
  sortDescending(sorted, found);
  for (int64_t at = 0; at < found;) {
    before += sorted[at++];
    if (before < target - doubt) continue;
    if (before < target + doubt) return false;
    cut = cutAt(sorted, at);
    return true;
  }
  return false;
}

}  // namespace cria::CRIA_ISA::sample

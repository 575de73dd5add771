// One row of scores: what a request asked for, in the order and with the bits of the plain version
// (packages/tensor/src/reference/sample.ts).
#pragma once
#include "exponential.h"
#include "ranked.h"

namespace cria::CRIA_ISA::sample {

/** `SAMPLE_FAULTS` of packages/tensor/src/kernels.ts. */
enum Fault : int32_t { NOT_A_NUMBER = -1, NOTHING = -2, INFINITE = -3, MASKED = -4 };

/** In the order in which packages/cpu/src/sample.ts writes them. */
struct Settings {
  double temperature, topK, topP, logMinP, temperatureLast, repetition, presence, frequency,
      firstSeen, endSeen, mask, u;
};
constexpr int64_t SETTINGS = sizeof(Settings) / sizeof(double);

struct Seen {
  const int32_t *ids, *times;
  int64_t count;
};

inline double number(double x) { return x; }
using CRIA_ISA::number;

/** Vectors of one kind: what compares to a mask of integers. */
inline D vectorOf(const double* p) { return load(p); }
typedef float F __attribute__((vector_size(4 * W)));
template <class T>
inline F vectorOf(const T* p) {
  const V loaded = CRIA_ISA::load(p);
  F a;
  __builtin_memcpy(&a, &loaded, sizeof a);
  return a;
}

/** The largest of the numbers; NaN where one of them is. */
template <class T>
inline double mostOf(const T* numbers, int64_t n) {
  using Vector = decltype(vectorOf(numbers));
  constexpr int width = sizeof(Vector) / sizeof(Vector{}[0]);
  Vector most = Vector{} - __builtin_inff();
  decltype(most != most) nan = {};
  int64_t i = 0;
  for (; i + width <= n; i += width) {
    const Vector a = vectorOf(numbers + i);
    nan |= a != a;
    most = a > most ? a : most;
  }
  double largest = -__builtin_inf();
  for (int j = 0; j < width; j++) {
    if (nan[j]) return __builtin_nan("");
    if (most[j] > largest) largest = most[j];
  }
  for (; i < n; i++) {
    const double x = number(numbers[i]);
    if (x != x) return x;
    if (x > largest) largest = x;
  }
  return largest;
}

template <class T>
inline int32_t firstOf(const T* numbers, double wanted) {
  int32_t i = 0;
  while (number(numbers[i]) != wanted) i++;
  return i;
}

class Choice {
 public:
  static uint64_t bytes(int64_t n) {
    return static_cast<uint64_t>(n) * (3 * sizeof(double) + sizeof(int32_t)) +
           BUCKETS * sizeof(double);
  }

  Choice(char* memory, int64_t vocabulary)
      : count_(vocabulary),
        vocabulary_(vocabulary),
        scores_(reinterpret_cast<double*>(memory)),
        weights_(scores_ + vocabulary),
        sorted_(weights_ + vocabulary),
        buckets_(sorted_ + vocabulary),
        ids_(reinterpret_cast<int32_t*>(buckets_ + BUCKETS)) {}

  template <class T>
  int32_t operator()(const T* logits, const Settings& given, const int32_t* mask, Seen seen) {
    most_ = static_cast<double>(mostOf(logits, vocabulary_));
    if (most_ != most_) return NOT_A_NUMBER;
    if (__builtin_isinf(most_)) return most_ > 0 ? INFINITE : NOTHING;
    const bool greedy = given.temperature < GREEDY_BELOW;
    if (greedy && mask == nullptr && seen.count == 0) return firstOf(logits, most_);
    for (int64_t i = 0; i < vocabulary_; i++) scores_[i] = static_cast<double>(number(logits[i]));
    if (mask != nullptr) {
      apply(mask);
      most_ = mostOf(scores_, vocabulary_);
      if (most_ == -__builtin_inf()) return MASKED;
    }
    if (seen.count > 0) {
      penalize(seen, given);
      most_ = mostOf(scores_, vocabulary_);
    }
    if (greedy) return firstOf(scores_, most_);
    if (given.temperatureLast == 0) divide(given.temperature);
    if (given.topK > 0 && given.topK < static_cast<double>(vocabulary_))
      keepTopK(static_cast<int64_t>(given.topK));
    bool weighed = false;
    if (given.topP < 1) {
      keepTopP(given.topP);
      weighed = true;
    }
    keepFrom(most_ + given.logMinP, weighed);
    if (given.temperatureLast != 0 && given.temperature != 1) {
      divide(given.temperature);
      weighed = false;
    }
    return draw(weighed ? sum() : exponentiate(weights_, scores_, count_, most_), given.u);
  }

 private:
  static constexpr double GREEDY_BELOW = 1e-5;

  void apply(const int32_t* mask) {
    for (int64_t i = 0; i < vocabulary_; i++) {
      const uint32_t word = static_cast<uint32_t>(mask[i >> 5]);
      if ((word >> (i & 31) & 1) == 0) scores_[i] = -__builtin_inf();
    }
  }

  /** A finite score stays finite. */
  static double bounded(double score, double changed) {
    constexpr double MOST = 1.7976931348623157e308;
    if (__builtin_isinf(score)) return score;
    return changed > MOST ? MOST : changed < -MOST ? -MOST : changed;
  }

  void penalize(Seen seen, const Settings& given) {
    for (int64_t i = 0; i < seen.count; i++) {
      double score = scores_[seen.ids[i]];
      if (given.repetition != 1)
        score = bounded(score, score >= 0 ? score / given.repetition : score * given.repetition);
      if (seen.times[i] > 0)
        score = bounded(score, score - given.presence - given.frequency * seen.times[i]);
      scores_[seen.ids[i]] = score;
    }
  }

  void divide(double temperature) {
    if (temperature == 1) return;
    const double origin = __builtin_isinf(most_ / temperature) ? most_ : 0;
    for (int64_t i = 0; i < count_; i++) scores_[i] = (scores_[i] - origin) / temperature;
    most_ = (most_ - origin) / temperature;
  }

  /** Leaves the candidates for which `stays` holds, in the order of their ids. */
  template <class Stays>
  void keep(bool weighed, Stays stays) {
    int64_t kept = 0;
    for (int64_t i = 0; i < count_; i++) {
      if (!stays(i)) continue;
      scores_[kept] = scores_[i];
      if (weighed) weights_[kept] = weights_[i];
      ids_[kept++] = static_cast<int32_t>(all_ ? i : ids_[i]);
    }
    count_ = kept;
    all_ = false;
  }

  void keepTopK(int64_t k) {
    const double least = kthLargest(scores_, count_, most_, k, sorted_, counts());
    keep(false, [&](int64_t i) { return scores_[i] >= least; });
  }

  void keepTopP(double p) {
    const double total = exponentiate(weights_, scores_, count_, most_);
    const double negligible = ((1 - p) * total) / static_cast<double>(vocabulary_);
    Cut cut;
    if (count_ <= FEW) cut = cutOfFew(weights_, count_, p * total, negligible, sorted_);
    else if (!cutByBuckets(weights_, count_, p * total, negligible, sorted_, buckets_, cut))
      cut = cutInOrder(weights_, count_, p * total, negligible, sorted_, counts());
    keep(true, [&](int64_t i) {
      return weights_[i] > cut.least || (weights_[i] == cut.least && cut.ties-- > 0);
    });
    // Of scores so near that they weigh the same a lower one may have stayed: ids decide there.
    const double most = mostOf(scores_, count_);
    if (most != most_) exponentiate(weights_, scores_, count_, most);
    most_ = most;
  }

  int32_t* counts() const { return reinterpret_cast<int32_t*>(buckets_); }

  void keepFrom(double least, bool weighed) {
    if (least == -__builtin_inf()) return;
    keep(weighed, [&](int64_t i) { return scores_[i] >= least; });
  }

  double sum() const {
    double total = 0;
    for (int64_t i = 0; i < count_; i++) total += weights_[i];
    return total;
  }

  /** The id whose share of [0, total) holds u · total. */
  int32_t draw(double total, double u) const {
    double left = u * total;
    int64_t last = 0;
    for (int64_t i = 0; i < count_; i++) {
      const double weight = weights_[i];
      if (weight == 0) continue;
      last = i;
      if (left < weight) break;
      left -= weight;
    }
    return static_cast<int32_t>(all_ ? last : ids_[last]);
  }

  /** Candidates left, and whether they are all ids. */
  int64_t count_, vocabulary_;
  bool all_ = true;
  double *scores_, *weights_, *sorted_, *buckets_;
  int32_t* ids_;
  double most_ = 0;
};

}  // namespace cria::CRIA_ISA::sample

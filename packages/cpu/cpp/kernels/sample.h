// What leaves the device in the place of logits: chosen ids, and log-probabilities.
#pragma once
#include "kernels/sample/choose.h"

namespace cria::CRIA_ISA {

/** ids[r] chosen from logits[r]; a chunk is a row, so rows are spread over the threads. */
template <class T>
struct Sample : SampleArguments<T> {
  using Given = SampleArguments<T>;
  using Given::Given;
  using Given::ids, Given::logits, Given::seen, Given::times, Given::masks, Given::rows,
      Given::columns, Given::vocabulary, Given::settings;

  int64_t chunks() const { return rows; }
  void run(int64_t row, ThreadMemory& thread) const {
    sample::Settings given;
    __builtin_memcpy(&given, settings + row * sample::SETTINGS, sizeof given);
    const int64_t first = static_cast<int64_t>(given.firstSeen);
    const sample::Seen occurred = {seen + first, times + first,
                                   static_cast<int64_t>(given.endSeen) - first};
    const int32_t* mask =
        given.mask < 0 ? nullptr
                       : masks + static_cast<int64_t>(given.mask) * ceilDivide(vocabulary, 32);
    sample::Choice choose(thread.grow(thread, sample::Choice::bytes(vocabulary)), vocabulary);
    ids[row] = choose(logits + row * columns, given, mask, occurred);
  }
};

/** chosen[r] = log softmax(logits[r])[ids[r]], and of the `most` largest logits of the row. */
template <class T>
struct LogProbabilities : LogProbabilitiesArguments<T> {
  using Given = LogProbabilitiesArguments<T>;
  using Given::chosen, Given::ranks, Given::topIds, Given::topValues, Given::logits, Given::ids,
      Given::rows, Given::columns, Given::vocabulary, Given::most;
  using Given::Given;

  int64_t chunks() const { return rows; }
  void run(int64_t row, ThreadMemory& thread) const {
    const T* from = logits + row * columns;
    double* scores = reinterpret_cast<double*>(
        thread.grow(thread, 2 * static_cast<uint64_t>(vocabulary) * sizeof(double)));
    double largest = -__builtin_inf();
    for (int64_t i = 0; i < vocabulary; i++) {
      scores[i] = static_cast<double>(number(from[i]));
      if (scores[i] > largest) largest = scores[i];
    }
    const double sum = sample::exponentiate(scores + vocabulary, scores, vocabulary, largest);
    const double log = __builtin_log(sum);
    chosen[row] = static_cast<float>(scores[ids[row]] - largest - log);
    if (ranks != nullptr) ranks[row] = rankOf(ids[row], scores);
    if (most == 0) return;
    int32_t* best = topIds + row * most;
    findBest(best, scores);
    for (int64_t j = 0; j < most; j++)
      topValues[row * most + j] = static_cast<float>(scores[best[j]] - largest - log);
  }

 private:
  static double valueOf(const double* scores, int64_t id) {
    return scores[id] != scores[id] ? -__builtin_inf() : scores[id];
  }

  /** How many ids are larger, or as large and before it; NaN counts as the least. */
  int32_t rankOf(int64_t id, const double* scores) const {
    const double own = valueOf(scores, id);
    int32_t larger = 0;
    for (int64_t i = 0; i < vocabulary; i++) {
      const double other = valueOf(scores, i);
      larger += (other > own) | ((other == own) & (i < id));
    }
    return larger;
  }

  /** Ids of the largest scores, in the order of ranks. */
  void findBest(int32_t* best, const double* scores) const {
    int64_t count = 0;
    for (int64_t id = 0; id < vocabulary; id++) {
      const double value = valueOf(scores, id);
      if (count == most && !(value > valueOf(scores, best[most - 1]))) continue;
      int64_t at = count < most ? count++ : most - 1;
      for (; at > 0 && value > valueOf(scores, best[at - 1]); at--) best[at] = best[at - 1];
      best[at] = static_cast<int32_t>(id);
    }
  }
};

}  // namespace cria::CRIA_ISA

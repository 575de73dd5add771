// What the chunks of keys of a cut sequence leave, and how they are joined. A lane here is a row
// and head: row * H + head.
#pragma once
#include "forward.h"

namespace cria::CRIA_ISA::attention {

/**
 * [chunks], each the sums of its lanes [lanes][E], their maxima [lanes] and their sums of
 * exponentials [lanes].
 */
struct Partials {
  float* memory;
  int64_t lanes;
  int E;

  static int64_t size(int64_t lanes, int64_t chunks, int E) { return lanes * chunks * (E + 2); }
  float* sums(int64_t chunk, int64_t lane) const {
    return memory + size(lanes, chunk, E) + lane * E;
  }
  Statistics statistics(int64_t chunk) const {
    float* max = sums(chunk, lanes);
    return {max, max + lanes};
  }
};

/**
 * Joins the chunks from `begin` on of W lanes or fewer from `first` on and writes their results.
 * Lanes of later rows see more keys: visible(lane) ascends.
 */
template <class Visible>
static inline void joinLanes(const Results& results, int64_t row, const Partials& partials,
                             int64_t first, int n, int64_t begin, Visible visible, float* totals) {
  const int E = partials.E;
  const auto statistics = [&](int64_t chunk, V& max, V& sum) {
    const Statistics from = partials.statistics(chunk);
    max = load(from.max + first, n);
    sum = load(from.sum + first, n);
  };
  V M, L, m, l;
  float old[W], fresh[W], most[W], sum[W];
  statistics(begin, M, L);
  __builtin_memcpy(totals, partials.sums(begin, first), static_cast<size_t>(n) * E * sizeof(float));
  for (int64_t chunk = begin + 1; chunk * KEYS < visible(first + n - 1); chunk++) {
    int lane = 0;
    while (visible(first + lane) <= chunk * KEYS) lane++;
    statistics(chunk, m, l);
    store(most, M);
    store(sum, L);
    store(old, m);
    store(fresh, l);
    joinStatistics(most, sum, old, fresh, old, fresh);
    M = select(lane, M, load(most));
    L = select(lane, L, load(sum));
    for (; lane < n; lane++)
      joinSums(totals + static_cast<size_t>(lane) * E, partials.sums(chunk, first + lane),
               old[lane], fresh[lane], E);
  }
  store(most, M);
  store(sum, L);
  for (int lane = 0; lane < n; lane++)
    results.finish(row + first + lane, totals + static_cast<size_t>(lane) * E, most[lane],
                   sum[lane], E);
}

}  // namespace cria::CRIA_ISA::attention

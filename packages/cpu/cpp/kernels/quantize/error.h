// What quantising loses.
#pragma once
#include "lanes.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

namespace cria::CRIA_ISA::blocks {

/**
 * How far blocks are from their numbers: Σ difference², and the largest. A number that is not
 * finite makes the sum so.
 */
struct Error {
  double squares = 0;
  float largest = 0;

  void add(F difference) {
    const F magnitude = absolute(difference);
    sum_ += difference * difference;
    most_ = magnitude > most_ ? magnitude : most_;
  }
  /** The first `lanes` differences. */
  void add(F difference, int64_t lanes) { add(firstLanes(difference, lanes)); }

  /** After every row or so: the sums of lanes are kept in float32 until then. */
  void fold() {
    for (int i = 0; i < LANES; i++) {
      squares += static_cast<double>(sum_[i]);
      if (most_[i] > largest) largest = most_[i];
    }
    sum_ = most_ = F{};
  }

 private:
  F sum_{}, most_{};
};

}  // namespace cria::CRIA_ISA::blocks

#pragma GCC diagnostic pop

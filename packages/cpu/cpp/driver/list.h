// A list of commands that is being written, and the memory of its tensors: each has exactly its
// size, so that reading or writing outside is seen.
#pragma once
#include <vector>

#include "isa.h"
#include "random.h"
#include "storage.h"

using cria::Op;

struct List {
  std::vector<double> numbers;
  std::vector<int32_t> owned;
  size_t start = 0;

  List& begin(Op op, int64_t dtype = 0) {
    start = numbers.size();
    numbers.push_back(static_cast<double>(static_cast<int64_t>(op) + cria::OPERATIONS * dtype));
    numbers.push_back(0);
    return *this;
  }
  List& number(double n) {
    numbers.push_back(n);
    return *this;
  }
  List& number(int64_t n) { return number(static_cast<double>(n)); }
  List& place(int32_t id) { return number(static_cast<double>(id)).number(0.0); }
  void end() { numbers[start + 1] = static_cast<double>(numbers.size() - start); }

  int32_t own(int64_t bytes) {
    const int32_t id = cria::allocateStorage(static_cast<uint64_t>(bytes));
    owned.push_back(id);
    return id;
  }
  int32_t floats(int64_t n) {
    const int32_t id = own(4 * n);
    float* p = reinterpret_cast<float*>(cria::storages[id]);
    for (int64_t i = 0; i < n; i++) p[i] = value();
    return id;
  }
  /** Random bits, read as numbers of any kind. */
  int32_t bits(int64_t bytes) {
    const int32_t id = own(bytes);
    for (int64_t i = 0; i < bytes; i++) cria::storages[id][i] = static_cast<char>(random32());
    return id;
  }
  /** Rounded activations: the kernels make no −128, with which the products of AVX2 do not fit. */
  int32_t rounded(int64_t bytes) {
    const int32_t id = bits(bytes);
    for (int64_t i = 0; i < bytes; i++) {
      if (cria::storages[id][i] == -128) cria::storages[id][i] = 127;
    }
    return id;
  }
  /** Whole numbers from `low` to `high` − 1. */
  int32_t integers(int64_t n, int64_t low, int64_t high) {
    const int32_t id = own(4 * n);
    int32_t* p = reinterpret_cast<int32_t*>(cria::storages[id]);
    for (int64_t i = 0; i < n; i++) p[i] = static_cast<int32_t>(low + below(high - low));
    return id;
  }
  /** Segments of `total` rows: count + 1 starts. */
  int32_t starts(int64_t count, int64_t total) {
    const int32_t id = own(4 * (count + 1));
    int32_t* p = reinterpret_cast<int32_t*>(cria::storages[id]);
    p[0] = 0;
    for (int64_t i = 1; i <= count; i++)
      p[i] = i == count ? static_cast<int32_t>(total)
                        : static_cast<int32_t>(p[i - 1] + below(total - p[i - 1] + 1));
    return id;
  }
  /** Places in a cache of `room` rows, all different; −1, none, where there are more than places. */
  int32_t slots(int64_t count, int64_t room) {
    if (count > room) return integers(count, -1, 0);
    const int32_t id = own(4 * count);
    int32_t* p = reinterpret_cast<int32_t*>(cria::storages[id]);
    for (int64_t i = 0; i < count; i++) p[i] = static_cast<int32_t>(i);
    return id;
  }
};

// How a kernel reads the numbers of its command, one after another. cpp/generated/arguments.h has
// the order of each.
#pragma once
#include "command.h"

namespace cria::CRIA_ISA {

class Arguments {
 public:
  Arguments(const double* numbers, char* const* storages) : next_(numbers), storages_(storages) {}

  /** Address of a tensor; null where none was given. */
  template <class T>
  T* tensor() {
    char* base = storages_[static_cast<int32_t>(next_[0])];
    T* place =
        base == nullptr ? nullptr : reinterpret_cast<T*>(base + static_cast<int64_t>(next_[1]));
    next_ += 2;
    return place;
  }
  int64_t integer() { return static_cast<int64_t>(*next_++); }
  float scalar() { return static_cast<float>(*next_++); }
  double wide() { return *next_++; }
  /** As many numbers as there are behind all others. */
  const double* rest() const { return next_; }

 private:
  const double* next_;
  char* const* storages_;
};

}  // namespace cria::CRIA_ISA

// A lock for sections of nanoseconds. It spins, since a browser's main thread may not sleep.
#pragma once
#include <stdint.h>

namespace cria {

class Lock {
 public:
  void take() {
    while (__atomic_exchange_n(&taken_, 1, __ATOMIC_ACQUIRE) != 0) {
    }
  }
  void give() { __atomic_store_n(&taken_, 0, __ATOMIC_RELEASE); }

 private:
  int32_t taken_ = 0;
};

struct Guard {
  explicit Guard(Lock& lock) : lock_(lock) { lock_.take(); }
  ~Guard() { lock_.give(); }
  Guard(const Guard&) = delete;

 private:
  Lock& lock_;
};

}  // namespace cria

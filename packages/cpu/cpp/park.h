// Where threads sleep until somebody has work: a futex on Linux, a condition variable elsewhere.
#pragma once
#include <atomic>

#ifdef __linux__
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#else
#include <condition_variable>
#include <mutex>
#endif

namespace cria {

/** Tells the processor that this is a waiting loop. */
inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/**
 * A sleeper announces itself, then looks once more; a waker changes the state, then looks for
 * sleepers. Both in one total order (seq_cst), so one of them sees the other and no wake-up is
 * lost.
 */
class Park {
 public:
  template <class Ready>
  void sleep(Ready ready) {
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    for (;;) {
      const int seen = sequence_.load(std::memory_order_seq_cst);
      if (ready()) break;
      block(seen);
    }
    sleepers_.fetch_sub(1, std::memory_order_seq_cst);
  }

  /** To be called after the change that sleepers wait for. */
  void wakeAll() {
    if (sleepers_.load(std::memory_order_seq_cst) == 0) return;
#ifdef __linux__
    sequence_.fetch_add(1, std::memory_order_seq_cst);
    syscall(SYS_futex, &sequence_, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
#else
    {
      const std::lock_guard<std::mutex> guard(lock_);
      sequence_.fetch_add(1, std::memory_order_seq_cst);
    }
    changed_.notify_all();
#endif
  }

 private:
  std::atomic<int> sleepers_{0};
  std::atomic<int> sequence_{0};

#ifdef __linux__
  void block(int seen) {
    syscall(SYS_futex, &sequence_, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
  }
#else
  std::mutex lock_;
  std::condition_variable changed_;
  void block(int seen) {
    std::unique_lock<std::mutex> guard(lock_);
    changed_.wait(guard, [this, seen] { return sequence_.load() != seen; });
  }
#endif
};

}  // namespace cria

#include "pool.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "park.h"
#include "storage.h"
#include "together.h"

namespace cria {
namespace {

// The tickets are the whole protocol: position in the list | end | next chunk to take of a lane. The chunks of a command are cut into lanes,
// one a thread, which takes the chunks of its own lane in order and then those of others: what it reads goes on where it was, and what the
// processor fetched ahead is not lost (Zen 4, two threads, Q4_0 in chunks of 128 KiB: 48 GB/s of reading instead of 42). A thread that comes
// late finds all chunks taken; it never looks at the list for that, which may be gone by then.
constexpr int COUNT_BITS = 20;
constexpr uint64_t COUNT_MASK = (uint64_t{1} << COUNT_BITS) - 1;
constexpr int64_t MOST_CHUNKS = int64_t{1} << (COUNT_BITS - 1);
constexpr int32_t MOST_WORKERS = 255;
constexpr int32_t MOST_LANES = 16;
constexpr int64_t SPIN_NANOSECONDS = 20'000;

uint64_t nextOf(uint64_t ticket) { return ticket & COUNT_MASK; }
uint64_t endOf(uint64_t ticket) { return ticket >> COUNT_BITS & COUNT_MASK; }
int64_t positionOf(uint64_t ticket) { return static_cast<int64_t>(ticket >> 2 * COUNT_BITS); }
bool open(uint64_t ticket) { return nextOf(ticket) < endOf(ticket); }

struct alignas(64) Lane {
  std::atomic<uint64_t> ticket{0};
};

struct Pool {
  Lane lanes[MOST_LANES];
  alignas(64) std::atomic<uint64_t> done{0};
  alignas(64) std::atomic<bool> ended{true};
  std::atomic<int32_t> active{0};
  Park park;
  // The list that is being run; written before the ticket that makes it visible.
  const double* list = nullptr;
  int64_t length = 0;
  const Kernel* kernels = nullptr;
  std::atomic<int32_t> laneCount{1};
  /** Chunks of the command that is being run; written before its tickets. */
  uint64_t chunks = 0;
  int64_t failed = -1;
  std::atomic<int32_t> workers{0};
  ThreadMemory memory[MOST_WORKERS + 1] = {};

  std::mutex turnLock;
  std::condition_variable turnCame;
  uint64_t turnsTaken = 0;
  uint64_t turnNow = 0;
};

// Never destroyed: detached threads use it until the process is gone.
Pool& pool = *new Pool;

int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

bool anyOpen() {
  const int32_t lanes = pool.laneCount.load(std::memory_order_relaxed);
  for (int32_t lane = 0; lane < lanes; lane++) {
    if (open(pool.lanes[lane].ticket.load(std::memory_order_seq_cst))) return true;
  }
  return false;
}

void end(int64_t failed) {
  pool.failed = failed;
  pool.ended.store(true, std::memory_order_seq_cst);
  pool.park.wakeAll();
}

void publish(int64_t position, int64_t chunks) {
  pool.done.store(0, std::memory_order_relaxed);
  pool.chunks = static_cast<uint64_t>(chunks);
  const int64_t lanes = pool.laneCount.load(std::memory_order_relaxed);
  for (int64_t lane = 0; lane < lanes; lane++) {
    const uint64_t first = static_cast<uint64_t>(chunks * lane / lanes), last = static_cast<uint64_t>(chunks * (lane + 1) / lanes);
    const uint64_t ticket = static_cast<uint64_t>(position) << 2 * COUNT_BITS | last << COUNT_BITS | first;
    pool.lanes[lane].ticket.store(ticket, std::memory_order_seq_cst);
  }
  pool.park.wakeAll();
}

/** Runs what needs no other thread and publishes the next command of several chunks. Only one thread is here at a time. */
void advance(int64_t position, int32_t thread) {
  for (;;) {
    if (position == pool.length) return end(-1);
    const double* command = pool.list + position;
    const int64_t room = pool.length - position;
    if (room < 2 || !(command[1] >= 2 && command[1] <= static_cast<double>(room))) return end(position);
    const int64_t length = static_cast<int64_t>(command[1]);
    if (command[0] == static_cast<double>(Op::free_)) {
      for (int64_t i = 2; i < length; i++) freeStorage(static_cast<int32_t>(command[i]));
      position += length;
      continue;
    }
    const int64_t chunks = countChunks(pool.kernels, command, storages);
    if (chunks < 0 || chunks > MOST_CHUNKS) return end(position);
    if (chunks > 1) return publish(position, chunks);
    if (chunks == 1) runChunk(pool.kernels, command, storages, 0, pool.memory[thread]);
    position += length;
  }
}

/** Takes and runs one chunk, of the thread's own lane if there is one; false where there is none to take. */
bool help(int32_t thread) {
  const int32_t lanes = pool.laneCount.load(std::memory_order_relaxed);
  for (int32_t i = 0; i < lanes; i++) {
    std::atomic<uint64_t>& lane = pool.lanes[(thread + i) % lanes].ticket;
    if (!open(lane.load(std::memory_order_acquire))) continue;
    const uint64_t ticket = lane.fetch_add(1, std::memory_order_acq_rel);
    if (!open(ticket)) continue;
    // From here the command cannot end before this chunk has, so the list is there.
    const double* command = pool.list + positionOf(ticket);
    const int64_t length = static_cast<int64_t>(command[1]);
    const uint64_t chunks = pool.chunks;
    runChunk(pool.kernels, command, storages, static_cast<int64_t>(nextOf(ticket)), pool.memory[thread]);
    if (pool.done.fetch_add(1, std::memory_order_acq_rel) + 1 == chunks) advance(positionOf(ticket) + length, thread);
    return true;
  }
  return false;
}

/** Spins a little, then sleeps, until `ready`. */
template <class Ready>
void wait(Ready ready) {
  const int64_t start = now();
  while (now() - start < SPIN_NANOSECONDS) {
    for (int i = 0; i < 8; i++) {
      if (ready()) return;
      relax();
    }
  }
  pool.park.sleep(ready);
}

void work(int32_t thread) {
  for (;;) {
    const auto ready = [thread] { return thread < pool.active.load(std::memory_order_seq_cst) && anyOpen(); };
    wait(ready);
    while (thread < pool.active.load(std::memory_order_relaxed) && help(thread)) {
    }
  }
}

void growTo(int32_t workers) {
  for (int32_t thread = pool.workers + 1; thread <= workers; thread++) {
    pool.workers.store(thread);
    pool.memory[thread].grow = growThreadMemory;
    std::thread(work, thread).detach();
  }
}

}  // namespace

uint64_t takeTurn() {
  const std::lock_guard<std::mutex> guard(pool.turnLock);
  return pool.turnsTaken++;
}

int64_t run(uint64_t turn, const double* list, int64_t length, int32_t threads, const KernelTable& kernels) {
  {
    std::unique_lock<std::mutex> guard(pool.turnLock);
    pool.turnCame.wait(guard, [turn] { return pool.turnNow == turn; });
  }
  const int32_t helpers = (threads > MOST_WORKERS + 1 ? MOST_WORKERS + 1 : threads < 1 ? 1 : threads) - 1;
  growTo(helpers);
  pool.memory[0].grow = growThreadMemory;
  pool.list = list;
  pool.length = length;
  pool.kernels = kernels;
  pool.ended.store(false, std::memory_order_relaxed);
  pool.laneCount.store(helpers < MOST_LANES ? helpers + 1 : MOST_LANES, std::memory_order_relaxed);
  pool.active.store(helpers + 1, std::memory_order_seq_cst);
  advance(0, 0);
  while (!pool.ended.load(std::memory_order_acquire)) {
    if (!help(0)) wait([] { return pool.ended.load(std::memory_order_seq_cst) || anyOpen(); });
  }
  const int64_t failed = pool.failed;
  {
    const std::lock_guard<std::mutex> guard(pool.turnLock);
    pool.turnNow++;
  }
  pool.turnCame.notify_all();
  return failed;
}

int32_t workers() { return pool.workers.load(); }

}  // namespace cria

#include "pool.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "park.h"
#include "storage.h"
#include "together.h"

namespace cria {
namespace {

// The tickets are the whole protocol: position in the list | end | next chunk to take of a lane.
// The chunks of a command are cut into lanes, one a thread, which takes the chunks of its own lane
// in order and then those of others: what it reads goes on where it was, and what the processor
// fetched ahead is not lost (Zen 4, two threads, Q4_0 in chunks of 128 KiB: 48 GB/s of reading
// instead of 42). A thread that comes late finds all chunks taken; it never looks at the list for
// that, which may be gone by then.
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
  Outcome outcome = {-1, 0};
  /** Threads of the pool that exist, the callers not counted. */
  int32_t workers = 0;
  ThreadMemory memory[MOST_WORKERS + 1] = {};

  std::mutex turnLock;
  std::condition_variable turnCame;
  uint64_t turnsTaken = 0;
  uint64_t turnNow = 0;
};

// Never destroyed: detached threads use them until the process is gone.
std::mutex& poolsLock = *new std::mutex;
std::vector<Pool*>& pools = *new std::vector<Pool*>{new Pool};
std::vector<int32_t>& closedPools = *new std::vector<int32_t>;

Pool& poolOf(int32_t id) {
  const std::lock_guard<std::mutex> guard(poolsLock);
  return *pools[id >= 0 && id < static_cast<int32_t>(pools.size()) ? id : 0];
}

int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

bool anyOpen(const Pool& pool) {
  const int32_t lanes = pool.laneCount.load(std::memory_order_relaxed);
  for (int32_t lane = 0; lane < lanes; lane++) {
    if (open(pool.lanes[lane].ticket.load(std::memory_order_seq_cst))) return true;
  }
  return false;
}

void end(Pool& pool, int64_t position, int32_t status = 0) {
  pool.outcome = {position, status};
  pool.ended.store(true, std::memory_order_seq_cst);
  pool.park.wakeAll();
}

void publish(Pool& pool, int64_t position, int64_t chunks) {
  pool.done.store(0, std::memory_order_relaxed);
  pool.chunks = static_cast<uint64_t>(chunks);
  const int64_t lanes = pool.laneCount.load(std::memory_order_relaxed);
  for (int64_t lane = 0; lane < lanes; lane++) {
    const uint64_t first = static_cast<uint64_t>(chunks * lane / lanes),
                   last = static_cast<uint64_t>(chunks * (lane + 1) / lanes);
    const uint64_t ticket =
        static_cast<uint64_t>(position) << 2 * COUNT_BITS | last << COUNT_BITS | first;
    pool.lanes[lane].ticket.store(ticket, std::memory_order_seq_cst);
  }
  pool.park.wakeAll();
}

/**
 * Work of another engine: the address of a function, its context, its numbers. What it answers; −1
 * where there is no function.
 */
int32_t callForeign(const double* command, int64_t length) {
  using Function = int (*)(void* context, const double* numbers, char* const* storages);
  if (length < 4) return -1;
  // Addresses have 48 bits or so, which a double holds.
  const auto function = reinterpret_cast<Function>(static_cast<uintptr_t>(command[2]));
  if (function == nullptr) return -1;
  return function(reinterpret_cast<void*>(static_cast<uintptr_t>(command[3])), command + 4,
                  storages);
}

/**
 * Runs what needs no other thread and publishes the next command of several chunks. Only one thread
 * is here at a time.
 */
void advance(Pool& pool, int64_t position, int32_t thread) {
  for (;;) {
    if (position == pool.length) return end(pool, -1);
    const double* command = pool.list + position;
    const int64_t room = pool.length - position;
    if (room < 2 || !(command[1] >= 2 && command[1] <= static_cast<double>(room)))
      return end(pool, position);
    const int64_t length = static_cast<int64_t>(command[1]);
    if (command[0] == static_cast<double>(Op::free_)) {
      for (int64_t i = 2; i < length; i++) freeStorage(static_cast<int32_t>(command[i]));
      position += length;
      continue;
    }
    if (command[0] == static_cast<double>(Op::call_)) {
      const int32_t status = callForeign(command, length);
      if (status != 0) return end(pool, position, status);
      position += length;
      continue;
    }
    const int64_t chunks = countChunks(pool.kernels, command, storages);
    if (chunks < 0 || chunks > MOST_CHUNKS) return end(pool, position);
    if (chunks > 1) return publish(pool, position, chunks);
    if (chunks == 1) runChunk(pool.kernels, command, storages, 0, pool.memory[thread]);
    position += length;
  }
}

/**
 * Takes and runs one chunk, of the thread's own lane if there is one; false where there is none to
 * take.
 */
bool help(Pool& pool, int32_t thread) {
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
    runChunk(pool.kernels, command, storages, static_cast<int64_t>(nextOf(ticket)),
             pool.memory[thread]);
    if (pool.done.fetch_add(1, std::memory_order_acq_rel) + 1 == chunks)
      advance(pool, positionOf(ticket) + length, thread);
    return true;
  }
  return false;
}

/** Spins a little, then sleeps, until `ready`. */
template <class Ready>
void wait(Pool& pool, Ready ready) {
  const int64_t start = now();
  while (now() - start < SPIN_NANOSECONDS) {
    for (int i = 0; i < 8; i++) {
      if (ready()) return;
      relax();
    }
  }
  pool.park.sleep(ready);
}

void work(Pool& pool, int32_t thread) {
  for (;;) {
    const auto ready = [&pool, thread] {
      return thread < pool.active.load(std::memory_order_seq_cst) && anyOpen(pool);
    };
    wait(pool, ready);
    while (thread < pool.active.load(std::memory_order_relaxed) && help(pool, thread)) {
    }
  }
}

void growTo(Pool& pool, int32_t workers) {
  for (int32_t thread = pool.workers + 1; thread <= workers; thread++) {
    pool.workers = thread;
    pool.memory[thread].grow = growThreadMemory;
    std::thread([&pool, thread] { work(pool, thread); }).detach();
  }
}

}  // namespace

int32_t openPool() {
  const std::lock_guard<std::mutex> guard(poolsLock);
  if (!closedPools.empty()) {
    const int32_t id = closedPools.back();
    closedPools.pop_back();
    // A list whose JavaScript thread ended before its turn came never runs.
    const std::lock_guard<std::mutex> turns(pools[id]->turnLock);
    pools[id]->turnNow = pools[id]->turnsTaken;
    return id;
  }
  pools.push_back(new Pool);
  return static_cast<int32_t>(pools.size()) - 1;
}

void closePool(int32_t pool) {
  const std::lock_guard<std::mutex> guard(poolsLock);
  if (pool > 0 && pool < static_cast<int32_t>(pools.size())) closedPools.push_back(pool);
}

uint64_t takeTurn(int32_t id) {
  Pool& pool = poolOf(id);
  const std::lock_guard<std::mutex> guard(pool.turnLock);
  return pool.turnsTaken++;
}

Outcome run(int32_t id, uint64_t turn, const double* list, int64_t length, int32_t threads,
            const KernelTable& kernels) {
  Pool& pool = poolOf(id);
  {
    std::unique_lock<std::mutex> guard(pool.turnLock);
    pool.turnCame.wait(guard, [&pool, turn] { return pool.turnNow == turn; });
  }
  const int32_t helpers = (threads > MOST_WORKERS + 1 ? MOST_WORKERS + 1
                           : threads < 1              ? 1
                                                      : threads) -
                          1;
  growTo(pool, helpers);
  pool.memory[0].grow = growThreadMemory;
  pool.list = list;
  pool.length = length;
  pool.kernels = kernels;
  pool.ended.store(false, std::memory_order_relaxed);
  pool.laneCount.store(helpers < MOST_LANES ? helpers + 1 : MOST_LANES, std::memory_order_relaxed);
  pool.active.store(helpers + 1, std::memory_order_seq_cst);
  advance(pool, 0, 0);
  while (!pool.ended.load(std::memory_order_acquire)) {
    if (!help(pool, 0))
      wait(pool, [&pool] { return pool.ended.load(std::memory_order_seq_cst) || anyOpen(pool); });
  }
  const Outcome outcome = pool.outcome;
  {
    const std::lock_guard<std::mutex> guard(pool.turnLock);
    pool.turnNow++;
  }
  pool.turnCame.notify_all();
  return outcome;
}

double asNumber(const Outcome& outcome) {
  if (outcome.status == 0) return static_cast<double>(outcome.position);
  constexpr int32_t MOST_STATUS = (1 << 16) - 1;
  const int32_t status =
      outcome.status < 0 || outcome.status > MOST_STATUS ? MOST_STATUS : outcome.status;
  return -2 - (static_cast<double>(outcome.position) * (MOST_STATUS + 1) + status);
}

}  // namespace cria

#include "pool.h"

#include "storage.h"
#include "together.h"
#include "kernels.h"

namespace cria {
namespace {

// As in ../pool.cc: position in the list | chunks of the command there | next chunk to take.
constexpr int COUNT_BITS = 20;
constexpr uint64_t COUNT_MASK = (uint64_t{1} << COUNT_BITS) - 1;
constexpr int64_t MOST_CHUNKS = int64_t{1} << (COUNT_BITS - 1);
constexpr int32_t MOST_THREADS = 64;
/** Looks at the ticket before a thread sleeps: some ten microseconds. */
constexpr int32_t LOOKS = 4000;

uint64_t nextOf(uint64_t ticket) { return ticket & COUNT_MASK; }
uint64_t chunksOf(uint64_t ticket) { return ticket >> COUNT_BITS & COUNT_MASK; }
int64_t positionOf(uint64_t ticket) { return static_cast<int64_t>(ticket >> 2 * COUNT_BITS); }
bool open(uint64_t ticket) { return nextOf(ticket) < chunksOf(ticket); }

alignas(64) uint64_t ticket = 0;
alignas(64) uint64_t done = 0;
/** Changes whenever a thread may have something to do; threads sleep on it. */
alignas(64) int32_t news = 0;
int32_t sleepers = 0;
int32_t ended = 1;
int32_t active = 0;
// The list that is being run; written before the ticket that makes it visible.
const double* list = nullptr;
int64_t length = 0;
int64_t failed = -1;
/** Lists run one at a time, in the order of their turns. */
alignas(64) int32_t turnsTaken = 0;
int32_t turnNow = 0;
ThreadMemory memory[MOST_THREADS] = {};

uint64_t look() { return __atomic_load_n(&ticket, __ATOMIC_SEQ_CST); }

void wakeAll() {
  __atomic_fetch_add(&news, 1, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&sleepers, __ATOMIC_SEQ_CST) > 0)
    __builtin_wasm_memory_atomic_notify(&news, 0xffffffffu);
}

void end(int64_t position) {
  failed = position;
  __atomic_store_n(&ticket, 0, __ATOMIC_SEQ_CST);
  __atomic_store_n(&ended, 1, __ATOMIC_SEQ_CST);
  wakeAll();
}

/**
 * Runs what needs no chunks and publishes the next command that has some. Only one thread is here
 * at a time.
 */
void advance(int64_t position) {
  for (;;) {
    if (position == length) return end(-1);
    const double* command = list + position;
    const int64_t room = length - position;
    if (room < 2 || !(command[1] >= 2 && command[1] <= static_cast<double>(room)))
      return end(position);
    const int64_t size = static_cast<int64_t>(command[1]);
    if (command[0] == static_cast<double>(Op::free_)) {
      for (int64_t i = 2; i < size; i++) freeStorage(static_cast<int32_t>(command[i]));
      position += size;
      continue;
    }
    const int64_t chunks = countChunks(kernels(), command, storages);
    if (chunks < 0 || chunks > MOST_CHUNKS) return end(position);
    if (chunks == 0) {
      position += size;
      continue;
    }
    __atomic_store_n(&done, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&ticket,
                     static_cast<uint64_t>(position) << 2 * COUNT_BITS |
                         static_cast<uint64_t>(chunks) << COUNT_BITS,
                     __ATOMIC_SEQ_CST);
    if (chunks > 1 && __atomic_load_n(&active, __ATOMIC_RELAXED) > 1) wakeAll();
    return;
  }
}

/**
 * Takes and runs one chunk; false where there is none to take. Never inlined into a worker's
 * endless loop, which stays in the slow compiler of V8 for ever.
 */
__attribute__((noinline)) bool help(int32_t thread) {
  if (!open(look())) return false;
  const uint64_t taken = __atomic_fetch_add(&ticket, 1, __ATOMIC_ACQ_REL);
  if (!open(taken)) return false;
  // From here the command cannot end before this chunk has, so the list is there.
  const double* command = list + positionOf(taken);
  const int64_t size = static_cast<int64_t>(command[1]);
  runChunk(kernels(), command, storages, static_cast<int64_t>(nextOf(taken)), memory[thread]);
  if (__atomic_add_fetch(&done, 1, __ATOMIC_ACQ_REL) == chunksOf(taken))
    advance(positionOf(taken) + size);
  return true;
}

/** Whether `thread` should stop waiting. */
bool called(int32_t thread) {
  if (thread == 0 && __atomic_load_n(&ended, __ATOMIC_SEQ_CST) != 0) return true;
  return thread < __atomic_load_n(&active, __ATOMIC_SEQ_CST) && open(look());
}

/** Looks for a while whether there is something for the thread. */
bool looked(int32_t thread) {
  for (int32_t i = 0; i < LOOKS; i++) {
    if (called(thread)) return true;
  }
  return false;
}

/** Spins until there is something for the thread that runs the list. */
__attribute__((noinline)) void spin() {
  while (!looked(0)) {
  }
}

/** Spins a little, then sleeps, until there is something for the thread. */
__attribute__((noinline)) void wait(int32_t thread) {
  if (looked(thread)) return;
  __atomic_fetch_add(&sleepers, 1, __ATOMIC_SEQ_CST);
  for (;;) {
    const int32_t seen = __atomic_load_n(&news, __ATOMIC_SEQ_CST);
    if (called(thread)) break;
    __builtin_wasm_memory_atomic_wait32(&news, seen, -1);
  }
  __atomic_fetch_sub(&sleepers, 1, __ATOMIC_SEQ_CST);
}

}  // namespace

int32_t takeTurn() { return __atomic_fetch_add(&turnsTaken, 1, __ATOMIC_SEQ_CST); }

int64_t run(int32_t turn, const double* numbers, int64_t count, int32_t threads, bool maySleep) {
  for (int32_t now; (now = __atomic_load_n(&turnNow, __ATOMIC_SEQ_CST)) != turn;) {
    if (maySleep) __builtin_wasm_memory_atomic_wait32(&turnNow, now, -1);
  }
  for (ThreadMemory& each : memory) each.grow = growThreadMemory;
  list = numbers;
  length = count;
  __atomic_store_n(&ended, 0, __ATOMIC_RELAXED);
  __atomic_store_n(&active, threads < MOST_THREADS ? threads : MOST_THREADS, __ATOMIC_SEQ_CST);
  advance(0);
  while (__atomic_load_n(&ended, __ATOMIC_ACQUIRE) == 0) {
    if (help(0)) continue;
    if (maySleep) wait(0);
    else spin();
  }
  const int64_t position = failed;
  __atomic_fetch_add(&turnNow, 1, __ATOMIC_SEQ_CST);
  __builtin_wasm_memory_atomic_notify(&turnNow, 0xffffffffu);
  return position;
}

void work(int32_t thread) {
  for (;;) {
    wait(thread);
    while (thread < __atomic_load_n(&active, __ATOMIC_RELAXED) && help(thread)) {
    }
  }
}

}  // namespace cria

#include "pools.h"

#include <stdint.h>
#include <stdio.h>

#include <atomic>
#include <thread>
#include <vector>

#include "isa.h"
#include "pool.h"
#include "storage.h"

namespace {

using cria::Op;

constexpr int32_t RANKS = 3, LISTS = 200, THREADS = 2;
/** Enough numbers for several chunks. */
constexpr int64_t N = 40000;

struct Group {
  std::atomic<int32_t> arrived{0};
  std::atomic<int32_t> generation{0};

  void meet() {
    const int32_t now = generation.load();
    if (arrived.fetch_add(1) + 1 == RANKS) {
      arrived.store(0);
      generation.fetch_add(1);
    }
    while (generation.load() == now) std::this_thread::yield();
  }
};

float* floats(double storage, char* const* storages) {
  return reinterpret_cast<float*>(storages[static_cast<int32_t>(storage)]);
}

/**
 * x = Σ of all ranks' x, in the order of ranks.       numbers: own scratch, own x, every rank's x
 */
int allReduce(void* context, const double* numbers, char* const* storages) {
  Group& group = *static_cast<Group*>(context);
  group.meet();
  float* sum = floats(numbers[0], storages);
  for (int64_t i = 0; i < N; i++) sum[i] = 0;
  for (int32_t rank = 0; rank < RANKS; rank++) {
    const float* x = floats(numbers[2 + rank], storages);
    for (int64_t i = 0; i < N; i++) sum[i] += x[i];
  }
  group.meet();
  float* x = floats(numbers[1], storages);
  for (int64_t i = 0; i < N; i++) x[i] = sum[i];
  return 0;
}

int fail(void*, const double*, char* const*) { return 7; }

double address(int (*function)(void*, const double*, char* const*)) {
  return static_cast<double>(reinterpret_cast<uintptr_t>(function));
}

/**
 * Fills a rank's x with 1 + rank, adds it to itself, all-reduces it twice; every second list ends
 * in a call that fails.
 */
bool runRank(int32_t rank, Group& group, const std::vector<int32_t>& xs,
             const cria::KernelTable& kernels) {
  const int32_t pool = cria::openPool(), scratch = cria::allocateStorage(4 * N);
  const double x = xs[static_cast<size_t>(rank)];
  bool fine = true;
  for (int32_t list = 0; list < LISTS; list++) {
    for (int64_t i = 0; i < N; i++) floats(x, cria::storages)[i] = static_cast<float>(1 + rank);
    std::vector<double> numbers = {static_cast<double>(Op::add_), 9, x, 0, x, 0, x, 0,
                                   static_cast<double>(N)};
    for (int32_t times = 0; times < 2; times++) {
      numbers.insert(numbers.end(),
                     {static_cast<double>(Op::call_), 6.0 + RANKS, address(allReduce),
                      static_cast<double>(reinterpret_cast<uintptr_t>(&group))});
      numbers.insert(numbers.end(), {static_cast<double>(scratch), x});
      numbers.insert(numbers.end(), xs.begin(), xs.end());
    }
    const int64_t failing = static_cast<int64_t>(numbers.size());
    if (list % 2 != 0)
      numbers.insert(numbers.end(), {static_cast<double>(Op::call_), 4, address(fail), 0, 0, 0});
    const cria::Outcome outcome = cria::run(pool, cria::takeTurn(pool), numbers.data(),
                                            static_cast<int64_t>(numbers.size()), THREADS, kernels);
    fine = fine && outcome.position == (list % 2 != 0 ? failing : -1) &&
           outcome.status == (list % 2 != 0 ? 7 : 0);
    // 2 · (1 + 2 + 3), and that of every rank once more.
    for (int64_t i = 0; i < N; i++) fine = fine && floats(x, cria::storages)[i] == 36;
    group.meet();
  }
  cria::freeStorage(scratch);
  cria::closePool(pool);
  return fine;
}

}  // namespace

int checkPools() {
  int32_t count = 0;
  const cria::LoadedIsa* isa = cria::instructionSets(count);
  while (!isa->available) isa++;
  Group group;
  std::vector<int32_t> xs;
  for (int32_t rank = 0; rank < RANKS; rank++) xs.push_back(cria::allocateStorage(4 * N));
  std::atomic<int32_t> wrong{0};
  std::vector<std::thread> ranks;
  for (int32_t rank = 0; rank < RANKS; rank++) {
    ranks.emplace_back([&, rank] {
      if (!runRank(rank, group, xs, isa->kernels)) wrong.fetch_add(1);
    });
  }
  for (std::thread& rank : ranks) rank.join();
  for (const int32_t x : xs) cria::freeStorage(x);
  printf("%d lists on each of %d pools, %d wrong, %llu bytes left\n", LISTS, RANKS, wrong.load(),
         static_cast<unsigned long long>(cria::liveBytes()));
  return wrong.load() == 0 && cria::liveBytes() == 0 ? 0 : 1;
}

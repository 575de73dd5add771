// Storages in the module's memory.
#include "storage.h"

#include <string.h>

#include "heap.h"
#include "lock.h"

namespace cria {
namespace {

constexpr int32_t CAPACITY = 1 << 16;

Lock lock;
char* bases[CAPACITY];
uint64_t sizes[CAPACITY];
int32_t unused[CAPACITY];
int32_t unusedCount = 0;
int32_t known = 1;
uint64_t live = 0;

}  // namespace

char** const storages = bases;

int32_t allocateStorage(uint64_t bytes) {
  char* base;
  int32_t id;
  {
    const Guard guard(lock);
    if (unusedCount == 0 && known == CAPACITY) return 0;
    base = heapTake(bytes);
    if (base == nullptr) return 0;
    id = unusedCount > 0 ? unused[--unusedCount] : known++;
    sizes[id] = bytes;
    live += bytes;
  }
  memset(base, 0, static_cast<size_t>(bytes));
  storages[id] = base;
  return id;
}

void freeStorage(int32_t id) {
  const Guard guard(lock);
  if (id <= 0 || id >= known || storages[id] == nullptr) return;
  heapGive(storages[id]);
  storages[id] = nullptr;
  live -= sizes[id];
  unused[unusedCount++] = id;
}

uint64_t liveBytes() {
  const Guard guard(lock);
  return live;
}

uint64_t storageBytes(int32_t id) {
  const Guard guard(lock);
  return id > 0 && id < known && storages[id] != nullptr ? sizes[id] : 0;
}

char* growThreadMemory(ThreadMemory& thread, uint64_t bytes) {
  if (thread.bytes < bytes) {
    const Guard guard(lock);
    heapGive(thread.memory);
    thread.bytes = (bytes + 0xffff) / 0x10000 * 0x10000;
    thread.memory = heapTake(thread.bytes);
    if (thread.memory == nullptr) __builtin_trap();
  }
  return thread.memory;
}

}  // namespace cria

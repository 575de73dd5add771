// Blocks lie side by side, each behind a header that knows the size of the block before: a block
// that is given back is joined with free neighbours. Free blocks hang in lists by the power of two
// of their size; the first that is large enough is cut.
#include "heap.h"

#include <stddef.h>

extern "C" char __heap_base;

namespace cria {
namespace {

constexpr uint32_t ALIGNMENT = 64;
constexpr uint32_t PAGE = 65536;
constexpr int LISTS = 32;

/** As long as the alignment, so that what follows it is aligned. */
struct alignas(ALIGNMENT) Block {
  /** Bytes with the header. */
  uint32_t size;
  /** Of the block that lies before; 0 for the first. */
  uint32_t before;
  bool free;
  Block *next, *previous;
};

Block* lists[LISTS];
char* heapEnd = nullptr;

int listOf(uint32_t size) { return 31 - __builtin_clz(size); }
char* endOf(Block* block) { return reinterpret_cast<char*>(block) + block->size; }
Block* after(Block* block) {
  return endOf(block) == heapEnd ? nullptr : reinterpret_cast<Block*>(endOf(block));
}
Block* before(Block* block) {
  return block->before == 0
             ? nullptr
             : reinterpret_cast<Block*>(reinterpret_cast<char*>(block) - block->before);
}

void link(Block* block) {
  Block*& first = lists[listOf(block->size)];
  block->free = true;
  block->previous = nullptr;
  block->next = first;
  if (first != nullptr) first->previous = block;
  first = block;
}

void unlink(Block* block) {
  if (block->previous != nullptr) block->previous->next = block->next;
  else lists[listOf(block->size)] = block->next;
  if (block->next != nullptr) block->next->previous = block->previous;
  block->free = false;
}

void resize(Block* block, uint32_t size) {
  block->size = size;
  if (Block* next = after(block)) next->before = size;
}

void start() {
  const uintptr_t base =
      (reinterpret_cast<uintptr_t>(&__heap_base) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  const uint64_t end = static_cast<uint64_t>(__builtin_wasm_memory_size(0)) * PAGE;
  heapEnd = reinterpret_cast<char*>(static_cast<uintptr_t>(end));
  Block* all = reinterpret_cast<Block*>(base);
  all->before = 0;
  all->size = static_cast<uint32_t>(end - base);
  link(all);
}

Block* find(uint32_t size) {
  for (int list = listOf(size); list < LISTS; list++)
    for (Block* block = lists[list]; block != nullptr; block = block->next)
      if (block->size >= size) return block;
  return nullptr;
}

}  // namespace

char* heapTake(uint64_t bytes) {
  if (heapEnd == nullptr) start();
  if (bytes > (uint64_t{1} << 32) - 2 * PAGE) return nullptr;
  const uint32_t size =
      static_cast<uint32_t>((bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT) + ALIGNMENT;
  Block* block = find(size);
  if (block == nullptr) return nullptr;
  unlink(block);
  if (block->size - size >= 2 * ALIGNMENT) {
    const uint32_t rest = block->size - size;
    block->size = size;
    Block* left = reinterpret_cast<Block*>(endOf(block));
    left->before = size;
    resize(left, rest);
    link(left);
  }
  return reinterpret_cast<char*>(block + 1);
}

void heapGive(char* memory) {
  if (memory == nullptr) return;
  Block* block = reinterpret_cast<Block*>(memory) - 1;
  if (Block* next = after(block); next != nullptr && next->free) {
    unlink(next);
    resize(block, block->size + next->size);
  }
  if (Block* first = before(block); first != nullptr && first->free) {
    unlink(first);
    resize(first, first->size + block->size);
    block = first;
  }
  link(block);
}

}  // namespace cria

#include "storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mutex>
#include <vector>

#include "slabs.h"

namespace cria {
namespace {

constexpr int32_t CAPACITY = 1 << 20;
/** Bytes of one system call; some systems take no more than 2³¹ − 1. */
constexpr uint64_t MOST_READ = uint64_t{1} << 30;

/** What has to be given back, and where it came from. */
struct Block {
  enum From { heap, slab, pages } from;
  Mapping memory;
  uint64_t bytes;
};

// Never destroyed: at process exit a pool thread may still be inside a kernel.
std::mutex& lock = *new std::mutex;
std::vector<Block>& blocks = *new std::vector<Block>(1);
std::vector<int32_t>& unused = *new std::vector<int32_t>;
Slabs& slabs = *new Slabs;
uint64_t live = 0;

int32_t enter(char* base, const Block& block) {
  const std::lock_guard<std::mutex> guard(lock);
  int32_t id;
  if (!unused.empty()) {
    id = unused.back();
    unused.pop_back();
  } else {
    if (static_cast<int32_t>(blocks.size()) == CAPACITY) return 0;
    id = static_cast<int32_t>(blocks.size());
    blocks.push_back({});
  }
  blocks[id] = block;
  storages[id] = base;
  live += block.bytes;
  return id;
}

void release(const Block& block) {
  switch (block.from) {
    case Block::heap: return free(block.memory.start);
    case Block::slab: return slabs.give(static_cast<char*>(block.memory.start), block.memory.bytes);
    case Block::pages: munmap(block.memory.start, block.memory.bytes);
  }
}

}  // namespace

char** const storages = static_cast<char**>(calloc(CAPACITY, sizeof(char*)));

int32_t allocateStorage(uint64_t bytes) {
  Block block{Block::pages, {}, bytes};
  char* base;
  if (bytes < (uint64_t{64} << 10)) {
    void* start = nullptr;
    if (posix_memalign(&start, 64, bytes < 64 ? 64 : bytes) != 0) return 0;
    base = static_cast<char*>(memset(start, 0, bytes));
    block = {Block::heap, {start, bytes}, bytes};
  } else if (bytes <= Slabs::MOST) {
    base = slabs.take(bytes);
    block = {Block::slab, {base, bytes}, bytes};
  } else {
    base = mapPages(bytes, block.memory);
  }
  if (base == nullptr) return 0;
  const int32_t id = enter(base, block);
  if (id == 0) release(block);
  return id;
}

int32_t mapStorage(const char* path, uint64_t offset, uint64_t bytes) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return -errno;
  struct stat about;
  const int status = fstat(file, &about) != 0                                ? errno
                     : offset + bytes > static_cast<uint64_t>(about.st_size) ? ERANGE
                                                                             : 0;
  const uint64_t skip = offset % static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  void* start = MAP_FAILED;
  // Private and writable: a kernel that writes here by mistake changes its own copy of the page,
  // never the file.
  if (status == 0)
    start = mmap(nullptr, bytes + skip, PROT_READ | PROT_WRITE, MAP_PRIVATE, file,
                 static_cast<off_t>(offset - skip));
  const int failure = status != 0 ? status : start == MAP_FAILED ? errno : 0;
  close(file);
  if (failure != 0) return -failure;
  const Block block{Block::pages, {start, bytes + skip}, bytes};
  const int32_t id = enter(static_cast<char*>(start) + skip, block);
  if (id == 0) release(block);
  return id == 0 ? -ENOMEM : id;
}

int32_t readFileRange(int32_t file, uint64_t from, uint64_t bytes, char* to) {
  for (uint64_t done = 0; done < bytes;) {
    const ssize_t count =
        pread(file, to + done, bytes - done < MOST_READ ? bytes - done : MOST_READ,
              static_cast<off_t>(from + done));
    if (count > 0) done += static_cast<uint64_t>(count);
    else if (count == 0) return ERANGE;
    else if (errno != EINTR) return errno;
  }
  return 0;
}

int32_t readIntoStorage(const char* path, uint64_t from, uint64_t bytes, char* to) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return errno;
  const int32_t failure = readFileRange(file, from, bytes, to);
  close(file);
  return failure;
}

void freeStorage(int32_t id) {
  Block block;
  {
    const std::lock_guard<std::mutex> guard(lock);
    if (id <= 0 || id >= static_cast<int32_t>(blocks.size()) || storages[id] == nullptr) return;
    block = blocks[id];
    storages[id] = nullptr;
    live -= block.bytes;
    unused.push_back(id);
  }
  release(block);
}

uint64_t liveBytes() {
  const std::lock_guard<std::mutex> guard(lock);
  return live;
}

uint64_t storageBytes(int32_t id) {
  const std::lock_guard<std::mutex> guard(lock);
  return id > 0 && id < static_cast<int32_t>(blocks.size()) && storages[id] != nullptr
             ? blocks[id].bytes
             : 0;
}

char* growThreadMemory(ThreadMemory& thread, uint64_t bytes) {
  if (thread.bytes < bytes) {
    if (thread.memory != nullptr) munmap(thread.memory, thread.bytes);
    Mapping mapping;
    thread.bytes = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    // Kept for the life of the thread, so the alignment gap of `mapPages` need not be given back.
    thread.memory = mapPages(thread.bytes, mapping);
    if (thread.memory == nullptr) abort();
  }
  return thread.memory;
}

}  // namespace cria

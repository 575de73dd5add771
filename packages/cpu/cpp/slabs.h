// Memory for tensors that are large, but no huge page by themselves: they share mappings of huge
// pages. In pages of 4 KiB a stream ends at every page, where the processor's prefetch stops and
// the next address is looked up, in a virtual machine through two tables: products with matrices of
// 0.3 to 1.8 MB read 16 GB/s there, and as much as a copy of memory here.
#pragma once
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <memory>
#include <mutex>
#include <vector>

namespace cria {

constexpr uint64_t HUGE_PAGE = uint64_t{2} << 20;

/** What munmap takes back. */
struct Mapping {
  void* start;
  uint64_t bytes;
};

/**
 * Fresh pages, huge ones where the system grants them: they are zero, and touched first by whoever
 * uses them. Null where there are none.
 */
inline char* mapPages(uint64_t bytes, Mapping& mapping) {
  const bool huge = bytes >= HUGE_PAGE;
  const uint64_t size = huge ? (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE : bytes;
  const uint64_t mapped = huge ? size + HUGE_PAGE : size;
  int flags = MAP_PRIVATE | MAP_ANONYMOUS;
#ifdef MAP_NORESERVE
  flags |= MAP_NORESERVE;
#endif
  void* start = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (start == MAP_FAILED) return nullptr;
  mapping = {start, mapped};
  if (!huge) return static_cast<char*>(start);
  const uintptr_t address = reinterpret_cast<uintptr_t>(start);
  char* base =
      static_cast<char*>(start) + ((address + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE - address);
#ifdef MADV_HUGEPAGE
  madvise(base, size, MADV_HUGEPAGE);
#endif
  return base;
}

class Slabs {
 public:
  /** Larger ones waste little in a mapping of their own. */
  static constexpr uint64_t MOST = 8 * HUGE_PAGE;

  /** Zeroed memory at the start of a page; null where there is none. */
  char* take(uint64_t bytes) {
    const uint64_t size = (bytes + PAGE - 1) / PAGE * PAGE;
    char* place;
    uint64_t used;
    {
      const std::lock_guard<std::mutex> guard(lock_);
      Slab* slab = nullptr;
      size_t best = 0;
      for (const auto& each : slabs_) {
        for (size_t i = 0; i < each->free.size(); i++) {
          const uint64_t room = each->free[i].bytes;
          if (room >= size && (slab == nullptr || room < slab->free[best].bytes))
            slab = each.get(), best = i;
        }
      }
      if (slab == nullptr) slab = grow();
      if (slab == nullptr) return nullptr;
      const uint64_t offset = slab->carve(best, size);
      place = slab->base + offset;
      used = slab->touched <= offset         ? 0
             : slab->touched - offset < size ? slab->touched - offset
                                             : size;
      if (offset + size > slab->touched) slab->touched = offset + size;
    }
    memset(place, 0, used);
    return place;
  }

  /**
   * Takes back what `take` gave for so many bytes; whole huge pages go to the system at once, a
   * mapping with its last tensor.
   */
  void give(char* place, uint64_t bytes) {
    const uint64_t size = (bytes + PAGE - 1) / PAGE * PAGE;
    const std::lock_guard<std::mutex> guard(lock_);
    for (size_t i = 0; i < slabs_.size(); i++) {
      Slab& slab = *slabs_[i];
      if (place < slab.base || place >= slab.base + SLAB) continue;
      const uint64_t offset = static_cast<uint64_t>(place - slab.base);
      const uint64_t from = (offset + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE,
                     to = (offset + size) / HUGE_PAGE * HUGE_PAGE;
      if (from < to) madvise(slab.base + from, to - from, MADV_DONTNEED);
      slab.insert({offset, size});
      if (slab.free[0].bytes < SLAB) return;
      munmap(slab.mapping.start, slab.mapping.bytes);
      slabs_.erase(slabs_.begin() + static_cast<std::ptrdiff_t>(i));
      return;
    }
  }

 private:
  static constexpr uint64_t PAGE = 4096, SLAB = 4 * MOST;

  struct Piece {
    uint64_t offset, bytes;
  };

  struct Slab {
    Mapping mapping;
    char* base;
    /** Nothing beyond this was ever given out: it is zero. */
    uint64_t touched;
    /** By offset, never touching each other. */
    std::vector<Piece> free;

    uint64_t carve(size_t i, uint64_t size) {
      const uint64_t offset = free[i].offset;
      free[i] = {offset + size, free[i].bytes - size};
      if (free[i].bytes == 0) free.erase(free.begin() + static_cast<std::ptrdiff_t>(i));
      return offset;
    }

    void insert(Piece piece) {
      size_t i = 0;
      while (i < free.size() && free[i].offset < piece.offset) i++;
      if (i < free.size() && piece.offset + piece.bytes == free[i].offset) {
        piece.bytes += free[i].bytes;
        free.erase(free.begin() + static_cast<std::ptrdiff_t>(i));
      }
      if (i > 0 && free[i - 1].offset + free[i - 1].bytes == piece.offset)
        free[i - 1].bytes += piece.bytes;
      else free.insert(free.begin() + static_cast<std::ptrdiff_t>(i), piece);
    }
  };

  std::mutex lock_;
  std::vector<std::unique_ptr<Slab>> slabs_;

  Slab* grow() {
    auto slab = std::make_unique<Slab>();
    slab->base = mapPages(SLAB, slab->mapping);
    if (slab->base == nullptr) return nullptr;
    slab->touched = 0;
    slab->free = {{0, SLAB}};
    slabs_.push_back(std::move(slab));
    return slabs_.back().get();
  }
};

}  // namespace cria

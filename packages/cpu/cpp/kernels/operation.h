// The shape of every kernel: a struct that reads its arguments in the order in which JavaScript
// wrote them (packages/cpu/src), says how many chunks it has, and runs one. `entry<Struct>()` makes
// the table entry.
#pragma once
#include "generated/arguments.h"
#include "vec.h"

namespace cria::CRIA_ISA {

template <class Operation>
Kernel entry() {
  return {
      [](const double* numbers, char* const* storages) {
        Arguments arguments(numbers, storages);
        return Operation(arguments).chunks();
      },
      [](const double* numbers, char* const* storages, int64_t chunk, ThreadMemory& thread) {
        Arguments arguments(numbers, storages);
        Operation(arguments).run(chunk, thread);
      },
  };
}

constexpr int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }
constexpr int64_t ceilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t roundUp(int64_t a, int64_t b) { return ceilDivide(a, b) * b; }

struct Range {
  int64_t start, end;
};
/** Piece `chunk` of `total` things in pieces of `size`. */
inline Range piece(int64_t chunk, int64_t size, int64_t total) {
  return {chunk * size, min(chunk * size + size, total)};
}

/** Whether a table of so many rows has this one. */
constexpr bool isHeld(int64_t row, int64_t held) { return row >= 0 && row < held; }

/** Elements that make a chunk of some microseconds where each takes about a nanosecond or less. */
constexpr int64_t CHUNK_ELEMENTS = 1 << 14;
/** Rows of `columns` elements in such a chunk. */
inline int64_t rowsPerChunk(int64_t columns) { return max(1, CHUNK_ELEMENTS / max(1, columns)); }

/**
 * Panels a chunk of a product that streams its weight once: some microseconds of memory, at least a
 * few chunks where the weight is small, and all but the last of one size.
 */
inline int64_t streamedPanels(int64_t panels, int64_t panelBytes) {
  constexpr int64_t SMALL = 1 << 14, LEAST = 1 << 16, MOST = 1 << 18;
  const int64_t bytes = panels * panelBytes, size = max(LEAST, min(MOST, bytes / 64));
  const int64_t chunks = max(max(1, bytes / size), min(8, bytes / SMALL));
  return ceilDivide(panels, chunks);
}

/** Calls work(i, n) for i = start, start + W, …; n is W, or what is left. */
template <class Work>
inline void forVectors(int64_t start, int64_t end, Work work) {
  int64_t i = start;
  for (; i + W <= end; i += W) work(i, int64_t{W});
  if (i < end) work(i, end - i);
}
template <class T>
inline V loadSome(const T* p, int64_t n) {
  return n >= W ? load(p) : load(p, n);
}
template <class T>
inline void storeSome(T* p, V a, int64_t n) {
  if (n >= W) store(p, a);
  else store(p, a, n);
}

}  // namespace cria::CRIA_ISA

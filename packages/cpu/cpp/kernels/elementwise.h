// Copies, conversions and sums element by element.
#pragma once
#include "operation.h"

namespace cria::CRIA_ISA {

/** Bytes from one place to another; the places do not overlap. */
struct Copy {
  static constexpr int64_t PIECE = 1 << 17;
  char* to;
  const char* from;
  int64_t bytes;

  explicit Copy(Arguments& in) : to(in.tensor<char>()), from(in.tensor<const char>()), bytes(in.integer()) {}
  int64_t chunks() const { return ceilDivide(bytes, PIECE); }
  void run(int64_t chunk, ThreadMemory&) const {
    const Range range = piece(chunk, PIECE, bytes);
    __builtin_memcpy(to + range.start, from + range.start, static_cast<size_t>(range.end - range.start));
  }
};

/** y = value, as a pattern of `bytes` bytes (1, 2 or 4) in each element */
struct Fill {
  static constexpr int64_t PIECE = 1 << 16;
  char* y;
  int64_t elements, bytes;
  uint32_t pattern;

  explicit Fill(Arguments& in) : y(in.tensor<char>()), elements(in.integer()), bytes(in.integer()), pattern(static_cast<uint32_t>(in.integer())) {}
  int64_t chunks() const { return ceilDivide(elements, PIECE); }
  void run(int64_t chunk, ThreadMemory&) const {
    const Range range = piece(chunk, PIECE, elements);
    if (bytes == 4) {
      uint32_t* p = reinterpret_cast<uint32_t*>(y);
      for (int64_t i = range.start; i < range.end; i++) p[i] = pattern;
    } else if (bytes == 2) {
      uint16_t* p = reinterpret_cast<uint16_t*>(y);
      for (int64_t i = range.start; i < range.end; i++) p[i] = static_cast<uint16_t>(pattern);
    } else {
      __builtin_memset(y + range.start, static_cast<int>(pattern), static_cast<size_t>(range.end - range.start));
    }
  }
};

/** y = a + b */
template <class T>
struct Add {
  static constexpr int64_t PIECE = 1 << 16;
  T* y;
  const T *a, *b;
  int64_t elements;

  explicit Add(Arguments& in) : y(in.tensor<T>()), a(in.tensor<const T>()), b(in.tensor<const T>()), elements(in.integer()) {}
  int64_t chunks() const { return ceilDivide(elements, PIECE); }
  void run(int64_t chunk, ThreadMemory&) const {
    const Range range = piece(chunk, PIECE, elements);
    forVectors(range.start, range.end, [&](int64_t i, int64_t n) { storeSome(y + i, add(loadSome(a + i, n), loadSome(b + i, n)), n); });
  }
};

}  // namespace cria::CRIA_ISA

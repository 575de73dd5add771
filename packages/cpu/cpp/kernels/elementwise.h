// Copies, conversions and sums element by element.
#pragma once
#include "operation.h"

namespace cria::CRIA_ISA {

/** Bytes from one place to another; the places do not overlap. */
struct Copy : CopyArguments {
  static constexpr int64_t PIECE = 1 << 17;
  using CopyArguments::CopyArguments;

  int64_t chunks() const { return ceilDivide(bytes, PIECE); }
  void run(int64_t chunk, ThreadMemory&) const {
    const Range range = piece(chunk, PIECE, bytes);
    __builtin_memcpy(to + range.start, from + range.start,
                     static_cast<size_t>(range.end - range.start));
  }
};

/** y = value, as a pattern of `bytes` bytes (1, 2 or 4) in each element */
struct Fill : FillArguments {
  static constexpr int64_t PIECE = 1 << 16;
  using FillArguments::FillArguments;

  int64_t chunks() const { return ceilDivide(elements, PIECE); }
  void run(int64_t chunk, ThreadMemory&) const {
    const Range range = piece(chunk, PIECE, elements);
    if (bytes == 4) {
      uint32_t* p = reinterpret_cast<uint32_t*>(y);
      for (int64_t i = range.start; i < range.end; i++) p[i] = static_cast<uint32_t>(pattern);
    } else if (bytes == 2) {
      uint16_t* p = reinterpret_cast<uint16_t*>(y);
      for (int64_t i = range.start; i < range.end; i++) p[i] = static_cast<uint16_t>(pattern);
    } else {
      __builtin_memset(y + range.start, static_cast<int>(pattern),
                       static_cast<size_t>(range.end - range.start));
    }
  }
};

/** y = a + b */
template <class T>
struct Add : AddArguments<T> {
  static constexpr int64_t PIECE = 1 << 16;
  using Given = AddArguments<T>;
  using Given::Given;
  using Given::y, Given::a, Given::b, Given::elements;

  int64_t chunks() const { return ceilDivide(elements, PIECE); }
  void run(int64_t chunk, ThreadMemory&) const {
    const Range range = piece(chunk, PIECE, elements);
    forVectors(range.start, range.end, [&](int64_t i, int64_t n) {
      storeSome(y + i, add(loadSome(a + i, n), loadSome(b + i, n)), n);
    });
  }
};

}  // namespace cria::CRIA_ISA

// The tile unit in plain code, for the test driver on processors without one: the arithmetic that
// was measured on a processor that has it (order of sums, denormals as zeros, bits of NaN). Using
// the unit without configuring it, or past its layout, ends the program.
#pragma once
#include <stddef.h>
#include "element.h"

namespace cria::CRIA_ISA::tiles {

struct alignas(64) Layout {
  uint8_t palette = 1, start = 0, reserved[14] = {};
  uint16_t bytes[16] = {};
  uint8_t rows[16] = {};
};

struct Unit {
  bool configured = false;
  Layout layout;
  alignas(64) uint8_t tiles[8][16][64];
};
inline Unit& unit() {
  static thread_local Unit unit;
  return unit;
}
inline void require(bool fine) {
  if (!fine) __builtin_trap();
}

inline void configure(const Layout& layout) {
  Unit& u = unit();
  require(layout.palette == 1 && layout.start == 0);
  for (int t = 0; t < 16; t++)
    require(layout.bytes[t] <= (t < 8 ? 64 : 0) && layout.rows[t] <= (t < 8 ? 16 : 0));
  u.configured = true;
  u.layout = layout;
  __builtin_memset(u.tiles, 0, sizeof u.tiles);
}
inline void release() { unit().configured = false; }

/** A tile is used as it was configured. */
inline Unit& used(int t) {
  Unit& u = unit();
  require(u.configured && u.layout.rows[t] > 0 && u.layout.bytes[t] > 0);
  return u;
}

template <int T>
inline void zero() {
  __builtin_memset(used(T).tiles[T], 0, sizeof unit().tiles[T]);
}
template <int T>
inline void load(const void* p, int64_t stride) {
  Unit& u = used(T);
  zero<T>();
  for (int r = 0; r < u.layout.rows[T]; r++)
    __builtin_memcpy(u.tiles[T][r], static_cast<const char*>(p) + r * stride, u.layout.bytes[T]);
}
template <int T>
inline void store(void* p, int64_t stride) {
  Unit& u = used(T);
  for (int r = 0; r < u.layout.rows[T]; r++)
    __builtin_memcpy(static_cast<char*>(p) + r * stride, u.tiles[T][r], u.layout.bytes[T]);
}

/** Zero in the place of a denormal, with its sign. */
inline float flushed(float x) {
  return (bitsOf(x) & 0x7f800000u) == 0 ? ofBits(bitsOf(x) & 0x80000000u) : x;
}
inline float pairAt(const uint8_t (&row)[64], int k) {
  uint16_t half;
  __builtin_memcpy(&half, row + 2 * k, 2);
  return flushed(ofBits(static_cast<uint32_t>(half) << 16));
}

template <int C, int A, int B>
inline void dotPairs() {
  Unit& u = used(A);
  const int rows = used(C).layout.rows[C], columns = u.layout.bytes[C] / 4,
            pairs = u.layout.bytes[A] / 4;
  require(u.layout.rows[A] == rows && used(B).layout.rows[B] == pairs &&
          u.layout.bytes[B] == u.layout.bytes[C]);
  for (int m = 0; m < rows; m++) {
    float even[16] = {}, odd[16] = {}, sums[16];
    for (int p = 0; p < pairs; p++) {
      const float first = pairAt(u.tiles[A][m], 2 * p), second = pairAt(u.tiles[A][m], 2 * p + 1);
      for (int n = 0; n < columns; n++) {
        even[n] = flushed(__builtin_fmaf(first, pairAt(u.tiles[B][p], 2 * n), even[n]));
        odd[n] = flushed(__builtin_fmaf(second, pairAt(u.tiles[B][p], 2 * n + 1), odd[n]));
      }
    }
    __builtin_memcpy(sums, u.tiles[C][m], sizeof sums);
    for (int n = 0; n < columns; n++)
      sums[n] = flushed(flushed(sums[n]) + flushed(even[n] + odd[n]));
    __builtin_memcpy(u.tiles[C][m], sums, static_cast<size_t>(4 * columns));
  }
}

template <int C, int A, int B>
inline void dotBytes() {
  Unit& u = used(A);
  const int rows = used(C).layout.rows[C], columns = u.layout.bytes[C] / 4,
            quads = u.layout.bytes[A] / 4;
  require(u.layout.rows[A] == rows && used(B).layout.rows[B] == quads &&
          u.layout.bytes[B] == u.layout.bytes[C]);
  for (int m = 0; m < rows; m++) {
    for (int n = 0; n < columns; n++) {
      int32_t sum;
      __builtin_memcpy(&sum, u.tiles[C][m] + 4 * n, 4);
      for (int k = 0; k < 4 * quads; k++)
        sum += static_cast<int8_t>(u.tiles[A][m][k]) * u.tiles[B][k / 4][4 * n + k % 4];
      __builtin_memcpy(u.tiles[C][m] + 4 * n, &sum, 4);
    }
  }
}

}  // namespace cria::CRIA_ISA::tiles

// Rows by index: embedding, its gradient, rows of a batch, writes into the key/value cache.
#pragma once
#include "cast.h"
#include "kernels/quantize/quantize.h"

namespace cria::CRIA_ISA {

/**
 * y[i] = x[rows[i] − first], converted; zeros where that is none of the `held` rows
 *     y: [count, columns]   (embedding: x is the table or a part of it, rows are the tokens)
 */
struct GatherRows : GatherRowsArguments {
  using GatherRowsArguments::GatherRowsArguments;

  int64_t chunks() const { return ceilDivide(count, rowsPerChunk(columns)); }
  void run(int64_t chunk, ThreadMemory&) const {
    const Range range = piece(chunk, rowsPerChunk(columns), count);
    withElements(typeY, y, [&](auto* to) {
      withElements(typeX, x, [&](auto* from) {
        for (int64_t i = range.start; i < range.end; i++) {
          const int64_t row = rows[i] - first;
          if (isHeld(row, held)) convert(to + i * columns, from + row * columns, 0, columns);
          else __builtin_memset(to + i * columns, 0, static_cast<size_t>(columns) * sizeof(*to));
        }
      });
    });
  }
};

/**
 * y[rows[i] − first] += x[i], in the order of i; nothing where that is none of the `held` rows
 *     each chunk takes some columns of all rows, so no order depends on threads
 */
template <class T>
struct ScatterAddRows : ScatterAddRowsArguments<T> {
  static constexpr int64_t STRIPE = 64;
  using Given = ScatterAddRowsArguments<T>;
  using Given::Given;
  using Given::y, Given::x, Given::rows, Given::count, Given::columns, Given::first, Given::held;

  int64_t stripe() const { return max(STRIPE, roundUp(CHUNK_ELEMENTS / max(1, count), STRIPE)); }
  int64_t chunks() const { return count == 0 ? 0 : ceilDivide(columns, stripe()); }
  void run(int64_t chunk, ThreadMemory&) const {
    const Range range = piece(chunk, stripe(), columns);
    for (int64_t i = 0; i < count; i++) {
      const int64_t row = rows[i] - first;
      if (!isHeld(row, held)) continue;
      float* to = y + row * columns;
      const T* from = x + i * columns;
      forVectors(range.start, range.end, [&](int64_t c, int64_t n) {
        storeSome(to + c, add(loadSome(to + c, n), loadSome(from + c, n)), n);
      });
    }
  }
};

/**
 * keyCache[slots[t]] = k[t], valueCache likewise, converted (cacheType 3: to blocks of Q8_0);
 * nothing where the slot is negative
 */
struct CacheWrite : CacheWriteArguments {
  using CacheWriteArguments::CacheWriteArguments;

  int64_t chunks() const { return ceilDivide(count, rowsPerChunk(2 * columns)); }
  void run(int64_t chunk, ThreadMemory&) const {
    const Range range = piece(chunk, rowsPerChunk(2 * columns), count);
    put(range, keyCache, k);
    put(range, valueCache, v);
  }

 private:
  static constexpr int64_t Q8_0 = 3, BLOCK = 32, BLOCK_BYTES = 34;

  void put(Range range, void* cache, const void* rows) const {
    if (cacheType == Q8_0) return putBlocks(range, static_cast<uint8_t*>(cache), rows);
    withElements(cacheType, cache, [&](auto* to) {
      withElements(type, rows, [&](auto* from) {
        for (int64_t t = range.start; t < range.end; t++) {
          if (slots[t] >= 0) convert(to + slots[t] * columns, from + t * columns, 0, columns);
        }
      });
    });
  }

  void putBlocks(Range range, uint8_t* cache, const void* rows) const {
    withElements(type, rows, [&](auto* from) {
      float numbers[BLOCK];
      for (int64_t t = range.start; t < range.end; t++) {
        if (slots[t] < 0) continue;
        for (int64_t c = 0; c < columns; c += BLOCK) {
          convert(numbers, from + t * columns + c, 0, BLOCK);
          uint8_t* to = cache + (slots[t] * columns + c) / BLOCK * BLOCK_BYTES;
          blocks::Error error;
          blocks::q80(numbers, to, error);
          // numbers that it cannot hold read as NaN
          if (!(error.squares < __builtin_inf())) blocks::putHalf(to, 0x7e00);
        }
      }
    });
  }
};

}  // namespace cria::CRIA_ISA

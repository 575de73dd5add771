// Quantising straight from a file: every chunk reads some rows into memory that stays in the cache,
// so that the weights go through main memory once, and reading is shared by all threads.
#pragma once
#include "quantize.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

namespace cria::CRIA_ISA {

/**
 * out = blocks of rows × columns numbers from byte `from` of an open file. `source`: their type, 0
 * f32, 1 bf16, 2 f16. `head`: where it is not 0, the rows come in heads of so many, halves apart
 * (Hugging Face's order), and go out in pairs (Meta's): row 2j + i of a head is its row i·head/2 +
 * j in the file. errors: per chunk Σ difference² and the largest difference, or NaN and −(the error
 * number of reading).
 */
struct QuantizeFile : QuantizeFileArguments {
  using QuantizeFileArguments::QuantizeFileArguments;

  int64_t chunks() const { return ceilDivide(rows, rowsTogether()); }

  void run(int64_t chunk, ThreadMemory& thread) const {
    const Range range = piece(chunk, rowsTogether(), rows);
    const int64_t stored = columns * (source == 0 ? 4 : 2),
                  bytes = roundUp((range.end - range.start) * stored, 64);
    char* memory = thread.grow(thread, static_cast<uint64_t>(bytes + 4 * columns));
    float* wide = reinterpret_cast<float*>(memory + bytes);
    const int32_t failure =
        readFileRange(file, static_cast<uint64_t>(from + range.start * stored),
                      static_cast<uint64_t>((range.end - range.start) * stored), memory);
    if (failure != 0) {
      errors[2 * chunk] = static_cast<double>(__builtin_nanf(""));
      errors[2 * chunk + 1] = -static_cast<double>(failure);
      return;
    }
    const RowQuantizer quantizer{type, columns, importance};
    blocks::Error error;
    for (int64_t row = range.start; row < range.end; row++)
      quantizer.row(numbers(memory + (placeOf(row) - range.start) * stored, wide),
                    out + row * quantizer.rowBytes(), error);
    errors[2 * chunk] = error.squares;
    errors[2 * chunk + 1] = static_cast<double>(error.largest);
  }

 private:
  /** Half a megabyte or so, in whole heads. */
  int64_t rowsTogether() const {
    const int64_t group = max(1, head);
    return group * max(1, (int64_t{1} << 17) / max(1, columns) / group);
  }
  int64_t placeOf(int64_t row) const {
    if (head == 0) return row;
    const int64_t inHead = row % head;
    return row - inHead + inHead % 2 * (head / 2) + inHead / 2;
  }
  const float* numbers(const char* row, float* wide) const {
    if (source == 0) return reinterpret_cast<const float*>(row);
    if (source == 1) widenRow(reinterpret_cast<const Bf16*>(row), wide);
    else widenRow(reinterpret_cast<const F16*>(row), wide);
    return wide;
  }
  template <class T>
  void widenRow(const T* row, float* wide) const {
    forVectors(0, columns,
               [&](int64_t i, int64_t n) { storeSome(wide + i, loadSome(row + i, n), n); });
  }
};

}  // namespace cria::CRIA_ISA

#pragma GCC diagnostic pop

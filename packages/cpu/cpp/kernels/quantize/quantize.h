// GGUF's block formats from float32, with the bits of ggml's reference quantisers (ggml-quants.c)
// and of packages/tensor/src/quantize, which is the readable version: the operations.
#pragma once
#include "blocks.h"
#include "superblocks.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

namespace cria::CRIA_ISA {

/**
 * Rows of `columns` numbers as blocks of a GGUF type, weighed by `importance` ([columns]) where it
 * is given.
 */
struct RowQuantizer {
  int64_t type, columns;
  const float* importance;

  int64_t blockSize() const { return type >= 12 ? 256 : 32; }
  int64_t blockBytes() const {
    switch (type) {
      case 2: return 18;
      case 3: return 20;
      case 6: return 22;
      case 7: return 24;
      case 8: return 34;
      case 12: return 144;
      case 13: return 176;
      default: return 210;
    }
  }
  int64_t rowBytes() const { return columns / blockSize() * blockBytes(); }

  void row(const float* from, uint8_t* to, blocks::Error& error) const {
    if (type >= 12) large(from, to, error);
    else if (importance != nullptr && type != 8) searched(from, to, error);
    else small(from, to, error);
    error.fold();
  }

 private:
  void large(const float* from, uint8_t* to, blocks::Error& error) const {
    const int64_t count = columns / 256, together = type == 14 ? 1 : blocks::TOGETHER;
    for (int64_t b = 0; b < count; b += together) {
      const float* x = from + 256 * b;
      const float* weigh = importance == nullptr ? nullptr : importance + 256 * b;
      uint8_t* place = to + b * blockBytes();
      if (type == 14) blocks::q6(x, weigh, place, error);
      else blocks::q45(type == 12 ? 15 : 31, x, weigh, place, min(together, count - b), error);
    }
  }

  void searched(const float* from, uint8_t* to, blocks::Error& error) const {
    const int64_t count = columns / 32;
    const float sigma2 = blocks::sumOfSquares(from, columns) / static_cast<float>(columns);
    for (int64_t b = 0; b < count; b += blocks::LANES)
      blocks::weighted(type >= 6, type == 3 || type == 7, from + 32 * b, importance + 32 * b,
                       sigma2, to + b * blockBytes(), min(blocks::LANES, count - b), error);
  }

  void small(const float* from, uint8_t* to, blocks::Error& error) const {
    const auto each = [&](auto block) {
      for (int64_t b = 0; b < columns / 32; b++) block(from + 32 * b, to + b * blockBytes());
    };
    switch (type) {
      case 2:
        return each([&](const float* x, uint8_t* out) { blocks::symmetric(8, x, out, error); });
      case 3: return each([&](const float* x, uint8_t* out) { blocks::affine(15, x, out, error); });
      case 6:
        return each([&](const float* x, uint8_t* out) { blocks::symmetric(16, x, out, error); });
      case 7: return each([&](const float* x, uint8_t* out) { blocks::affine(31, x, out, error); });
      default: return each([&](const float* x, uint8_t* out) { blocks::q80(x, out, error); });
    }
  }
};

/**
 * out = blocks of x, rows of whole blocks; errors: per chunk Σ difference² and the largest
 * difference, as doubles.
 */
struct Quantize : QuantizeArguments {
  using QuantizeArguments::QuantizeArguments;

  int64_t chunks() const { return ceilDivide(rows, rowsPerChunk(columns)); }

  void run(int64_t chunk, ThreadMemory&) const {
    const Range range = piece(chunk, rowsPerChunk(columns), rows);
    const RowQuantizer quantizer{type, columns, importance};
    blocks::Error error;
    for (int64_t row = range.start; row < range.end; row++)
      quantizer.row(x + row * columns, out + row * quantizer.rowBytes(), error);
    errors[2 * chunk] = error.squares;
    errors[2 * chunk + 1] = static_cast<double>(error.largest);
  }
};

}  // namespace cria::CRIA_ISA

#pragma GCC diagnostic pop

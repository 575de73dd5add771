// Quantised weights as numbers again, row by row, from the blocks of a file or from panels: what a
// gradient of the input multiplies with.
#pragma once
#include "format.h"

namespace cria::CRIA_ISA {

/** Takes 32 weights of a row out of a packed block: the inverse of `putWeights`. */
template <int BITS>
inline void takeWeights(const uint8_t* low, const uint8_t* high, int row, uint8_t* weights) {
  for (int k = 0; k < 32; k++) {
    const int quad = k / 4, at = row * 4 + k % 4;
    int w = BITS == 8 ? low[quad * 64 + at] : low[quad % 4 * 64 + at] >> (quad < 4 ? 0 : 4) & 15;
    if (BITS == 5) w |= (high[at] >> quad & 1) << 4;
    if (BITS == 6) w |= (high[quad / 4 * 64 + at] >> 2 * (quad % 4) & 3) << 4;
    weights[k] = static_cast<uint8_t>(w);
  }
}
inline F16 takeHalf(const uint8_t* p, int row) { return halfAt(p + 2 * row); }

// The inverse of `put` of each format: what `read` found in the file.

template <int BITS, bool MINIMUM>
inline void take(Simple<BITS, MINIMUM>, const uint8_t* block, int, int row, RawBlock& raw) {
  using Format = Simple<BITS, MINIMUM>;
  const uint8_t* scales = block + Format::LOW + Format::HIGH;
  takeWeights<BITS>(block, block + Format::LOW, row, raw.weights);
  raw.d = takeHalf(scales, row);
  if (MINIMUM) raw.m = takeHalf(scales + 32, row);
}

inline void take(EightBits, const uint8_t* group, int sub, int row, RawBlock& raw) {
  takeWeights<8>(group + EightBits::WEIGHTS + sub * 512, nullptr, row, raw.weights);
  raw.d = takeHalf(group + sub * 32, row);
}

template <int BITS>
inline void take(WithMinima<BITS>, const uint8_t* block, int, int row, RawBlock& raw) {
  using Format = WithMinima<BITS>;
  for (int j = 0; j < 8; j++) {
    const uint8_t* weights = block + Format::FIRST + j * Format::WEIGHTS;
    takeWeights<BITS>(weights, weights + 256, row, raw.weights + 32 * j);
    raw.scales[j] = block[Format::SCALES + j * PANEL + row];
    raw.minima[j] = block[Format::MINIMA + j * PANEL + row];
  }
  raw.d = takeHalf(block + Format::FACTORS, row);
  raw.m = takeHalf(block + Format::FACTORS + 32, row);
}

inline void take(SixBits, const uint8_t* block, int, int row, RawBlock& raw) {
  for (int j = 0; j < 8; j++) {
    const uint8_t* weights = block + j * SixBits::WEIGHTS;
    takeWeights<6>(weights, weights + 256, row, raw.weights + 32 * j);
  }
  for (int j = 0; j < 16; j++) raw.scales[j] = block[SixBits::SCALES + j * PANEL + row];
  raw.d = takeHalf(block + SixBits::FACTORS, row);
}

/**
 * Columns `first` to first + columns of a weight [rows, k], whole blocks of a file.
 *     y: [rows, columns]
 */
struct UnpackBlocks : UnpackBlocksArguments {
  using UnpackBlocksArguments::UnpackBlocksArguments;

  int64_t chunks() const { return ceilDivide(rows, PANEL); }
  void run(int64_t chunk, ThreadMemory&) const {
    const Range range = piece(chunk, PANEL, rows);
    withFormat(format, [&](auto of) {
      using Format = decltype(of);
      constexpr int64_t WEIGHTS = BLOCK * Format::FILE_BLOCKS;
      const uint8_t* panel = x + chunk * panelBytes<Format>(k);
      RawBlock raw;
      float numbers[256];
      for (int64_t row = range.start; row < range.end; row++) {
        for (int64_t c = 0; c < columns; c += WEIGHTS) {
          const int64_t block = (first + c) / WEIGHTS, at = block * Format::FILE_BLOCKS;
          if (!panels) Format::read(x + (row * (k / WEIGHTS) + block) * Format::FILE_BYTES, raw);
          else
            take(of, panel + at / Format::SUB_BLOCKS * Format::BYTES,
                 static_cast<int>(at % Format::SUB_BLOCKS), static_cast<int>(row - range.start),
                 raw);
          Format::numbers(raw, numbers);
          withElements(typeY, y, [&](auto* to) {
            convert(to + row * columns + c, static_cast<const float*>(numbers), 0, WEIGHTS);
          });
        }
      }
    });
  }
};

}  // namespace cria::CRIA_ISA

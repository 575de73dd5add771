// GGUF's block formats: how they lie in files, and how they lie packed.
//
// Packed, 16 rows of the weight (a panel) share a block, so that a vector holds the same four
// weights of neighbouring rows:
//   weights   [8 quads along k][16 rows][4] of 32 weights along k: bytes, or low nibbles of quads
//             0 to 3 with high nibbles of quads 4 to 7
//   fifth bits, [16][4]: bit j of a byte belongs to quad j
//   fifth and sixth, [2][16][4]: bits 2j of byte u to quad 4u + j
//   scales    [16] halves; of Q8_0 those of four blocks before their weights; of the K formats
//             [sub-block][16] bytes and their factors [16] halves; minima likewise. Those of Q4_K
//             and Q5_K lie before the weights, of the other formats behind them
// Weights are stored without sign; OFFSET is what was added.
#pragma once
#include "kernels/cast.h"

namespace cria::CRIA_ISA {

/** Weights of a block that share a scale of the activations. */
constexpr int64_t BLOCK = 32;
/** Rows of a packed panel, and its vectors. */
constexpr int PANEL = 16;
constexpr int PANEL_VECTORS = PANEL / W;

/** One block of a file, taken apart: weights without sign, scales and minima as stored. */
struct RawBlock {
  uint8_t weights[256];
  uint8_t scales[16], minima[8];
  F16 d, m;
};

inline F16 halfAt(const uint8_t* p) { return {static_cast<uint16_t>(p[0] | p[1] << 8)}; }
inline float floatAt(const uint8_t* p) { return number(halfAt(p)); }
inline I splat(int byte) { return setInt(byte * 0x01010101); }

/** The eight quads of one vector of rows: bytes. */
inline void unpackBytes(const uint8_t* p, int v, I (&q)[8]) {
#pragma GCC unroll 8
  for (int j = 0; j < 8; j++) q[j] = loadInts(p + j * 64 + v * W * 4);
}
/** Nibbles. */
inline void unpackNibbles(const uint8_t* p, int v, I (&q)[8]) {
  const I mask = splat(15);
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) {
    const I a = loadInts(p + j * 64 + v * W * 4);
    q[j] = both(a, mask);
    q[j + 4] = both(right<4>(a), mask);
  }
}
inline void addFifthBits(const uint8_t* p, int v, I (&q)[8]) {
  const I mask = splat(16), a = loadInts(p + v * W * 4);
  q[0] = either(q[0], both(left<4>(a), mask));
  q[1] = either(q[1], both(left<3>(a), mask));
  q[2] = either(q[2], both(left<2>(a), mask));
  q[3] = either(q[3], both(left<1>(a), mask));
  q[4] = either(q[4], both(a, mask));
  q[5] = either(q[5], both(right<1>(a), mask));
  q[6] = either(q[6], both(right<2>(a), mask));
  q[7] = either(q[7], both(right<3>(a), mask));
}
inline void addTwoBits(const uint8_t* p, int v, I (&q)[8]) {
  const I mask = splat(48);
#pragma GCC unroll 2
  for (int u = 0; u < 2; u++) {
    const I a = loadInts(p + u * 64 + v * W * 4);
    q[4 * u] = either(q[4 * u], both(left<4>(a), mask));
    q[4 * u + 1] = either(q[4 * u + 1], both(left<2>(a), mask));
    q[4 * u + 2] = either(q[4 * u + 2], both(a, mask));
    q[4 * u + 3] = either(q[4 * u + 3], both(right<2>(a), mask));
  }
}
inline V halvesAt(const uint8_t* p, int v) { return load(reinterpret_cast<const F16*>(p) + v * W); }
inline void putHalf(uint8_t* p, int row, F16 half) { __builtin_memcpy(p + 2 * row, &half, 2); }

/**
 * Puts 32 weights of a row into a zeroed packed block: the low 4 (or all 8) bits of each, and the
 * bits above.
 */
template <int BITS>
inline void putWeights(uint8_t* low, uint8_t* high, int row, const uint8_t* weights) {
  for (int k = 0; k < 32; k++) {
    const int quad = k / 4, at = row * 4 + k % 4, w = weights[k];
    if (BITS == 8) low[quad * 64 + at] = static_cast<uint8_t>(w);
    else low[quad % 4 * 64 + at] |= static_cast<uint8_t>((w & 15) << (quad < 4 ? 0 : 4));
    if (BITS == 5) high[at] |= static_cast<uint8_t>((w >> 4) << quad);
    if (BITS == 6) high[quad / 4 * 64 + at] |= static_cast<uint8_t>((w >> 4) << 2 * (quad % 4));
  }
}

// A format says how its file block lies (FILE_BLOCKS times 32 weights in FILE_BYTES) and how a
// group of SUB_BLOCKS blocks lies packed (BYTES; where fewer are left at the end of a row,
// `lastBytes`). LIGHT_ROWS: with so many rows the processor fetches far enough ahead by itself.

/** Formats of 32 weights: Q4_0, Q4_1, Q5_0, Q5_1. Weight = d · (q − OFFSET), or d · q + m. */
template <int BITS_, bool MINIMUM_>
struct Simple {
  static constexpr int BITS = BITS_;
  static constexpr bool MINIMUM = MINIMUM_;
  static constexpr int LIGHT_ROWS = BITS == 5 ? 0 : MINIMUM ? 1 : 2;
  static constexpr int FILE_BLOCKS = 1, SUB_BLOCKS = 1, HALVES = 1;
  static constexpr int OFFSET = MINIMUM ? 0 : 1 << (BITS - 1);
  static constexpr int64_t FILE_BYTES = (MINIMUM ? 4 : 2) + BITS * 4;
  static constexpr int64_t LOW = 256, HIGH = BITS == 5 ? 64 : 0;
  static constexpr int64_t BYTES = LOW + HIGH + (MINIMUM ? 64 : 32);
  static constexpr int64_t lastBytes(int64_t) { return 0; }

  static void unpack(const uint8_t* block, int, int v, I (&q)[8]) {
    unpackNibbles(block, v, q);
    if (BITS == 5) addFifthBits(block + LOW, v, q);
  }
  static V scale(const uint8_t* block, int, int, int v) { return halvesAt(block + LOW + HIGH, v); }
  static V minimum(const uint8_t* block, int, int v) {
    return halvesAt(block + LOW + HIGH + 32, v);
  }

  static void read(const uint8_t* file, RawBlock& raw) {
    raw.d = halfAt(file);
    if (MINIMUM) raw.m = halfAt(file + 2);
    const uint8_t* p = file + (MINIMUM ? 4 : 2);
    uint32_t high = 0;
    if (BITS == 5) {
      __builtin_memcpy(&high, p, 4);
      p += 4;
    }
    for (int k = 0; k < 32; k++) {
      raw.weights[k] =
          static_cast<uint8_t>((k < 16 ? p[k] & 15 : p[k - 16] >> 4) | (high >> k & 1) << 4);
    }
  }
  static void put(uint8_t* block, int, int row, const RawBlock& raw) {
    putWeights<BITS>(block, block + LOW, row, raw.weights);
    putHalf(block + LOW + HIGH, row, raw.d);
    if (MINIMUM) putHalf(block + LOW + HIGH + 32, row, raw.m);
  }
  static void numbers(const RawBlock& raw, float* to) {
    const float d = number(raw.d), m = MINIMUM ? number(raw.m) : 0.0f;
    for (int k = 0; k < 32; k++) to[k] = d * static_cast<float>(raw.weights[k] - OFFSET) + m;
  }
};

/**
 * Q8_0: 32 weights, weight = d · q. Packed in groups of four blocks that fill whole cache lines,
 * their scales in front: blocks of 544 bytes one after the other were read at 0.75 of the memory's
 * rate, these at 0.9 (one thread of a Zen 4; two threads 0.86 and 0.99).
 */
struct EightBits {
  static constexpr int BITS = 8;
  static constexpr bool MINIMUM = false;
  static constexpr int LIGHT_ROWS = 2;
  static constexpr int FILE_BLOCKS = 1, SUB_BLOCKS = 4, HALVES = 1, OFFSET = 128;
  static constexpr int64_t FILE_BYTES = 34, WEIGHTS = SUB_BLOCKS * 32,
                           BYTES = WEIGHTS + SUB_BLOCKS * 512;
  static constexpr int64_t lastBytes(int64_t blocks) {
    return blocks > 0 ? WEIGHTS + blocks * 512 : 0;
  }

  static void unpack(const uint8_t* group, int sub, int v, I (&q)[8]) {
    unpackBytes(group + WEIGHTS + sub * 512, v, q);
  }
  static V scale(const uint8_t* group, int sub, int, int v) {
    return halvesAt(group + sub * 32, v);
  }
  static V minimum(const uint8_t*, int, int) { return zero(); }

  static void read(const uint8_t* file, RawBlock& raw) {
    raw.d = halfAt(file);
    for (int k = 0; k < 32; k++) raw.weights[k] = static_cast<uint8_t>(file[2 + k] ^ 128);
  }
  static void put(uint8_t* group, int sub, int row, const RawBlock& raw) {
    putWeights<8>(group + WEIGHTS + sub * 512, nullptr, row, raw.weights);
    putHalf(group + sub * 32, row, raw.d);
  }
  static void numbers(const RawBlock& raw, float* to) {
    const float d = number(raw.d);
    for (int k = 0; k < 32; k++) to[k] = d * static_cast<float>(raw.weights[k] - OFFSET);
  }
};

/**
 * Q4_K and Q5_K: 8 sub-blocks of 32, weight = d · scale · q − dmin · minimum, both of 6 bits.
 * Packed, all but the weights comes first, so that reading only ascends: Q4_K from behind the
 * weights was read at 20 GB/s, so at 28 (one thread of a Zen 4; two threads 39 and 50).
 */
template <int BITS_>
struct WithMinima {
  static constexpr int BITS = BITS_;
  static constexpr bool MINIMUM = true;
  static constexpr int LIGHT_ROWS = BITS == 4 ? 1 : 0;
  static constexpr int FILE_BLOCKS = 8, SUB_BLOCKS = 8, HALVES = 1, OFFSET = 0;
  static constexpr int64_t FILE_BYTES = BITS == 4 ? 144 : 176;
  static constexpr int64_t WEIGHTS = BITS == 4 ? 256 : 320;
  static constexpr int64_t FACTORS = 0, SCALES = 64, MINIMA = SCALES + 128, FIRST = MINIMA + 128,
                           BYTES = FIRST + 8 * WEIGHTS;
  static constexpr int64_t lastBytes(int64_t) { return 0; }

  static void unpack(const uint8_t* block, int sub, int v, I (&q)[8]) {
    const uint8_t* weights = block + FIRST + sub * WEIGHTS;
    unpackNibbles(weights, v, q);
    if (BITS == 5) addFifthBits(weights + 256, v, q);
  }
  static V scale(const uint8_t* block, int sub, int, int v) {
    return mul(halvesAt(block + FACTORS, v),
               toFloat(bytesToInts(block + SCALES + sub * PANEL + v * W)));
  }
  static V minimum(const uint8_t* block, int sub, int v) {
    return fnma(halvesAt(block + FACTORS + 32, v),
                toFloat(bytesToInts(block + MINIMA + sub * PANEL + v * W)), zero());
  }

  static void read(const uint8_t* file, RawBlock& raw) {
    raw.d = halfAt(file);
    raw.m = halfAt(file + 2);
    const uint8_t* s = file + 4;
    for (int j = 0; j < 4; j++) {
      raw.scales[j] = s[j] & 63;
      raw.minima[j] = s[j + 4] & 63;
      raw.scales[j + 4] = static_cast<uint8_t>((s[j + 8] & 15) | (s[j] >> 6) << 4);
      raw.minima[j + 4] = static_cast<uint8_t>((s[j + 8] >> 4) | (s[j + 4] >> 6) << 4);
    }
    const uint8_t *high = file + 16, *low = file + (BITS == 4 ? 16 : 48);
    for (int j = 0; j < 8; j++) {
      for (int l = 0; l < 32; l++) {
        const int fifth = BITS == 5 ? (high[l] >> j & 1) << 4 : 0;
        raw.weights[32 * j + l] =
            static_cast<uint8_t>((low[32 * (j / 2) + l] >> 4 * (j % 2) & 15) | fifth);
      }
    }
  }
  static void put(uint8_t* block, int, int row, const RawBlock& raw) {
    for (int j = 0; j < 8; j++) {
      uint8_t* weights = block + FIRST + j * WEIGHTS;
      putWeights<BITS>(weights, weights + 256, row, raw.weights + 32 * j);
      block[SCALES + j * PANEL + row] = raw.scales[j];
      block[MINIMA + j * PANEL + row] = raw.minima[j];
    }
    putHalf(block + FACTORS, row, raw.d);
    putHalf(block + FACTORS + 32, row, raw.m);
  }
  static void numbers(const RawBlock& raw, float* to) {
    const float d = number(raw.d), m = number(raw.m);
    for (int j = 0; j < 8; j++) {
      const float scale = d * static_cast<float>(raw.scales[j]),
                  least = m * static_cast<float>(raw.minima[j]);
      for (int l = 0; l < 32; l++)
        to[32 * j + l] = scale * static_cast<float>(raw.weights[32 * j + l]) - least;
    }
  }
};

/** Q6_K: 16 sub-blocks of 16 with signed scales of 8 bits, weight = d · scale · (q − 32). */
struct SixBits {
  static constexpr int BITS = 6;
  static constexpr bool MINIMUM = false;
  static constexpr int LIGHT_ROWS = 0;
  static constexpr int FILE_BLOCKS = 8, SUB_BLOCKS = 8, HALVES = 2, OFFSET = 32;
  static constexpr int64_t FILE_BYTES = 210, WEIGHTS = 384, SCALES = 8 * WEIGHTS,
                           FACTORS = SCALES + 256, BYTES = FACTORS + 32;
  static constexpr int64_t lastBytes(int64_t) { return 0; }

  static void unpack(const uint8_t* block, int sub, int v, I (&q)[8]) {
    unpackNibbles(block + sub * WEIGHTS, v, q);
    addTwoBits(block + sub * WEIGHTS + 256, v, q);
  }
  static V scale(const uint8_t* block, int sub, int half, int v) {
    const int8_t* scales =
        reinterpret_cast<const int8_t*>(block + SCALES + (2 * sub + half) * PANEL + v * W);
    return mul(halvesAt(block + FACTORS, v), toFloat(bytesToInts(scales)));
  }
  static V minimum(const uint8_t*, int, int) { return zero(); }

  static void read(const uint8_t* file, RawBlock& raw) {
    raw.d = halfAt(file + 208);
    __builtin_memcpy(raw.scales, file + 192, 16);
    for (int n = 0; n < 2; n++) {
      for (int k = 0; k < 4; k++) {
        for (int l = 0; l < 32; l++) {
          const int low = file[64 * n + l + 32 * (k & 1)] >> 4 * (k >> 1) & 15,
                    high = file[128 + 32 * n + l] >> 2 * k & 3;
          raw.weights[128 * n + 32 * k + l] = static_cast<uint8_t>(low | high << 4);
        }
      }
    }
  }
  static void put(uint8_t* block, int, int row, const RawBlock& raw) {
    for (int j = 0; j < 8; j++)
      putWeights<6>(block + j * WEIGHTS, block + j * WEIGHTS + 256, row, raw.weights + 32 * j);
    for (int j = 0; j < 16; j++) block[SCALES + j * PANEL + row] = raw.scales[j];
    putHalf(block + FACTORS, row, raw.d);
  }
  static void numbers(const RawBlock& raw, float* to) {
    const float d = number(raw.d);
    for (int j = 0; j < 16; j++) {
      const float scale = d * static_cast<float>(static_cast<int8_t>(raw.scales[j]));
      for (int l = 0; l < 16; l++)
        to[16 * j + l] = scale * static_cast<float>(raw.weights[16 * j + l] - OFFSET);
    }
  }
};

/**
 * Calls work(format) for a format's code: its place in this list, which src/block-linear.ts
 * repeats.
 */
template <class Work>
inline auto withFormat(int64_t format, Work work) {
  switch (format) {
    case 0: return work(EightBits());
    case 1: return work(Simple<4, false>());
    case 2: return work(Simple<4, true>());
    case 3: return work(Simple<5, false>());
    case 4: return work(Simple<5, true>());
    case 5: return work(WithMinima<4>());
    case 6: return work(WithMinima<5>());
    default: return work(SixBits());
  }
}

/** Bytes of a packed panel of length k. */
template <class Format>
constexpr int64_t panelBytes(int64_t k) {
  return k / (BLOCK * Format::SUB_BLOCKS) * Format::BYTES +
         Format::lastBytes(k / BLOCK % Format::SUB_BLOCKS);
}

/** Blocks of a file, [columns, k] row by row, into panels. */
struct PackBlocks : PackBlocksArguments {
  using PackBlocksArguments::PackBlocksArguments;

  int64_t chunks() const { return ceilDivide(columns, PANEL); }
  void run(int64_t chunk, ThreadMemory&) const {
    withFormat(format, [&](auto of) {
      using Format = decltype(of);
      const int64_t blocks = k / (BLOCK * Format::FILE_BLOCKS);
      uint8_t* panel = packed + chunk * panelBytes<Format>(k);
      __builtin_memset(panel, 0, static_cast<size_t>(panelBytes<Format>(k)));
      const Range rows = piece(chunk, PANEL, columns);
      RawBlock raw;
      for (int64_t row = rows.start; row < rows.end; row++) {
        for (int64_t b = 0; b < blocks; b++) {
          Format::read(source + (row * blocks + b) * Format::FILE_BYTES, raw);
          const int64_t at = b * Format::FILE_BLOCKS;
          uint8_t* group = panel + at / Format::SUB_BLOCKS * Format::BYTES;
          Format::put(group, static_cast<int>(at % Format::SUB_BLOCKS),
                      static_cast<int>(row - rows.start), raw);
        }
      }
    });
  }
};

/**
 * y[i] = x[rows[i]], made numbers: embedding from a table of blocks.            y: [count, columns]
 */
struct GatherBlocks : GatherBlocksArguments {
  using GatherBlocksArguments::GatherBlocksArguments;

  int64_t chunks() const { return ceilDivide(count, rowsPerChunk(columns)); }
  void run(int64_t chunk, ThreadMemory&) const {
    const Range range = piece(chunk, rowsPerChunk(columns), count);
    withFormat(format, [&](auto of) {
      using Format = decltype(of);
      constexpr int64_t WEIGHTS = BLOCK * Format::FILE_BLOCKS;
      RawBlock raw;
      float numbers[256];
      for (int64_t i = range.start; i < range.end; i++) {
        const int64_t row = rows[i] - first;
        if (!isHeld(row, held)) {
          withElements(typeY, y, [&](auto* to) {
            __builtin_memset(to + i * columns, 0, static_cast<size_t>(columns) * sizeof(*to));
          });
          continue;
        }
        const uint8_t* from = x + row * (columns / WEIGHTS) * Format::FILE_BYTES;
        for (int64_t c = 0; c < columns; c += WEIGHTS, from += Format::FILE_BYTES) {
          Format::read(from, raw);
          Format::numbers(raw, numbers);
          withElements(typeY, y, [&](auto* to) {
            convert(to + i * columns + c, static_cast<const float*>(numbers), 0, WEIGHTS);
          });
        }
      }
    });
  }
};

}  // namespace cria::CRIA_ISA

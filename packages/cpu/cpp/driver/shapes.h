// How many bytes the layouts of the kernels take, for random calls: written anew from what their
// headers say, so that a kernel which takes more than that is caught.
#pragma once
#include "random.h"

/** Of a number of a dtype, f32, bf16, f16 (a flag says whether it is bf16). */
inline int64_t bytesOf(int64_t dtype) { return dtype == 0 ? 4 : 2; }

/** Panels of one dtype: halves may be stored in pairs. */
inline int64_t panelBytes(int64_t dtype, int64_t columns, int64_t k, int64_t panel) {
  return (columns + panel - 1) / panel * panel * (dtype == 0 ? 4 * k : 4 * ((k + 1) / 2));
}

/** Strips of at most 16 rows, in words of f32 or in pairs. */
inline int64_t stripBytes(int64_t rows, int64_t k) { return (rows + 16) * 4 * k; }

/** A row of a key or value cache: f32, bf16, f16, or blocks of 32 with a scale. */
inline int64_t cacheBytes(int64_t type, int64_t columns) {
  if (type == 3) return columns / 32 * 34;
  return columns * bytesOf(type);
}

/** Of 256 weights as a file has them, and of 16 packed rows of them, by format (block-format.h). */
constexpr int64_t BLOCK_BYTES[] = {8 * 34, 8 * 18, 8 * 20, 8 * 22, 8 * 24, 144, 176, 210};
constexpr int64_t PANEL_BYTES[] = {8 * 544, 8 * 288, 8 * 320, 8 * 352, 8 * 384, 2368, 2880, 3360};

inline int64_t blockBytes(int64_t format, int64_t rows, int64_t k) {
  return rows * BLOCK_BYTES[format] * k / 256;
}
inline int64_t blockPanelBytes(int64_t format, int64_t rows, int64_t k) {
  return (rows + 15) / 16 * PANEL_BYTES[format] * k / 256;
}
/** Sums of rounded activations of a row: q6_k, the last format, has two a block of 32. */
inline int64_t startsOf(int64_t format, int64_t k) { return k / 32 * (format == 7 ? 2 : 1); }

/** GGUF's types that there are quantisers for: weights and bytes of a file's block. */
struct Quantized {
  int64_t type, weights, bytes;
};
constexpr Quantized QUANTIZED[] = {{2, 32, 18}, {3, 32, 20},    {6, 32, 22},    {7, 32, 24},
                                   {8, 32, 34}, {12, 256, 144}, {13, 256, 176}, {14, 256, 210}};

inline const Quantized& quantizedOf(int64_t type) {
  int i = 0;
  while (QUANTIZED[i].type != type) i++;
  return QUANTIZED[i];
}
inline int64_t quantizedType() { return QUANTIZED[below(8)].type; }
inline int64_t weightsOf(int64_t type) { return quantizedOf(type).weights; }
inline int64_t quantizedBytes(int64_t type, int64_t weights) {
  return weights / weightsOf(type) * quantizedOf(type).bytes;
}

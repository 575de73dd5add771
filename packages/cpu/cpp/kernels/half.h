// Conversion between float dtypes, to nearest even, without the instructions that only some processors have.
#pragma once
#include "operation.h"

namespace cria::CRIA_ISA {

inline uint32_t bitsOf(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, 4);
  return bits;
}
inline float ofBits(uint32_t bits) {
  float x;
  __builtin_memcpy(&x, &bits, 4);
  return x;
}

inline float widenBf16(uint16_t h) { return ofBits(static_cast<uint32_t>(h) << 16); }

inline uint16_t narrowBf16(float x) {
  const uint32_t bits = bitsOf(x);
  const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
  return static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? bits >> 16 | 0x40u : rounded);
}

inline float widenF16(uint16_t h) {
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000u) << 16, rest = h & 0x7fffu;
  // Moving the bits gives the value times 2⁻¹¹²; the multiplication puts that right, subnormals included.
  const float magnitude = rest >= 0x7c00u ? ofBits(0x7f800000u | (rest & 0x3ffu) << 13) : ofBits(rest << 13) * 0x1p112f;
  return ofBits(bitsOf(magnitude) | sign);
}

inline uint16_t narrowF16(float x) {
  const uint32_t bits = bitsOf(x), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
  // Below 2⁻¹⁴: adding 0.5 leaves the rounded multiple of 2⁻²⁴ in the low bits.
  if (magnitude < 0x38800000u) return static_cast<uint16_t>(sign | (bitsOf(ofBits(magnitude) + 0.5f) - 0x3f000000u));
  return static_cast<uint16_t>(sign | (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13);
}

/** y = x in another dtype. `to` and `from` are codes of `Dtype`. */
struct Cast {
  static constexpr int64_t PIECE = 1 << 15;
  char* y;
  const char* x;
  int64_t elements, to, from;

  explicit Cast(Arguments& in) : y(in.tensor<char>()), x(in.tensor<const char>()), elements(in.integer()), to(in.integer()), from(in.integer()) {}
  int64_t chunks() const { return ceilDivide(elements, PIECE); }
  void run(int64_t chunk, ThreadMemory&) const {
    const Range range = piece(chunk, PIECE, elements);
    for (int64_t i = range.start; i < range.end; i++) put(i, get(i));
  }

 private:
  float get(int64_t i) const {
    if (from == static_cast<int64_t>(Dtype::f32)) return reinterpret_cast<const float*>(x)[i];
    const uint16_t half = reinterpret_cast<const uint16_t*>(x)[i];
    return from == static_cast<int64_t>(Dtype::bf16) ? widenBf16(half) : widenF16(half);
  }
  void put(int64_t i, float value) const {
    if (to == static_cast<int64_t>(Dtype::f32)) reinterpret_cast<float*>(y)[i] = value;
    else reinterpret_cast<uint16_t*>(y)[i] = to == static_cast<int64_t>(Dtype::bf16) ? narrowBf16(value) : narrowF16(value);
  }
};

}  // namespace cria::CRIA_ISA

// The elements that kernels read and write besides float: halves as they are stored, bits and no
// arithmetic, and their conversions one by one, to nearest even. Every vec-*.h loads and stores
// vectors of them as vectors of floats.
#pragma once
#include <stdint.h>

namespace cria::CRIA_ISA {

struct Bf16 {
  uint16_t bits;
};
struct F16 {
  uint16_t bits;
};
/** Two bf16 that lie side by side, the first in the low half. */
struct Pair {
  uint32_t bits;
};

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

inline float number(float x) { return x; }
inline float number(Bf16 h) { return ofBits(static_cast<uint32_t>(h.bits) << 16); }
inline float number(F16 h) {
  const uint32_t sign = static_cast<uint32_t>(h.bits & 0x8000u) << 16, rest = h.bits & 0x7fffu;
  // Moving the bits gives the value times 2⁻¹¹²; the multiplication puts that right, subnormals
  // included.
  const float magnitude =
      rest >= 0x7c00u ? ofBits(0x7f800000u | (rest & 0x3ffu) << 13) : ofBits(rest << 13) * 0x1p112f;
  return ofBits(bitsOf(magnitude) | sign);
}

inline void assign(float& to, float x) { to = x; }
inline void assign(Bf16& to, float x) {
  const uint32_t bits = bitsOf(x);
  const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
  to.bits =
      static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? bits >> 16 | 0x40u : rounded);
}
inline void assign(F16& to, float x) {
  const uint32_t bits = bitsOf(x), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u)
    to.bits = static_cast<uint16_t>(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
  else if (magnitude >= 0x477ff000u) to.bits = static_cast<uint16_t>(sign | 0x7c00u);
  // Below 2⁻¹⁴: adding 0.5 leaves the rounded multiple of 2⁻²⁴ in the low bits.
  else if (magnitude < 0x38800000u)
    to.bits = static_cast<uint16_t>(sign | (bitsOf(ofBits(magnitude) + 0.5f) - 0x3f000000u));
  else
    to.bits = static_cast<uint16_t>(
        sign | (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13);
}

}  // namespace cria::CRIA_ISA

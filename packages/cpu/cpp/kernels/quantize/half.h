// Scales of blocks: IEEE halves, the same bits on every instruction set.
#pragma once
#include "kernels/operation.h"

namespace cria::CRIA_ISA::blocks {

/** IEEE half, ties to even. */
#ifdef __F16C__
inline uint16_t toHalf(float value) {
  return static_cast<uint16_t>(_cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
inline float fromHalf(uint16_t half) { return _cvtsh_ss(half); }
#else
inline uint16_t toHalf(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, 4);
  const uint32_t sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
  if (magnitude < 0x38800000u) {
    float scaled;
    __builtin_memcpy(&scaled, &magnitude, 4);
    scaled = scaled * 16777216.0f + 8388608.0f;
    __builtin_memcpy(&bits, &scaled, 4);
    return static_cast<uint16_t>(sign | (bits & 0x7fffffu));
  }
  return static_cast<uint16_t>(
      sign | ((magnitude + 0xfffu + ((magnitude >> 13) & 1u) - 0x38000000u) >> 13));
}
inline float fromHalf(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16, exponent = (half >> 10) & 31u,
                 fraction = half & 0x3ffu;
  float value;
  if (exponent == 0) {
    value = static_cast<float>(fraction) * 5.9604644775390625e-8f;
    return sign ? -value : value;
  }
  const uint32_t bits = sign | (exponent == 31 ? 0x7f800000u | fraction << 13
                                               : (exponent + 112) << 23 | fraction << 13);
  __builtin_memcpy(&value, &bits, 4);
  return value;
}
#endif
inline void putHalf(uint8_t* to, uint16_t half) { __builtin_memcpy(to, &half, 2); }

}  // namespace cria::CRIA_ISA::blocks

// The tile unit: eight tiles of 16 rows by 64 bytes, the two products that kernels use, and what
// must surround them.
//
// Written as assembly: g++ 12 tells its optimizer that tile configuration reads only 8 of the 64
// bytes, and drops the rest of the writes to it. CRIA_AMX_EMULATED puts tiles-emulated.h in the
// place of the processor's instructions.
#pragma once
#include <stdint.h>

#ifdef CRIA_AMX_EMULATED
#include "tiles-emulated.h"
#else

namespace cria::CRIA_ISA::tiles {

/** Operand of ldtilecfg: bytes of a row, and rows, of each tile. */
struct alignas(64) Layout {
  uint8_t palette = 1, start = 0, reserved[14] = {};
  uint16_t bytes[16] = {};
  uint8_t rows[16] = {};
};

/** Takes the unit for this thread; all tiles become zero. */
inline void configure(const Layout& layout) {
  asm volatile("ldtilecfg %0" ::"m"(layout) : "memory");
}
/**
 * Gives the unit back: the system need not save tiles any more, and the processor may sleep deeper.
 */
inline void release() { asm volatile("tilerelease" ::: "memory"); }

template <int T>
inline void zero() {
  asm volatile("tilezero %%tmm%c0" ::"i"(T));
}
/** Rows `stride` bytes apart. */
template <int T>
inline void load(const void* p, int64_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(p), "r"(stride), "i"(T) : "memory");
}
template <int T>
inline void store(void* p, int64_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(p), "r"(stride), "i"(T) : "memory");
}
/**
 * C += A·B of bf16 pairs, in f32: for 32 of k, a chain over even k, one over odd k, both from zero;
 * then C + (even + odd). Denormals count as 0.
 */
template <int C, int A, int B>
inline void dotPairs() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(A), "i"(B));
}
/** C += A·B of signed by unsigned bytes, in whole numbers. */
template <int C, int A, int B>
inline void dotBytes() {
  asm volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(A), "i"(B));
}

}  // namespace cria::CRIA_ISA::tiles
#endif

namespace cria::CRIA_ISA {

/** Bytes of a whole tile; its rows, and pairs or floats in each. */
constexpr int64_t TILE = 1024;
constexpr int64_t TILE_ROWS = 16;

/**
 * Holds the unit as long as it lives. Tiles 0 to 3 hold sums, 4 and 5 the left factor, 6 and 7 the
 * right one.
 */
class TileUnit {
 public:
  /**
   * `rows` of the left factor; `bytes` of its rows (64 of bf16), so four times as many numbers as
   * rows of the right one.
   */
  TileUnit(int64_t rows, int64_t bytes) {
    tiles::Layout layout;
    for (int t = 0; t < 8; t++) {
      layout.bytes[t] = static_cast<uint16_t>(t == 4 || t == 5 ? bytes : 64);
      layout.rows[t] = static_cast<uint8_t>(t < 6 ? rows : bytes / 4);
    }
    tiles::configure(layout);
  }
  ~TileUnit() { tiles::release(); }
  TileUnit(const TileUnit&) = delete;
  TileUnit& operator=(const TileUnit&) = delete;
};

}  // namespace cria::CRIA_ISA

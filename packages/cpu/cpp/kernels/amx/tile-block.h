// The innermost loop of products by tiles: 32 by 32 sums in four tiles. The operands of a step are
// loaded first, then multiplied (interleaved it was up to 20 % slower).
#pragma once
#include "panels.h"

namespace cria::CRIA_ISA {

/** Sums of STRIPS strips by PANELS panels over `steps` steps, in tiles 0 to 3. */
template <int STRIPS, int PANELS>
struct TileBlock {
  static_assert(STRIPS * PANELS == 2 || STRIPS * PANELS == 1,
                "two tiles a strip and panel, four in all");
  /**
   * Left tiles of a strip follow each other, `tile` bytes each; strips are `strip` bytes apart,
   * panels `panel`.
   */
  const uint8_t* a;
  const uint8_t* b;
  int64_t tile, strip, panel;
  /**
   * What comes next from far away, `share` bytes of it asked for a step, so that it is in the
   * second-level cache by then; or null.
   */
  const uint8_t* next = nullptr;
  int64_t share = 0;

  /** sums: [strip][panel][2 tiles]; `begin`: they hold where to begin, else zero */
  void run(float* sums, int64_t rowBytes, int64_t steps, const uint8_t* (&last)[PANELS],
           bool begin) const {
    if (begin)
      each([&](auto t, int64_t at) {
        tiles::load<decltype(t)::value>(reinterpret_cast<const char*>(sums) + at, rowBytes);
      });
    else each([&](auto t, int64_t) { tiles::zero<decltype(t)::value>(); });
    for (int64_t s = 0; s < steps; s++) {
      const uint8_t* left = a + s * tile;
      const uint8_t* right[PANELS];
      for (int p = 0; p < PANELS; p++)
        right[p] = s == steps - 1 && last[p] != nullptr ? last[p] : b + p * panel + s * TILE_STEP;
      if (STRIPS == 1) lookAhead(b + s * TILE_STEP);
      else if (next != nullptr) askForNext(s);
      step(left, right);
    }
    each([&](auto t, int64_t at) {
      tiles::store<decltype(t)::value>(reinterpret_cast<char*>(sums) + at, rowBytes);
    });
  }

 private:
  template <int n>
  struct Number {
    static constexpr int value = n;
  };
  /** Calls work(tile, bytes from the first sum). */
  template <class Work>
  static void each(Work work) {
    work(Number<0>(), int64_t{0});
    work(Number<1>(), TILE);
    if constexpr (STRIPS * PANELS == 2) {
      work(Number<2>(), 2 * TILE);
      work(Number<3>(), 3 * TILE);
    }
  }
  /** A weight that is read once comes from memory: the step after next is asked for. */
  void lookAhead(const uint8_t* from) const {
    for (int p = 0; p < PANELS; p++) prefetchLines(from + p * panel + TILE_STEP);
  }
  void askForNext(int64_t s) const {
    for (int64_t at = s * share; at < (s + 1) * share; at += 64)
      __builtin_prefetch(next + at, 0, 2);
  }
  static void prefetchLines(const uint8_t* p) {
    for (int64_t line = 0; line < TILE_STEP; line += 64) prefetch(p + line);
  }
  void step(const uint8_t* left, const uint8_t* const (&right)[PANELS]) const {
    tiles::load<6>(right[0], 64);
    tiles::load<7>(right[0] + TILE, 64);
    tiles::load<4>(left, 64);
    if constexpr (STRIPS == 2) tiles::load<5>(left + strip, 64);
    tiles::dotPairs<0, 4, 6>();
    tiles::dotPairs<1, 4, 7>();
    if constexpr (STRIPS == 2) {
      tiles::dotPairs<2, 5, 6>();
      tiles::dotPairs<3, 5, 7>();
    } else if constexpr (PANELS == 2) {
      tiles::load<6>(right[1], 64);
      tiles::load<7>(right[1] + TILE, 64);
      tiles::dotPairs<2, 4, 6>();
      tiles::dotPairs<3, 4, 7>();
    }
  }
};

}  // namespace cria::CRIA_ISA

// Numbers that look random and are the same for the same seed on every machine.
#pragma once
#include <stdint.h>

inline uint64_t randomState = 1;

inline uint32_t random32() {
  randomState = randomState * 6364136223846793005u + 1442695040888963407u;
  return static_cast<uint32_t>(randomState >> 33);
}

/** From 0 to n − 1; 0 where there is none. */
inline int64_t below(int64_t n) {
  return n <= 0 ? 0 : static_cast<int64_t>(random32() % static_cast<uint64_t>(n));
}

/** Mostly small, sometimes past the edge of a block. */
inline int64_t extent() { return below(20) == 0 ? 200 + below(400) : below(70); }

/** Mostly within ±2; now and then what arithmetic stumbles over. */
inline float value() {
  switch (below(200)) {
    case 0: return __builtin_nanf("");
    case 1: return __builtin_inff();
    case 2: return -__builtin_inff();
    case 3: return 1e-42f;
    case 4: return 3e38f;
    default: return static_cast<float>(below(2001) - 1000) / 500.0f;
  }
}

// Rows of keys and values as they lie in memory, made into rows of words that the products read.
#pragma once
#include "scores.h"

namespace cria::CRIA_ISA::attention {

/**
 * How keys and values are stored, in the order of the device's codes. Q8_0: blocks of 32 numbers, a
 * half precision scale and 32 signed bytes.
 */
enum class Stored : int32_t { f32, bf16, f16, q8_0 };

constexpr int BLOCK = 32, BLOCK_BYTES = 34;

static inline int64_t bytesOf(Stored stored, int64_t numbers) {
  return stored == Stored::f32    ? 4 * numbers
         : stored == Stored::q8_0 ? numbers / BLOCK * BLOCK_BYTES
                                  : 2 * numbers;
}

/**
 * Keys and values of one key/value head of a sequence: rows lie `step` bytes apart, in the blocks
 * of a table where there is one.
 */
struct Source {
  const char* keys;
  const char* values;
  int64_t step;
  const int32_t* table;  // null: one row after another
  int32_t blockShift;    // blocks hold 2^shift keys
  Stored stored;

  int64_t place(int64_t key) const {
    if (table == nullptr) return step * key;
    const int64_t inside = key & ((int64_t{1} << blockShift) - 1);
    return step * ((static_cast<int64_t>(table[key >> blockShift]) << blockShift) + inside);
  }
};

template <bool First, class A, class B>
struct Selected {
  using Type = A;
};
template <class A, class B>
struct Selected<false, A, B> {
  using Type = B;
};
template <bool First, class A, class B>
using Select = typename Selected<First, A, B>::Type;

/**
 * Where a chunk's rows are, as words. keys[j]: words of key j. values[i]: Words::STEP keys side by
 * side, E words.
 */
struct Chunk {
  const float* keys[KEYS];
  const float* values[KEYS];
};

/** Room for the converted rows of a chunk, whatever they are stored as. */
static inline size_t convertedBytes(int E) {
  return 2 * static_cast<size_t>(KEYS) * E * sizeof(float);
}

static inline V blockScale(const char* block) {
  F16 scale;
  __builtin_memcpy(&scale, block, sizeof scale);
  return set1(number(scale));
}
/** Numbers e to e + W of a block. */
static inline V blockNumbers(const char* block, V scale, int e) {
  return mul(toFloat(bytesToInts(reinterpret_cast<const int8_t*>(block) + 2 + e)), scale);
}

template <Stored S>
static inline const float* widened(const char* row, float* to, int E) {
  if constexpr (S == Stored::f32) return reinterpret_cast<const float*>(row);
  if constexpr (S == Stored::q8_0) {
    for (int b = 0; b < E; b += BLOCK, row += BLOCK_BYTES) {
      const V scale = blockScale(row);
      CRIA_UNROLL for (int e = 0; e < BLOCK; e += W) store(to + b + e, blockNumbers(row, scale, e));
    }
    return to;
  }
  using Half = Select<S == Stored::bf16, Bf16, F16>;
  const Half* halves = reinterpret_cast<const Half*>(row);
  int e = 0;
  for (; e + W <= E; e += W) store(to + e, load(halves + e));
  if (e < E) store(to + e, load(halves + e, E - e), E - e);
  return to;
}

/** Rows at `places` as floats: as they lie, or in `room` of n rows. */
template <Stored S>
static inline void widenedRows(const char* rows, const int64_t* places, int n, int E, float* room,
                               const float** to) {
  for (int j = 0; j < n; j++) to[j] = widened<S>(rows + places[j], room + j * E, E);
}

static inline void floatRows(Stored stored, const char* rows, const int64_t* places, int n, int E,
                             float* room, const float** to) {
  switch (stored) {
    case Stored::f32: return widenedRows<Stored::f32>(rows, places, n, E, room, to);
    case Stored::bf16: return widenedRows<Stored::bf16>(rows, places, n, E, room, to);
    case Stored::f16: return widenedRows<Stored::f16>(rows, places, n, E, room, to);
    case Stored::q8_0: return widenedRows<Stored::q8_0>(rows, places, n, E, room, to);
  }
}

#ifdef CRIA_ATTENTION_PAIRS
/**
 * Rows of two keys, number by number side by side; the second may be missing.
 *     to: [E] words
 */
static inline void interleaveHalves(const Bf16* row, const Bf16* next, float* to, int E) {
  int e = 0;
  if (next != nullptr) {
    for (; e + 2 * W <= E; e += 2 * W) {
      V low, high;
      interleave(row + e, next + e, low, high);
      store(to + e, low);
      store(to + e + W, high);
    }
  }
  for (; e < E; e += W) {
    const int rest = E - e < W ? E - e : W;
    store(to + e, pairUp(row + e, next == nullptr ? nullptr : next + e, rest), rest);
  }
}
static inline void interleaveBlocks(const char* row, const char* next, float* to, int E) {
  for (int b = 0; b < E; b += BLOCK, row += BLOCK_BYTES) {
    const V scale = blockScale(row);
    V second[BLOCK / W];
    CRIA_UNROLL for (int i = 0; i < BLOCK / W; i++) second[i] = zero();
    if (next != nullptr) {
      const V other = blockScale(next);
      CRIA_UNROLL for (int i = 0; i < BLOCK / W; i++) second[i] = blockNumbers(next, other, i * W);
      next += BLOCK_BYTES;
    }
    CRIA_UNROLL for (int i = 0; i < BLOCK / W; i++)
        store(to + b + i * W, pairLanes(blockNumbers(row, scale, i * W), second[i]));
  }
}

static inline const float* roundedBlocks(const char* row, float* to, int E) {
  for (int b = 0; b < E; b += BLOCK, row += BLOCK_BYTES) {
    const V scale = blockScale(row);
    CRIA_UNROLL for (int e = 0; e < BLOCK; e += 2 * W) store(
        to + (b + e) / 2, pairsOf(blockNumbers(row, scale, e), blockNumbers(row, scale, e + W)));
  }
  return to;
}

/** Rows of bf16 are pairs as they lie. */
static inline void pairedKeys(Stored stored, const char* keys, const int64_t* places, int n, int E,
                              float* room, const float** to) {
  if (stored == Stored::bf16) {
    for (int j = 0; j < n; j++) to[j] = reinterpret_cast<const float*>(keys + places[j]);
  } else {
    for (int j = 0; j < n; j++) to[j] = roundedBlocks(keys + places[j], room + j * (E / 2), E);
  }
}

static inline void pairedValues(Stored stored, const char* values, const int64_t* places, int n,
                                int E, float* room, const float** to) {
  for (int j = 0; j < n; j += 2, room += E) {
    const char* row = values + places[j];
    const char* next = j + 1 < n ? values + places[j + 1] : nullptr;
    to[j / 2] = room;
    if (stored == Stored::q8_0) {
      interleaveBlocks(row, next, room, E);
    } else {
      interleaveHalves(reinterpret_cast<const Bf16*>(row), reinterpret_cast<const Bf16*>(next),
                       room, E);
    }
  }
}
#endif

/** Keys of n places as words, in n rows; `room` for n rows of E floats. */
template <class Words>
static inline void keyRows(Stored stored, const char* keys, const int64_t* places, int n, int E,
                           float* room, const float** to) {
#ifdef CRIA_ATTENTION_PAIRS
  if constexpr (Words::STEP == 2) return pairedKeys(stored, keys, places, n, E, room, to);
#endif
  floatRows(stored, keys, places, n, E, room, to);
}

/** Values of n places as words, Words::STEP of them to a row; `room` for n rows of E floats. */
template <class Words>
static inline void value_rows(Stored stored, const char* values, const int64_t* places, int n,
                              int E, float* room, const float** to) {
#ifdef CRIA_ATTENTION_PAIRS
  if constexpr (Words::STEP == 2) return pairedValues(stored, values, places, n, E, room, to);
#endif
  floatRows(stored, values, places, n, E, room, to);
}

/**
 * Rows `first` to first + n of a source as words: keys from the beginning of the room, values KEYS
 * rows of words later.
 */
template <class Words>
static void storedRows(const Source& source, int64_t first, int n, int E, float* room,
                       Chunk& chunk) {
  int64_t places[KEYS];
  for (int j = 0; j < n; j++) places[j] = source.place(first + j);
  keyRows<Words>(source.stored, source.keys, places, n, E, room, chunk.keys);
  value_rows<Words>(source.stored, source.values, places, n, E,
                    room + static_cast<size_t>(KEYS) * E / Words::STEP, chunk.values);
}

/**
 * Rows of bf16 and of blocks are multiplied as pairs where the instruction set can, those of an
 * even width that is not too small.
 */
static inline bool inPairs(Stored stored, int E) {
  return HalfWords::STEP == 2 && (stored == Stored::bf16 || stored == Stored::q8_0) && E % 2 == 0 &&
         E >= LEAST_WIDTH;
}

}  // namespace cria::CRIA_ISA::attention

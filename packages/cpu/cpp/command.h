// What the command walker and the kernels agree on. Plain data only: this header is compiled with
// every instruction set's flags, and an inline function here would be shared between them.
//
// A list is doubles: code, length (of the whole command), arguments. code = operation + operations
// · dtype, so that an operation in another dtype is one more table entry. A tensor argument is two
// numbers, storage and byte offset; storage 0 is "not given".
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "generated/operations.h"

namespace cria {

enum class Op : int32_t {
#define X(name) name##_,
  CRIA_OPERATIONS(X)
#undef X
      count
};
constexpr int32_t OPERATIONS = static_cast<int32_t>(Op::count);

/** Dtypes of commands, in the order of their codes. */
enum class Dtype : int32_t { f32, bf16, f16, count };
constexpr int32_t DTYPES = static_cast<int32_t>(Dtype::count);

/**
 * Memory of one thread that lasts from chunk to chunk; `grow` (storage.h) makes it large enough.
 */
struct ThreadMemory {
  char* memory;
  uint64_t bytes;
  char* (*grow)(ThreadMemory& memory, uint64_t bytes);
};

/**
 * A command's work is `chunks` pieces, their number a function of the arguments alone; any thread
 * may run any of them.
 */
struct Kernel {
  int64_t (*chunks)(const double* arguments, char* const* storages);
  void (*run)(const double* arguments, char* const* storages, int64_t chunk, ThreadMemory& memory);
};

/**
 * Bytes from `from` on of an open file into memory (storage.cc): an error number, 0 for none. Not
 * in wasm.
 */
int32_t readFileRange(int32_t file, uint64_t from, uint64_t bytes, char* to);

using KernelTable = Kernel[OPERATIONS * DTYPES];

}  // namespace cria

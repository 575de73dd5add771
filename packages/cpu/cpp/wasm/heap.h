// The heap of the module's memory, from the end of its data to the end of what JavaScript made.
// Callers hold a lock.
#pragma once
#include <stdint.h>

namespace cria {

/** Memory aligned to 64 bytes, not zeroed; null where there is none. */
char* heapTake(uint64_t bytes);
void heapGive(char* memory);

}  // namespace cria

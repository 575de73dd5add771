// What a command of the list is to a pool: some chunks. `together` holds commands that do not wait
// for each other and runs them as one, their chunks in a row, so that threads go from one product
// to the next without meeting in between.
//   code of together, length, how many, then whole commands: code, length, arguments …
#pragma once
#include "command.h"

namespace cria {

inline const Kernel* kernelOf(const Kernel* kernels, const double* command) {
  const double code = command[0];
  if (!(code >= 0 && code < OPERATIONS * DTYPES)) return nullptr;
  const Kernel* kernel = kernels + static_cast<int32_t>(code);
  return kernel->run == nullptr ? nullptr : kernel;
}

/** Calls work(command) for each command that runs as part of this one, until it returns true. */
template <class Work>
inline void forMembers(const double* command, Work work) {
  if (command[0] != static_cast<double>(Op::together_)) {
    work(command);
    return;
  }
  const double* member = command + 3;
  for (int64_t i = static_cast<int64_t>(command[2]); i > 0;
       i--, member += static_cast<int64_t>(member[1])) {
    if (work(member)) return;
  }
}

/** Chunks of a command, or −1 where there is no kernel for it. */
inline int64_t countChunks(const Kernel* kernels, const double* command, char* const* storages) {
  int64_t chunks = 0;
  forMembers(command, [&](const double* member) {
    const Kernel* kernel = kernelOf(kernels, member);
    const int64_t own = kernel == nullptr ? -1 : kernel->chunks(member + 2, storages);
    chunks = own < 0 ? -1 : chunks + own;
    return own < 0;
  });
  return chunks;
}

inline void runChunk(const Kernel* kernels, const double* command, char* const* storages,
                     int64_t chunk, ThreadMemory& memory) {
  forMembers(command, [&](const double* member) {
    const Kernel& kernel = *kernelOf(kernels, member);
    const int64_t own = command == member ? chunk + 1 : kernel.chunks(member + 2, storages);
    if (chunk < own) kernel.run(member + 2, storages, chunk, memory);
    chunk -= own;
    return chunk < 0;
  });
}

}  // namespace cria

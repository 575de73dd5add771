// The thread pool: one in a process, parked when idle. Commands are cut into chunks and whoever is there takes the next one, so no
// thread waits for one that the system does not let run.
#pragma once
#include <stdint.h>

#include "command.h"

namespace cria {

/** Place in the order of lists: taken when a list is handed over, so that lists run in that order on whatever thread. */
uint64_t takeTurn();

/**
 * Runs a list on the caller and up to threads − 1 parked workers; waits for its turn first. Returns −1, or the position of a
 * command that could not be understood (nothing behind it was run).
 */
int64_t run(uint64_t turn, const double* list, int64_t length, int32_t threads, const KernelTable& kernels);

/** Threads of the pool that exist now, the callers not counted. */
int32_t workers();

}  // namespace cria

// Thread pools, parked when idle. Commands are cut into chunks and whoever is there takes the next
// one, so no thread waits for one that the system does not let run. A pool runs one list at a time;
// lists of several pools run side by side over the same storages, and may wait for each other in
// calls.
#pragma once
#include <stdint.h>

#include "command.h"

namespace cria {

/**
 * A pool of its own for a device: one that was closed, with its threads, or a new one. Pool 0 is
 * always there, for whoever has none.
 */
int32_t openPool();
/** Once the last list of the pool has ended: another device may have it. */
void closePool(int32_t pool);

/**
 * Place in the order of a pool's lists: taken when a list is handed over, so that lists run in that
 * order on whatever thread.
 */
uint64_t takeTurn(int32_t pool);

/** How a list ended. */
struct Outcome {
  /**
   * −1 where all of it was run; else the command at which it stopped: nothing behind it was run.
   */
  int64_t position;
  /** What a call answered that failed; 0 where the command could not be understood. */
  int32_t status;
};

/** Runs a list on the caller and up to threads − 1 parked workers; waits for its turn first. */
Outcome run(int32_t pool, uint64_t turn, const double* list, int64_t length, int32_t threads,
            const KernelTable& kernels);

/**
 * As one number for JavaScript: −1, a position, or −2 − (position · 2¹⁶ + status) where a call
 * failed.
 */
double asNumber(const Outcome& outcome);

}  // namespace cria

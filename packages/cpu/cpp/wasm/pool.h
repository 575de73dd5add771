// Lists on the threads of one module: the protocol of ../pool.cc with the atomics and waits that
// wasm has. JavaScript starts the workers; a list never waits for one that is not there.
#pragma once
#include <stdint.h>

namespace cria {

/** The place of a list among those that wait to run. Every turn that is taken must be run. */
int32_t takeTurn();

/**
 * When its turn has come, runs a list on the caller and the workers below `threads`. −1, or the
 * position of a command that could not be understood. A browser's main thread may not sleep.
 */
int64_t run(int32_t turn, const double* list, int64_t length, int32_t threads, bool maySleep);

/** A worker's life: takes chunks until the process ends. `thread` counts from 1. */
void work(int32_t thread);

}  // namespace cria

// What JavaScript calls (src/wasm/module.ts): the functions of ../addon.cc over the module's own
// memory. Addresses are unsigned there.
#include "storage.h"
#include "kernels.h"
#include "pool.h"

#define EXPORT(name) extern "C" __attribute__((export_name(#name)))

/** Storage, or 0 where there is no memory. */
EXPORT(alloc) int32_t cria_alloc(double bytes) {
  return cria::allocateStorage(static_cast<uint64_t>(bytes));
}
EXPORT(free) void cria_free(int32_t storage) { cria::freeStorage(storage); }
/** Address of a storage. */
EXPORT(address) uintptr_t cria_address(int32_t storage) {
  return reinterpret_cast<uintptr_t>(cria::storages[storage]);
}
EXPORT(liveBytes) double cria_live_bytes() { return static_cast<double>(cria::liveBytes()); }
EXPORT(takeTurn) int32_t cria_take_turn() { return cria::takeTurn(); }
/** `list`: storage that holds the numbers. */
EXPORT(run)
double cria_run(int32_t turn, int32_t list, double length, int32_t threads, int32_t maySleep) {
  return static_cast<double>(cria::run(turn, reinterpret_cast<const double*>(cria::storages[list]),
                                       static_cast<int64_t>(length), threads, maySleep != 0));
}
EXPORT(work) void cria_work(int32_t thread) { cria::work(thread); }
EXPORT(panel) int32_t cria_panel() {
  cria::kernels();
  return cria::panelColumns();
}
/** Fingerprint of the sources (scripts/sources.mjs), with a zero at the end. */
EXPORT(sources) const char* cria_sources() { return CRIA_SOURCES; }
/** Fingerprint of the layout of commands (commands.mjs). */
EXPORT(layout) const char* cria_layout() { return CRIA_LAYOUT; }
/**
 * Names of the operations in the order of their codes, each behind a space, with a zero at the end.
 */
EXPORT(operations) const char* cria_operations() {
#define X(name) " " #name
  return CRIA_OPERATIONS(X);
#undef X
}

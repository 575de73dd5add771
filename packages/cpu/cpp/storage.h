// Memory that JavaScript names by number. Numbers are process-wide, so a tensor may go to another
// JavaScript thread as plain data.
#pragma once
#include <stdint.h>

#include "command.h"

namespace cria {

/** Base address of each storage; slot 0 is null and stands for "not given". */
extern char** const storages;

/**
 * Zeroed memory, aligned to 64 bytes at least and in huge pages where large; 0 when there is none.
 */
int32_t allocateStorage(uint64_t bytes);
/** Maps part of a file privately. Negative errno on failure; −ERANGE where the file is shorter. */
int32_t mapStorage(const char* path, uint64_t offset, uint64_t bytes);
/**
 * Copies bytes `from` … of a file to an address, through no buffer of ours. An error number, 0 for
 * none; ERANGE where the file is shorter.
 */
int32_t readIntoStorage(const char* path, uint64_t from, uint64_t bytes, char* to);
void freeStorage(int32_t id);
/** Bytes of all storages that exist now, for leak tests. */
uint64_t liveBytes();
uint64_t storageBytes(int32_t id);

char* growThreadMemory(ThreadMemory& thread, uint64_t bytes);

}  // namespace cria

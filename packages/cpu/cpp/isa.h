// The instruction sets of this processor's family, and which of them this machine and this file
// have.
#pragma once
#include "command.h"

namespace cria {

struct Isa {
  const char* name;
  /** Why it cannot be used here; null where processor, system and this file have it. */
  const char* (*missing)();
  /** Fills the table and tells the width of a packed panel. */
  void (*fill)(KernelTable& table, int32_t& panel);
};

void fill_amx(KernelTable& table, int32_t& panel);
void fill_avx512bf16(KernelTable& table, int32_t& panel);
void fill_avx512vnni(KernelTable& table, int32_t& panel);
void fill_avx512(KernelTable& table, int32_t& panel);
void fill_avx2(KernelTable& table, int32_t& panel);
void fill_neondot(KernelTable& table, int32_t& panel);
void fill_neon(KernelTable& table, int32_t& panel);
void fill_baseline(KernelTable& table, int32_t& panel);

struct LoadedIsa {
  const char* name;
  bool available;
  /** Why it is not available, or null. */
  const char* missing;
  int32_t panel;
  KernelTable kernels;
};

/** All of the family, fastest first; tables are filled where the machine can run them. */
const LoadedIsa* instructionSets(int32_t& count);

}  // namespace cria

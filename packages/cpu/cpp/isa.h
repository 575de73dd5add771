// The instruction sets that this file was compiled for, and which of them this machine has.
#pragma once
#include "command.h"

namespace cria {

struct Isa {
  const char* name;
  /** Processor and system can run it. */
  bool (*available)();
  /** Fills the table and tells the width of a packed panel. */
  void (*fill)(KernelTable& table, int32_t& panel);
};

void fill_avx512bf16(KernelTable& table, int32_t& panel);
void fill_avx512vnni(KernelTable& table, int32_t& panel);
void fill_avx512(KernelTable& table, int32_t& panel);
void fill_avx2(KernelTable& table, int32_t& panel);
void fill_baseline(KernelTable& table, int32_t& panel);

struct LoadedIsa {
  const char* name;
  bool available;
  int32_t panel;
  KernelTable kernels;
};

/** All that were compiled, fastest first; tables are filled where the machine can run them. */
const LoadedIsa* instructionSets(int32_t& count);

}  // namespace cria

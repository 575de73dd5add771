#define CRIA_ISA neon
#include "kernels/table.h"
#include "isa.h"

void cria::fill_neon(KernelTable& table, int32_t& panel) {
  cria::neon::fillTable(table);
  panel = cria::neon::NR;
}

#define CRIA_ISA baseline
#define CRIA_PORTABLE
#include "kernels/table.h"
#include "isa.h"

void cria::fill_baseline(KernelTable& table, int32_t& panel) {
  cria::baseline::fillTable(table);
  panel = cria::baseline::NR;
}

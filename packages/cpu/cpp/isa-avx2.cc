#define CRIA_ISA avx2
#include "kernels/table.h"
#include "isa.h"

void cria::fill_avx2(KernelTable& table, int32_t& panel) {
  cria::avx2::fillTable(table);
  panel = cria::avx2::NR;
}

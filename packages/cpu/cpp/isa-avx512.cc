#define CRIA_ISA avx512
#include "kernels/table.h"
#include "isa.h"

void cria::fill_avx512(KernelTable& table, int32_t& panel) {
  cria::avx512::fillTable(table);
  panel = cria::avx512::NR;
}

// AVX-512 with VNNI: only products whose weight is quantised differ from plain AVX-512.
#define CRIA_ISA avx512vnni
#include "kernels/table.h"
#include "isa.h"

void cria::fill_avx512vnni(KernelTable& table, int32_t& panel) {
  fill_avx512(table, panel);
  cria::avx512vnni::fillBlockProducts(table);
}

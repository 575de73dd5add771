// AVX-512 with BF16: only products whose weight is bf16, and attention over bf16, differ from plain
// AVX-512.
#define CRIA_ISA avx512bf16
#include "kernels/table.h"
#include "isa.h"

void cria::fill_avx512bf16(KernelTable& table, int32_t& panel) {
  fill_avx512vnni(table, panel);
  cria::avx512bf16::fillHalfProducts(table);
  cria::avx512bf16::fillAttention(table);
}

// NEON with dot products of bytes: only products whose weight is quantised differ from plain NEON.
#define CRIA_ISA neondot
#include "kernels/table.h"
#include "isa.h"

void cria::fill_neondot(KernelTable& table, int32_t& panel) {
  fill_neon(table, panel);
  cria::neondot::fillBlockProducts(table);
}

// The portable kernels, whose vectors of four floats are what SIMD128 has.
#define CRIA_ISA wasm
#include "kernels/table.h"
#include "kernels.h"

namespace cria {

static KernelTable table;

const KernelTable& kernels() {
  if (table[static_cast<int32_t>(Op::copy_)].run == nullptr) wasm::fillTable(table);
  return table;
}

int32_t panelColumns() { return wasm::NR; }

}  // namespace cria

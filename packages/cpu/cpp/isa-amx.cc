// AVX-512 with VNNI, and tiles for products whose weight is bf16 or quantised, and for attention
// over keys and values of bf16 or Q8_0. The rest is what plain AVX-512 does.
#define CRIA_ISA amx
#define CRIA_ATTENTION_TILES
#include "tiles.h"
#include "kernels/table.h"
#include "kernels/amx/attention.h"
#include "kernels/amx/blocks.h"
#include "isa.h"

namespace cria::amx {

static void fillTileProducts(Kernel* table) {
  const auto of = [table](Op op, Dtype dtype) -> Kernel& {
    return table[static_cast<int32_t>(op) + OPERATIONS * static_cast<int32_t>(dtype)];
  };
  of(Op::packPanels_, Dtype::bf16) = entry<TilePackPanels>();
  of(Op::unpackPanels_, Dtype::bf16) = entry<TileUnpackPanels>();
  of(Op::gemm_, Dtype::bf16) = entry<TileGemm>();
  of(Op::measure_, Dtype::bf16) = entry<TileMeasure>();
  of(Op::blockProduct_, Dtype::f32) = entry<TileBlockProduct>();
  of(Op::widenedProduct_, Dtype::f32) = entry<WidenedProduct>();
  of(Op::attentionGrad_, Dtype::f32) = entry<TileAttentionGrad>();
}

}  // namespace cria::amx

void cria::fill_amx(KernelTable& table, int32_t& panel) {
  fill_avx512vnni(table, panel);
  cria::amx::fillTileProducts(table);
  cria::amx::fillAttention(table);
}

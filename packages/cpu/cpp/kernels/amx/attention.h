// Backward attention by tiles where all is bf16, the heads' width fits and there is no window, else
// as everywhere. (Forward, attention.h itself chooses.)
#pragma once
#include "kernels/attention-operations.h"
#include "amx-backward.h"

namespace cria::CRIA_ISA {

struct TileAttentionGrad : AttentionGrad {
  using AttentionGrad::AttentionGrad;
  void run(int64_t chunk, ThreadMemory& thread) const {
    if (!half || shape.windowed() || !attention::inPairs(attention::Stored::bf16, shape.E))
      return AttentionGrad::run(chunk, thread);
    void* scratch = thread.grow(thread, attention::tileBackwardBytes(segments, shape));
    attention::tileBackwardUnit(chunk, scratch, arrays(), shape);
  }
};

}  // namespace cria::CRIA_ISA

// Backward attention over bf16 by the tile unit (AMX), in the units of attention.h; its heads'
// widths are those that inPairs says.
#pragma once
#include "amx-gradients.h"
#include "attention.h"

namespace cria::CRIA_ISA::attention {

static inline size_t tileBackwardBytes(const int32_t* segments, const Shape& shape) {
  return TileBackwardScratch::bytes(shape.E, summedKeys(true, segments, shape));
}

/** dq, dk, dv of unit `unit` of backwardUnits(shape), all bf16; `scratch`: tileBackwardBytes(…) */
static inline void tileBackwardUnit(int64_t unit, void* scratch, const BackwardArrays& arrays,
                                    const Shape& shape) {
  BackwardPiece piece;
  if (!findBackwardPiece(unit, arrays.segments, shape, &piece)) return;
  const int wide = tileWidth(shape.E);
  const int64_t start = piece.start, step = piece.step, begin = piece.begin, end = piece.end;
  const TileWords::Hold hold;
  const TileBackwardScratch memory(scratch, shape.E, summedKeys(true, arrays.segments, shape));
  if (piece.keys) {
    const size_t bytes = static_cast<size_t>(wholeTiles(end - begin)) * wide * sizeof(float);
    __builtin_memset(memory.dk, 0, bytes);
    __builtin_memset(memory.dv, 0, bytes);
  }
  const auto in = [](const void* p) { return static_cast<const Bf16*>(p); };
  const auto to = [](void* p) { return static_cast<Bf16*>(p); };
  const TileGradients gradients{
      in(arrays.dout),      in(arrays.q), in(arrays.out), arrays.lse, in(arrays.k) + start,
      in(arrays.v) + start, step,         piece.queries,  piece.keys};
  for (int64_t flat = piece.flat; flat < piece.flatEnd; flat += LANES) {
    const Tile tile = makeTile(arrays.segments, piece.segment, flat, 0, piece.head, shape);
    tileGradients(gradients, tile, begin, end, shape, memory);
    for (int l = 0; piece.queries && l < tile.lanes; l++)
      roundRow(to(arrays.dq) + tile.offset(l, shape), memory.dq + static_cast<int64_t>(l) * wide,
               shape.E);
  }
  for (int64_t j = begin; piece.keys && j < end; j++) {
    roundRow(to(arrays.dk) + start + j * step, memory.dk + (j - begin) * wide, shape.E);
    roundRow(to(arrays.dv) + start + j * step, memory.dv + (j - begin) * wide, shape.E);
  }
}

}  // namespace cria::CRIA_ISA::attention

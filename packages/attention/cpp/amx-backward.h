// Backward attention over bf16 by the tile unit (AMX), in the units of attention.h; its heads'
// widths are those that inPairs says.
#pragma once
#include "amx-gradients.h"
#include "attention.h"

namespace cria::CRIA_ISA::attention {

static inline size_t tileBackwardBytes(const int32_t* segments, const Shape& shape) {
  return TileBackwardScratch::bytes(shape.E, summedKeys(true, segments, shape));
}

/**
 * dq, dk, dv (overwritten) of unit `unit` of backwardUnits(shape); `scratch`:
 * tileBackwardBytes(segments, shape)
 */
static inline void tileBackwardUnit(int64_t unit, void* scratch, Bf16* dq, Bf16* dk, Bf16* dv,
                                    const Bf16* dout, const Bf16* q, const Bf16* k, const Bf16* v,
                                    const Bf16* out, const float* lse, const int32_t* segments,
                                    const Shape& shape) {
  const int G = shape.H / shape.K, head = static_cast<int>(unit % shape.K),
            wide = tileWidth(shape.E);
  const int64_t step = static_cast<int64_t>(shape.K) * shape.E, tilesOfLanes = forwardUnits(shape);
  int32_t s;
  int64_t begin = 0, flat = 0;
  bool queries = true, keys = true;
  if (gradBySegment(shape)) {
    s = static_cast<int32_t>(unit / shape.K);
  } else if (unit < tilesOfLanes) {
    if (!findPiece(unit / shape.K, segments, shape.S, G, LANES, &s, &flat)) return;
    keys = false;
  } else {
    if (!findPiece((unit - tilesOfLanes) / shape.K, segments, shape.S, 1, KEYS, &s, &begin)) return;
    flat = begin * G / LANES * LANES;  // the first tile that sees key `begin`
    queries = false;
  }
  const int64_t length = static_cast<int64_t>(segments[s + 1]) - segments[s],
                start = segments[s] * step + static_cast<int64_t>(head) * shape.E;
  const int64_t end = queries ? length : min64(length, begin + KEYS),
                flatEnd = keys ? length * G : min64(length * G, flat + LANES);
  const TileWords::Hold hold;
  const TileBackwardScratch memory(scratch, shape.E, summedKeys(true, segments, shape));
  if (keys) {
    const size_t bytes = static_cast<size_t>(wholeTiles(end - begin)) * wide * sizeof(float);
    __builtin_memset(memory.dk, 0, bytes);
    __builtin_memset(memory.dv, 0, bytes);
  }
  const TileGradients gradients{dout, q, out, lse, k + start, v + start, step, queries, keys};
  for (; flat < flatEnd; flat += LANES) {
    const Tile tile = makeTile(segments, s, flat, 0, head, shape);
    tileGradients(gradients, tile, begin, end, shape, memory);
    for (int l = 0; queries && l < tile.lanes; l++)
      roundRow(dq + tile.offset(l, shape), memory.dq + static_cast<int64_t>(l) * wide, shape.E);
  }
  for (int64_t j = begin; keys && j < end; j++) {
    roundRow(dk + start + j * step, memory.dk + (j - begin) * wide, shape.E);
    roundRow(dv + start + j * step, memory.dv + (j - begin) * wide, shape.E);
  }
}

}  // namespace cria::CRIA_ISA::attention

import { flashBackward, flashForward, pagedForward } from '@cria/attention';
import type { AttentionShape, Kernels } from '../kernels.ts';
import type { Tensor } from '../tensor.ts';
import type { Memory, Numbers } from './memory.ts';

export function attentionKernels(
  memory: Memory,
): Pick<Kernels, 'attention' | 'attentionGrad' | 'pagedAttention'> {
  return {
    attention(out, lse, q, k, v, segments, shape) {
      const output = memory.target(out);
      const logSums = memory.target(lse);
      const problem = packedProblem(memory, q, segments, shape);
      flashForward(output, logSums, memory.numbers(q), memory.numbers(k), memory.numbers(v), problem);
      memory.store(out, output);
      memory.store(lse, logSums);
    },

    attentionGrad(dq, dk, dv, dout, q, k, v, out, lse, segments, shape) {
      // map keeps three
      const gradients = [dq, dk, dv].map((tensor) => memory.target(tensor)) as [Numbers, Numbers, Numbers];
      const problem = packedProblem(memory, q, segments, shape);
      const [upstream, qs, ks, vs] = [dout, q, k, v].map((tensor) => memory.numbers(tensor));
      flashBackward(...gradients, upstream, qs, ks, vs, memory.numbers(out), memory.numbers(lse), problem);
      [dq, dk, dv].forEach((tensor, i) => memory.store(tensor, gradients[i]));
    },

    pagedAttention(out, q, keyCache, valueCache, blockTable, queryStarts, lengths, shape) {
      const [, blockSize] = keyCache.shape;
      const output = memory.target(out);
      const counts = memory.integers(lengths);
      const table = memory.integers(blockTable);
      const used = usedBlocks(table, counts, blockSize);
      const keys = memory.numbers(q).constructor === Float64Array ? Float64Array : Float32Array;
      pagedForward(
        output,
        memory.numbers(q),
        gather(memory, keyCache, used, keys),
        gather(memory, valueCache, used, keys),
        {
          ...headsOf(q, shape),
          blockSize,
          blockTable: table.map((block) => used.get(block) ?? 0),
          queryStarts: memory.integers(queryStarts),
          lengths: counts,
        },
      );
      memory.store(out, output);
    },
  };
}

function headsOf(q: Tensor, shape: AttentionShape) {
  const headDim = q.columns / shape.heads;
  return {
    heads: shape.heads,
    kvHeads: shape.kvHeads,
    headDim,
    scale: shape.scale ?? 1 / Math.sqrt(headDim),
    window: shape.window ?? Infinity,
  };
}

function packedProblem(memory: Memory, q: Tensor, segments: Tensor, shape: AttentionShape) {
  return { ...headsOf(q, shape), segments: memory.integers(segments), queryOffset: 0, keys: q.rows };
}

/** The blocks that any sequence reads, numbered anew from 0. */
function usedBlocks(table: Int32Array, lengths: Int32Array, blockSize: number): Map<number, number> {
  const blocks = table.length / lengths.length;
  const used = new Map<number, number>();
  lengths.forEach((length, s) => {
    for (let b = 0; b * blockSize < length; b++) {
      const block = table[s * blocks + b];
      if (!used.has(block)) used.set(block, used.size);
    }
  });
  return used;
}

/** The used blocks alone, decoded: a cache may be far larger than what one call reads. */
function gather(
  memory: Memory,
  cache: Tensor,
  used: Map<number, number>,
  Make: typeof Float32Array | typeof Float64Array,
): Numbers {
  const [, blockSize, width] = cache.shape;
  const gathered = new Make(used.size * blockSize * width);
  for (const [block, index] of used) {
    gathered.set(memory.rows(cache, block * blockSize, (block + 1) * blockSize), index * blockSize * width);
  }
  return gathered;
}

import { type AttentionShape, fail, type Kernels, type Tensor } from '@cria/tensor';
import type { CommandList } from './command-list.ts';
import { type Encoder, integers } from './encoder.ts';

/** Keys are walked in chunks of this many, which a block of the cache must not straddle. */
const KEY_CHUNK = 128;

export function attentionKernels(
  encoder: Encoder,
): Pick<Kernels, 'attention' | 'attentionGrad' | 'pagedAttention'> {
  return {
    attention(out, lse, q, k, v, segments, shape) {
      const { list } = encoder;
      list.begin('attention').f32(out).f32(lse).f32(q).f32(k).f32(v).place(integers(segments));
      end(list, q, segments.size - 1, shape);
    },
    attentionGrad(dq, dk, dv, dout, q, k, v, out, lse, segments, shape) {
      const { list } = encoder;
      list
        .begin('attentionGrad')
        .f32(dq)
        .f32(dk)
        .f32(dv)
        .f32(dout)
        .f32(q)
        .f32(k)
        .f32(v)
        .f32(out)
        .f32(lse)
        .place(integers(segments));
      end(list, q, segments.size - 1, shape);
    },
    pagedAttention(out, q, keyCache, valueCache, blockTable, queryStarts, lengths, shape) {
      const { list } = encoder;
      const blockSize = keyCache.shape.at(-2)!;
      if (KEY_CHUNK % blockSize !== 0) {
        fail(
          'pagedAttention',
          `blocks of ${blockSize} keys do not divide a chunk of ${KEY_CHUNK}.`,
          'use 16, 32, 64 or 128',
        );
      }
      list.begin('pagedAttention').f32(out).f32(q).f32(keyCache).f32(valueCache);
      list.place(integers(blockTable)).place(integers(queryStarts)).place(integers(lengths));
      list.number(blockSize).number(blockTable.columns);
      end(list, q, lengths.size, shape);
    },
  };
}

/** T, S, H, K, E, scale */
function end(
  list: CommandList,
  q: Tensor,
  sequences: number,
  { heads, kvHeads, scale }: AttentionShape,
): void {
  const width = q.columns / heads;
  list.number(q.rows).number(sequences).number(heads).number(kvHeads).number(width);
  list.number(scale ?? 1 / Math.sqrt(width)).end();
}

import { type AttentionShape, type DType, fail, type Kernels, type Tensor } from '@cria/tensor';
import type { CommandList } from './command-list.ts';
import { computeCode, type Encoder, integers } from './encoder.ts';

/** Keys are walked in chunks of this many, which a block of the cache must not straddle. */
const KEY_CHUNK = 128;

/** Query rows of a sequence that is cut into chunks of keys, at most: SPLIT_ROWS of attention's C++ headers. */
const SPLIT_ROWS = 4;

/** Forward and backward read and write bf16 as it lies, with f32 sums inside; a cache may have any of its forms. */
export function attentionKernels(
  encoder: Encoder,
): Pick<Kernels, 'attention' | 'attentionGrad' | 'pagedAttention'> {
  return {
    attention(out, lse, q, k, v, segments, shape) {
      const { list } = encoder;
      const code = computeCode(q);
      list.begin('attention').place(out).f32(lse);
      for (const input of [q, k, v]) list.place(same(input, q));
      list.place(integers(segments)).number(code);
      end(list, q, segments.size - 1, shape);
    },
    attentionGrad(dq, dk, dv, dout, q, k, v, out, lse, segments, shape) {
      const { list } = encoder;
      const code = computeCode(q);
      list.begin('attentionGrad');
      for (const tensor of [dq, dk, dv, dout, q, k, v, out]) list.place(same(tensor, q));
      list.f32(lse).place(integers(segments)).number(code);
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
      const cache = cacheCode('pagedAttention', keyCache, valueCache);
      const keys = blockSize * blockTable.columns;
      const split = Math.min(q.rows, SPLIT_ROWS * lengths.size) * shape.heads * Math.ceil(keys / KEY_CHUNK);
      const [partials] =
        keys > KEY_CHUNK ? encoder.scratch.begin(list, 4 * split * (q.columns / shape.heads + 2)) : [];
      for (const operation of partials ? ['pagedAttention', 'joinChunks'] : ['pagedAttention']) {
        list
          .begin(operation)
          .place(out)
          .place(partials ?? nothing)
          .place(q);
        list.place(keyCache).place(valueCache);
        list.place(integers(blockTable)).place(integers(queryStarts)).place(integers(lengths));
        list.number(blockSize).number(blockTable.columns).number(cache).number(computeCode(q));
        end(list, q, lengths.size, shape);
      }
    },
  };
}

const nothing = { storage: 0, offset: 0 };

/** How a cache is stored: `Stored` of attention's C++ headers. */
const cacheCodes: Partial<Record<DType, number>> = { f32: 0, bf16: 1, f16: 2, q8_0: 3 };

/** Code of a cache, the same for keys and values. */
export function cacheCode(op: string, keys: Tensor, values: Tensor): number {
  const code = cacheCodes[keys.dtype];
  if (code === undefined || values.dtype !== keys.dtype)
    fail(
      op,
      `a cache of ${keys.dtype} keys and ${values.dtype} values.`,
      'use f32, bf16, f16 or q8_0 for both',
    );
  return code;
}

function same(tensor: Tensor, other: Tensor): Tensor {
  if (tensor.dtype !== other.dtype)
    fail('attention', `${tensor.dtype} beside ${other.dtype}.`, 'cast one of them');
  return tensor;
}

/** T, S, H, K, E, scale, window (0: none) */
function end(
  list: CommandList,
  q: Tensor,
  sequences: number,
  { heads, kvHeads, scale, window = 0 }: AttentionShape,
): void {
  const width = q.columns / heads;
  list.number(q.rows).number(sequences).number(heads).number(kvHeads).number(width);
  list
    .number(scale ?? 1 / Math.sqrt(width))
    .number(window)
    .end();
}

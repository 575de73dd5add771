import { type AttentionShape, type DType, fail, type Kernels, type Tensor } from '@cria/tensor';
import { computeCode, type Encoder, f32, integers } from './encoder.ts';
import * as commands from './generated/commands.ts';

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
      commands.attention(encoder.list, {
        out,
        lse: f32(lse),
        q,
        k: same(k, q),
        v: same(v, q),
        segments: integers(segments),
        half: computeCode(q) !== 0,
        ...shapeOf(q, segments.size - 1, shape),
      });
    },
    attentionGrad(dq, dk, dv, dout, q, k, v, out, lse, segments, shape) {
      commands.attentionGrad(encoder.list, {
        dq: same(dq, q),
        dk: same(dk, q),
        dv: same(dv, q),
        dout: same(dout, q),
        q,
        k: same(k, q),
        v: same(v, q),
        out: same(out, q),
        lse: f32(lse),
        segments: integers(segments),
        half: computeCode(q) !== 0,
        ...shapeOf(q, segments.size - 1, shape),
      });
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
      const given = {
        out,
        partials,
        q,
        keys: keyCache,
        values: valueCache,
        blockTable: integers(blockTable),
        queryStarts: integers(queryStarts),
        lengths: integers(lengths),
        blockSize,
        maxBlocks: blockTable.columns,
        stored: cache,
        half: computeCode(q) !== 0,
        ...shapeOf(q, lengths.size, shape),
      };
      commands.pagedAttention(list, given);
      if (partials) commands.joinChunks(list, given);
    },
  };
}

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

/** What all of them say of rows, sequences and heads; a window of 0 is none. */
function shapeOf(q: Tensor, sequences: number, { heads, kvHeads, scale, window = 0 }: AttentionShape) {
  const width = q.columns / heads;
  return {
    T: q.rows,
    S: sequences,
    H: heads,
    K: kvHeads,
    E: width,
    scale: scale ?? 1 / Math.sqrt(width),
    window,
  };
}

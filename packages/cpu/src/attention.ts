import { type AttentionShape, type DType, fail, type Kernels, type Tensor } from '@cria/tensor';
import type { CommandList, Place } from './command-list.ts';
import { computeCode, type Encoder, integers } from './encoder.ts';

/** Keys are walked in chunks of this many, which a block of the cache must not straddle. */
const KEY_CHUNK = 128;

/** Query rows of a sequence that is cut into chunks of keys, at most: SPLIT_ROWS of attention's C++ headers. */
const SPLIT_ROWS = 4;

/**
 * Forward attention reads and writes bf16 as it lies, and a cache in any of its forms. The backward pass computes in f32: tensors in bf16
 * are widened into scratch before and rounded after, a pass over rows beside a pass over pairs of rows.
 */
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
      const outputs = [dq, dk, dv];
      const places = widen(encoder, outputs, [dout, q, k, v, out]);
      list.begin('attentionGrad');
      for (const place of places) list.place(place);
      list.f32(lse).place(integers(segments));
      end(list, q, segments.size - 1, shape);
      narrow(encoder, outputs, places);
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

/** Places of outputs and inputs in f32: their own, or scratch where they are bf16, with the inputs' numbers in it. */
function widen(encoder: Encoder, outputs: readonly Tensor[], inputs: readonly Tensor[]): Place[] {
  const all = [...outputs, ...inputs];
  if (computeCode(all[0]!) === 0) return all.map((tensor) => (computeCode(tensor), tensor));
  const places = encoder.scratch.begin(encoder.list, ...all.map((tensor) => 4 * tensor.size));
  inputs.forEach((tensor, i) =>
    cast(encoder, places[outputs.length + i]!, 0, tensor, computeCode(tensor), tensor.size),
  );
  return places;
}

/** Results from scratch to where they belong. */
function narrow(encoder: Encoder, outputs: readonly Tensor[], places: readonly Place[]): void {
  outputs.forEach((tensor, i) => {
    const place = places[i]!;
    if (place !== tensor) cast(encoder, tensor, computeCode(tensor), place, 0, tensor.size);
  });
}

function cast(
  { list }: Encoder,
  to: Place,
  toCode: number,
  from: Place,
  fromCode: number,
  size: number,
): void {
  list.begin('cast').place(to).place(from).number(size).number(toCode).number(fromCode).end();
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

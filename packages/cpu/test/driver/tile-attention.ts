import { attention } from '@cria/attention';
import type { Device, DType, Tensor } from '@cria/tensor';
import { CpuDevice } from '../../src/device.ts';
import type { Native } from '../../src/native.ts';
import { tileGradientFailures } from './tile-gradients.ts';
import {
  differing,
  nameOf,
  type Operands,
  operands,
  SHAPES,
  type Shape,
  startsOf,
  sum,
  whole,
} from './tile-shapes.ts';

/**
 * Attention by tiles: against the oracle in double within what rounding probabilities to bf16
 * costs, exactly where all keys weigh the same, and bit for bit however sequences are cut, batched
 * and stored; what tiles do not serve has the bits of AVX-512. Gradients: tile-gradients.ts.
 */
export async function tileAttentionFailures(native: Native): Promise<string[]> {
  const open = (isa: string, threads: number) => {
    const index = native.isas.findIndex(({ name }) => name === isa);
    return new CpuDevice({ native, isa: index, threads, background: false });
  };
  using device = open('amx', 2);
  using other = open('amx', 3);
  using plain = open('avx512vnni', 2);
  return [
    ...(await oracleFailures(device)),
    ...(await exactFailures(device)),
    ...(await bitFailures(device, other)),
    ...(await fallbackFailures(device, plain)),
    ...(await tileGradientFailures(device, other)),
  ];
}

/**
 * Outputs of all query rows in f32 by a paged cache, in one call, or in calls of so many rows of
 * each sequence at most.
 */
async function paged(
  device: Device,
  { q, k, v }: Operands,
  shape: Shape,
  {
    cache = 'bf16',
    most = Infinity,
    type = 'f32',
  }: { cache?: DType; most?: number; type?: 'f32' | 'bf16' } = {},
): Promise<Float32Array> {
  const { heads, kvHeads, E, lengths, rows, blockSize } = shape;
  const blocksEach = Math.max(...lengths.map((length) => Math.ceil(length / blockSize)));
  const blocks = lengths.length * blocksEach + 1;
  const table = Int32Array.from({ length: lengths.length * blocksEach }, (_, i) => blocks - 1 - i);
  const slots = lengths.flatMap((length, s) =>
    Array.from(
      { length },
      (_, p) => table[s * blocksEach + Math.floor(p / blockSize)]! * blockSize + (p % blockSize),
    ),
  );
  const tensors: Tensor[] = [];
  const keep = (tensor: Tensor) => {
    tensors.push(tensor);
    return tensor;
  };
  const C = kvHeads * E;
  const cacheOf = () =>
    keep(
      device.tensor(
        new Float32Array(blocks * blockSize * C).fill(cache === 'q8_0' ? 0 : NaN),
        [blocks, blockSize, C],
        cache === 'q8_0' ? 'f32' : cache,
      ),
    );
  const caches =
    cache === 'q8_0'
      ? ([1, 2].map(() => keep(device.empty([blocks, blockSize, C], cache))) as [Tensor, Tensor])
      : ([cacheOf(), cacheOf()] as const);
  const total = sum(lengths);
  const integers = (numbers: ArrayLike<number>, as: readonly number[] = [numbers.length]) => {
    return keep(device.empty(as, 'i32').write(Int32Array.from(numbers)));
  };
  const T = sum(rows);
  const out = new Float32Array(T * heads * E);
  const starts = startsOf(rows);
  device.kernels.cacheWrite(
    caches[0],
    caches[1],
    keep(device.tensor(k, [total, C], 'f32')),
    keep(device.tensor(v, [total, C], 'f32')),
    integers(slots),
  );
  const done = rows.map(() => 0);
  while (done.some((count, s) => count < rows[s]!)) {
    const take = rows.map((count, s) => Math.min(most, count - done[s]!));
    const from = rows.map((_, s) => starts[s]! + done[s]!);
    const part = take.flatMap((count, s) => Array.from({ length: count }, (_, i) => from[s]! + i));
    const wide = heads * E;
    const queries = new Float32Array(part.length * wide);
    part.forEach((row, i) => queries.set(q.subarray(row * wide, (row + 1) * wide), i * wide));
    const result = keep(device.empty([part.length, wide], type));
    take.forEach((count, s) => (done[s]! += count));
    device.kernels.pagedAttention(
      result,
      keep(device.tensor(queries, [part.length, wide], type)),
      caches[0],
      caches[1],
      integers(table, [lengths.length, blocksEach]),
      integers(startsOf(take)),
      integers(lengths.map((length, s) => length - rows[s]! + done[s]!)),
      shape,
    );
    const numbers = await result.toFloat32();
    part.forEach((row, i) => out.set(numbers.subarray(i * wide, (i + 1) * wide), row * wide));
  }
  for (const { storage } of tensors) device.free(storage);
  return out;
}

async function oracleFailures(device: Device): Promise<string[]> {
  const failures: string[] = [];
  for (const shape of SHAPES) {
    const { heads, kvHeads, E, lengths, rows } = shape;
    const all = operands(shape, 10);
    const got = await paged(device, all, shape);
    const [queryStarts, keyStarts] = [startsOf(rows), startsOf(lengths)];
    lengths.forEach((length, s) => {
      // The oracle has a row of queries for every key: those before the last `rows` are not looked at.
      const first = length - rows[s]!;
      const q = new Float64Array(length * heads * E);
      q.set(all.q.subarray(queryStarts[s]! * heads * E, queryStarts[s + 1]! * heads * E), first * heads * E);
      const cut = (x: Float32Array) =>
        Float64Array.from(x.subarray(keyStarts[s]! * kvHeads * E, keyStarts[s + 1]! * kvHeads * E));
      const [k, v] = [cut(all.k), cut(all.v)];
      const options = {
        heads,
        kvHeads,
        headDim: E,
        ...(shape.scale !== undefined && { scale: shape.scale }),
      };
      const { out } = attention(q, k, v, options);
      const { out: sizes } = attention(q, k, v.map(Math.abs), options);
      const base = first * heads * E;
      for (let i = base; i < out.length; i++) {
        const value = got[queryStarts[s]! * heads * E + i - base]!;
        // Each probability is rounded to 8 bits of mantissa, their sum is not.
        if (Math.abs(value - out[i]!) <= 2 ** -8 * sizes[i]! + 2e-6) continue;
        failures.push(`attention by tiles, ${nameOf(shape)}: ${value} instead of ${out[i]} at ${i} of ${s}`);
        return;
      }
    });
  }
  return failures;
}

/** With queries of zero all keys weigh the same, and sums of whole numbers are exact. */
async function exactFailures(device: Device): Promise<string[]> {
  const failures: string[] = [];
  for (const shape of SHAPES) {
    const { heads, kvHeads, E, lengths, rows } = shape;
    const { q, k } = operands(shape, 20);
    const v = whole(sum(lengths) * kvHeads * E, 23);
    const got = await paged(device, { q: q.fill(0), k, v }, shape);
    const [queryStarts, keyStarts] = [startsOf(rows), startsOf(lengths)];
    check: for (let s = 0; s < lengths.length; s++) {
      for (let row = 0; row < rows[s]!; row++) {
        const seen = lengths[s]! - rows[s]! + row + 1;
        for (let i = 0; i < heads * E; i++) {
          const column = Math.floor(i / E / (heads / kvHeads)) * E + (i % E);
          let total = 0;
          for (let key = 0; key < seen; key++) total += v[(keyStarts[s]! + key) * kvHeads * E + column]!;
          const want = Math.fround(total * Math.fround(1 / seen));
          const value = got[(queryStarts[s]! + row) * heads * E + i]!;
          if (value === want) continue;
          failures.push(
            `mean of values, ${nameOf(shape)}: ${value} instead of ${want}, row ${row} of ${s}, ${i}`,
          );
          break check;
        }
      }
    }
  }
  return failures;
}

/**
 * Packed, paged in one call and in several, on other threads and in other blocks; with values that
 * are not finite here and there.
 */
async function bitFailures(device: Device, other: Device): Promise<string[]> {
  const failures: string[] = [];
  for (const shape of SHAPES) {
    for (const spoiled of [false, true]) {
      const all = operands(shape, 30);
      const { kvHeads, E, lengths, rows } = shape;
      if (spoiled) {
        // In some columns of a key near the end of each sequence, so that only its last rows see them.
        startsOf(lengths)
          .slice(1)
          .forEach((end, s) => {
            const key = end - Math.min(lengths[s]!, 1 + (rows[s]! >> 1));
            for (let i = s; i < kvHeads * E; i += 7)
              all.v[key * kvHeads * E + i] = i % 2 === 0 ? Infinity : NaN;
          });
      }
      const want = await paged(device, all, shape);
      const same = (name: string, got: Float32Array) => {
        const at = differing(got, want);
        if (at >= 0)
          failures.push(
            `bits of ${name}${spoiled ? ', spoiled' : ''}, ${nameOf(shape)}: ${got[at]}, ${want[at]} at ${at}`,
          );
      };
      same('other threads', await paged(other, all, shape));
      same('blocks of 64', await paged(device, all, { ...shape, blockSize: 64 }));
      for (const most of [1, 2, 7, 40]) same(`${most} rows a call`, await paged(other, all, shape, { most }));
      if (!spoiled) continue;
      // A row that does not see them has the bits it has without them.
      const clean = await paged(device, operands(shape, 30), shape);
      const hidden = rows.flatMap((count, s) =>
        Array.from(
          { length: count },
          (_, row) => lengths[s]! - count + row < lengths[s]! - Math.min(lengths[s]!, 1 + (count >> 1)),
        ),
      );
      const wide = shape.heads * E;
      const leaked = want.findIndex(
        (value, i) => hidden[Math.floor(i / wide)] === true && !Object.is(value, clean[i]),
      );
      if (leaked >= 0)
        failures.push(`hidden values, ${nameOf(shape)}: ${want[leaked]}, not ${clean[leaked]} at ${leaked}`);
    }
  }
  return failures;
}

/** f32, f16 and heads that are odd or narrow are AVX-512's. */
async function fallbackFailures(device: Device, plain: Device): Promise<string[]> {
  const failures: string[] = [];
  const cases: readonly [number, DType][] = [
    [64, 'f32'],
    [48, 'f16'],
    [33, 'bf16'],
    [14, 'bf16'],
  ];
  for (const [E, cache] of cases) {
    const shape: Shape = { heads: 4, kvHeads: 2, E, lengths: [140, 20], rows: [30, 1], blockSize: 16 };
    const all = operands(shape, 50);
    const [got, want] = [
      await paged(device, all, shape, { cache }),
      await paged(plain, all, shape, { cache }),
    ];
    const at = differing(got, want);
    if (at >= 0) failures.push(`bits of AVX-512, E ${E}, cache ${cache}: ${got[at]}, ${want[at]} at ${at}`);
  }
  return failures;
}

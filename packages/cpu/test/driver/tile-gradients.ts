import { attentionGrad } from '@cria/attention';
import type { Device, DType, Tensor } from '@cria/tensor';
import {
  differing,
  halves,
  nameOf,
  type Operands,
  operands,
  SHAPES,
  type Shape,
  startsOf,
  sum,
} from './tile-shapes.ts';

interface Gradients {
  readonly dq: Float32Array;
  readonly dk: Float32Array;
  readonly dv: Float32Array;
}

/**
 * Gradients in bf16 of packed segments in one call, or of each alone; outputs and their statistics
 * are the device's own.
 */
async function gradients(
  device: Device,
  { q, k, v, dout }: Operands & { readonly dout: Float32Array },
  { heads, kvHeads, E, lengths, scale }: Shape,
  alone: boolean,
): Promise<Gradients> {
  const T = sum(lengths);
  const [wide, narrow] = [heads * E, kvHeads * E];
  const tensors = [q, k, v, dout].map((x) => device.tensor(x, [T, x.length / T], 'bf16'));
  const [qs, ks, vs, ds] = tensors as [Tensor, Tensor, Tensor, Tensor];
  const empty = (columns: number, type: DType = 'bf16') => {
    tensors.push(device.empty([T, columns], type));
    return tensors.at(-1)!;
  };
  const [out, lse, dq, dk, dv] = [
    empty(wide),
    empty(heads, 'f32'),
    empty(wide),
    empty(narrow),
    empty(narrow),
  ];
  const starts = startsOf(lengths);
  for (const [from, to] of alone
    ? lengths.map((_, s) => [s, s + 1] as const)
    : [[0, lengths.length] as const]) {
    const cut = (tensor: Tensor) => tensor.slice(starts[from]!, starts[to]!);
    const own = starts.slice(from, to + 1).map((start) => start - starts[from]!);
    const segments = device.empty([own.length], 'i32').write(Int32Array.from(own));
    const shape = { heads, kvHeads, ...(scale !== undefined && { scale }) };
    device.kernels.attention(cut(out), cut(lse), cut(qs), cut(ks), cut(vs), segments, shape);
    const forward = [cut(qs), cut(ks), cut(vs), cut(out), cut(lse)] as const;
    device.kernels.attentionGrad(cut(dq), cut(dk), cut(dv), cut(ds), ...forward, segments, shape);
    tensors.push(segments);
  }
  const result = { dq: await dq.toFloat32(), dk: await dk.toFloat32(), dv: await dv.toFloat32() };
  for (const { storage } of tensors) device.free(storage);
  return result;
}

/**
 * Gradients against the oracle, and bits: units are whole segments where heads and segments are
 * many, else pieces of them.
 */
export async function tileGradientFailures(device: Device, other: Device): Promise<string[]> {
  const failures: string[] = [];
  for (const shape of SHAPES) {
    const { heads, kvHeads, E, lengths } = shape;
    const all = {
      ...operands({ ...shape, rows: lengths }, 60),
      dout: halves(sum(lengths) * heads * E, 63),
    };
    const got = await gradients(device, all, shape, false);
    const segments = Int32Array.from(startsOf(lengths));
    const options = {
      heads,
      kvHeads,
      headDim: E,
      segments,
      ...(shape.scale !== undefined && { scale: shape.scale }),
    };
    const [q, k, v, dout] = [all.q, all.k, all.v, all.dout].map((x) => Float64Array.from(x)) as [
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    const want = attentionGrad(dout, q, k, v, options);
    for (const name of ['dq', 'dk', 'dv'] as const) {
      const most = want[name].reduce((largest, x) => Math.max(largest, Math.abs(x)), 0.5);
      const wrong = got[name].findIndex((value, i) => !(Math.abs(value - want[name][i]!) <= most / 64));
      if (wrong >= 0)
        failures.push(
          `${name} by tiles, ${nameOf(shape)}: ${got[name][wrong]} instead of ${want[name][wrong]} at ${wrong}`,
        );
    }
    const same = (what: string, { dq, dk, dv }: Gradients, { dq: a, dk: b, dv: c }: Gradients) => {
      const places = [differing(dq, a), differing(dk, b), differing(dv, c)];
      if (places.some((at) => at >= 0))
        failures.push(`bits of gradients ${what}, ${nameOf(shape)}: ${places.join(', ')}`);
    };
    same('alone', await gradients(other, all, shape, true), got);
    // A key and a row that are not finite show in nothing that does not see them, and the same way
    // however segments are cut.
    const length = lengths.at(-1)!;
    if (length < 4) continue;
    const start = sum(lengths) - length;
    const spoil = (x: Float32Array, row: number, value: number) => {
      const columns = x.length / sum(lengths);
      return x.map((old, i) => (Math.floor(i / columns) === row && i % 3 === 0 ? value : old));
    };
    const spoiled = {
      ...all,
      k: spoil(all.k, start + length - 2, Infinity),
      q: spoil(all.q, start + 1, NaN),
    };
    const bad = await gradients(
      device,
      { ...spoiled, v: spoil(all.v, start + length - 2, NaN), dout: spoil(all.dout, start + 1, Infinity) },
      shape,
      false,
    );
    same(
      'alone, spoiled',
      await gradients(
        other,
        { ...spoiled, v: spoil(all.v, start + length - 2, NaN), dout: spoil(all.dout, start + 1, Infinity) },
        shape,
        true,
      ),
      bad,
    );
    const clean = (x: Float32Array, columns: number, from: number, to: number) =>
      x.subarray(from * columns, to * columns);
    const [wide, narrow] = [heads * E, kvHeads * E];
    const hidden = [
      differing(
        clean(bad.dq, wide, start + 2, start + length - 2),
        clean(got.dq, wide, start + 2, start + length - 2),
      ),
      differing(clean(bad.dq, wide, 0, start + 1), clean(got.dq, wide, 0, start + 1)),
    ];
    if (hidden.some((at) => at >= 0))
      failures.push(`hidden keys and rows, ${nameOf(shape)}: dq differs, ${hidden.join(', ')}`);
    // The last two rows see the key: they spoil every key's gradient. A row alone spoils those of
    // the keys that it sees.
    const row = await gradients(
      device,
      { ...all, q: spoil(all.q, start + 1, NaN), dout: spoil(all.dout, start + 1, Infinity) },
      shape,
      false,
    );
    const later = (x: Float32Array) => clean(x, narrow, start + 2, start + length);
    const leaked = [differing(later(row.dk), later(got.dk)), differing(later(row.dv), later(got.dv))];
    if (leaked.some((at) => at >= 0))
      failures.push(`a row's gradients, ${nameOf(shape)}: later keys differ, ${leaked.join(', ')}`);
  }
  return failures;
}

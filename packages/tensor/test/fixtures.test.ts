import { expect, test } from 'vitest';
import { type ComputeDType, type Device, IGNORE_TARGET, reference, type Tensor } from '@cria/tensor';
import { crossEntropyRow } from '../src/reference/cross-entropy.ts';
import { describeFixtures, fixture, fixtureIndex, type Stored } from './support/fixtures.ts';
import { flat, matrix, ropeTable } from './support/oracle.ts';

/* Single operations against PyTorch in float64; in f32 they may be ten times as far off as PyTorch in float32 is. */

const DTYPES = ['f64', 'f32'] as const;
const device: Device = reference();
const { kernels } = device;

type Expected = readonly [name: string, actual: Tensor, wanted: ArrayLike<number>];

/** Per row of `columns`, where rows differ in size by orders of magnitude. */
async function expectFixture(
  folder: string,
  name: string,
  dtype: ComputeDType,
  results: Expected[],
  columns?: number,
): Promise<void> {
  const measured = fixtureIndex(folder)[name].float32_relative as Record<string, number>;
  for (const [output, actual, wanted] of results) {
    const values = await actual.read();
    const width = columns ?? values.length;
    const allowed = dtype === 'f64' ? 1e-11 : Math.max(10 * (measured[output] ?? 0), 1e-6);
    expect(values.length).toBe(wanted.length);
    for (let row = 0; row < values.length; row += width) {
      const part = Array.from({ length: width }, (_, i) => wanted[row + i]);
      const scale = part.reduce(
        (max, value) => Math.max(max, Number.isFinite(value) ? Math.abs(value) : 0),
        0,
      );
      part.forEach((value, i) => {
        const near =
          Object.is(values[row + i], value) || Math.abs(values[row + i] - value) <= allowed * scale + 1e-300;
        if (!near)
          expect.fail(`${folder}/${name} ${dtype} ${output}[${row + i}] is ${values[row + i]}, not ${value}`);
      });
    }
  }
}

const cases = (folder: string) =>
  Object.keys(fixtureIndex(folder)).flatMap((name) => DTYPES.map((dtype) => ({ name, dtype })));

const put = ({ data }: Stored, rows: number, dtype: ComputeDType) =>
  device.tensor(data, [rows, data.length / rows], dtype);
const ints = (values: ArrayLike<number>) => device.tensor(values, [values.length], 'i32');

describeFixtures('rope', () => {
  test.each(cases('rope'))('$name $dtype', async ({ name, dtype }) => {
    const f = fixture(`rope/${name}.safetensors`);
    const [B, T, heads, E] = f.x.shape;
    const theta = (fixtureIndex('rope')[name].theta as number | undefined) ?? 10000;
    const first = Math.min(...f.position.data);
    const last = Math.max(...f.position.data);
    // Only the rows in use: positions go up to 131,071.
    const rows = ropeTable(last + 1, E, theta).slice(first);
    const table = device.tensor(flat(rows), [rows.length, E], dtype);
    const positions = ints(f.position.data.map((p) => p - first));
    for (const [pairing, prefix] of [
      ['adjacent', 'interleaved'],
      ['half', 'half'],
    ] as const) {
      const [y, dx] = [device.empty([B * T, heads * E], dtype), device.empty([B * T, heads * E], dtype)];
      kernels.rope(y, put(f.x, B * T, dtype), positions, table, { heads, pairing });
      kernels.rope(dx, put(f[`${prefix}.dy`], B * T, dtype), positions, table, {
        heads,
        pairing,
        inverse: true,
      });
      await expectFixture('rope', name, dtype, [
        [`${prefix}.y`, y, f[`${prefix}.y`].data],
        [`${prefix}.dx`, dx, f[`${prefix}.dx`].data],
      ]);
    }
  });
});

describeFixtures('rmsnorm', () => {
  test.each(cases('rmsnorm'))('$name $dtype', async ({ name, dtype }) => {
    const f = fixture(`rmsnorm/${name}.safetensors`);
    const [N, D] = f.x.shape;
    const eps = (fixtureIndex('rmsnorm')[name].eps as number | undefined) ?? 1e-6;
    const [x, dy, gain] = [put(f.x, N, dtype), put(f.dy, N, dtype), put(f.gain, 1, dtype).reshape(D)];
    const [y, dx] = [device.empty([N, D], dtype), device.empty([N, D], dtype)];
    const [rstd, dgain] = [device.empty([N], dtype), device.empty([D], dtype)];
    kernels.rmsNorm(y, rstd, x, gain, { eps });
    kernels.rmsNormGrad(dx, dgain, dy, x, gain, rstd);
    await expectFixture('rmsnorm', name, dtype, [['dgain', dgain, f.dgain.data]]);
    // Rows of `extreme` differ by orders of magnitude; dx of `one` is a difference of nearly equal numbers.
    const width = name === 'extreme' ? D : undefined;
    await expectFixture(
      'rmsnorm',
      name,
      dtype,
      [
        ['y', y, f.y.data],
        ['dx', dx, f.dx.data],
      ],
      width,
    );
    await expectFixture('rmsnorm', name, dtype, [['rstd', rstd, f.rstd.data]], 1);
  });
});

describeFixtures('swiglu', () => {
  test.each(cases('swiglu'))('$name $dtype', async ({ name, dtype }) => {
    const f = fixture(`swiglu/${name}.safetensors`);
    const [N, F] = [f.gate.shape.length > 1 ? f.gate.shape[0] : 1, f.gate.shape.at(-1) ?? 1];
    const empty = (columns: number) => device.empty([N, columns], dtype);
    const alone = f.x === undefined;
    const [gate, up, dh] = alone
      ? [f.gate, f.up, f.dh].map((each) => put(each, N, dtype))
      : [empty(F), empty(F), empty(F)];
    const [h, dgate, dup] = [empty(F), empty(F), empty(F)];
    if (!alone) {
      const D = f.x.shape[1];
      const [x, dy] = [put(f.x, N, dtype), put(f.dy, N, dtype)];
      const [w1, w3, w2] = [put(f.w1, F, dtype), put(f.w3, F, dtype), put(f.w2, D, dtype)];
      const [y, dx] = [empty(D), empty(D)];
      const [dw1, dw2, dw3] = [
        device.empty([F, D], dtype),
        device.empty([D, F], dtype),
        device.empty([F, D], dtype),
      ];
      kernels.linear(gate, x, w1);
      kernels.linear(up, x, w3);
      kernels.swiglu(h, gate, up);
      kernels.linear(y, h, w2);
      kernels.linearGradInput(dh, dy, w2);
      kernels.linearGradWeight(dw2, dy, h);
      kernels.swigluGrad(dgate, dup, dh, gate, up);
      kernels.linearGradInput(dx, dgate, w1);
      kernels.linearGradInput(dx, dup, w3, { accumulate: true });
      kernels.linearGradWeight(dw1, dgate, x);
      kernels.linearGradWeight(dw3, dup, x);
      const results = { y, dh, dx, dw1, dw2, dw3 };
      await expectFixture(
        'swiglu',
        name,
        dtype,
        Object.entries(results).map(([key, tensor]) => [key, tensor, f[key].data]),
      );
    }
    kernels.swiglu(h, gate, up);
    kernels.swigluGrad(dgate, dup, dh, gate, up);
    // Extreme gates differ by orders of magnitude: element by element, in f64, which has numbers
    // that small. silu′ has a zero.
    const width = alone && dtype === 'f64' ? 1 : undefined;
    await expectFixture(
      'swiglu',
      name,
      dtype,
      [
        ['h', h, f.h.data],
        ['dup', dup, f.dup.data],
      ],
      width,
    );
    await expectFixture('swiglu', name, dtype, [['dgate', dgate, f.dgate.data]]);
  });
});

describeFixtures('attention', () => {
  // A row that sees nothing cannot be said with segments.
  const some = () => cases('attention').filter(({ name }) => name !== 'nothing-to-see');
  test.each(some())('$name $dtype', async ({ name, dtype }) => {
    const f = fixture(`attention/${name}.safetensors`);
    const [B, T, heads, E] = f.q.shape;
    const [, S, kvHeads] = f.k.shape;
    const P = S - T;
    // Rows of the prefix ask with zeros and send no gradient back.
    const padded = (each: Stored) => {
      const width = heads * E;
      const data = new Float64Array(B * S * width);
      for (let b = 0; b < B; b++)
        data.set(each.data.subarray(b * T * width, (b + 1) * T * width), (b * S + P) * width);
      return device.tensor(data, [B * S, width], dtype);
    };
    const starts = f.allowed ? [0, 2, 7, 10, 11] : Array.from({ length: B + 1 }, (_, b) => b * S);
    const [q, dout, k, v] = [padded(f.q), padded(f.do), put(f.k, B * S, dtype), put(f.v, B * S, dtype)];
    const like = (tensor: Tensor) => device.empty(tensor.shape, dtype);
    const [out, lse, dq, dk, dv] = [like(q), device.empty([B * S, heads], dtype), like(q), like(k), like(v)];
    const shape = { heads, kvHeads };
    kernels.attention(out, lse, q, k, v, ints(starts), shape);
    kernels.attentionGrad(dq, dk, dv, dout, q, k, v, out, lse, ints(starts), shape);

    const asked = Array.from({ length: B * T }, (_, i) => Math.floor(i / T) * S + P + (i % T));
    const rowsOf = (tensor: Tensor) => {
      const rows = device.empty([B * T, tensor.columns], dtype);
      kernels.gatherRows(rows, tensor, ints(asked));
      return rows;
    };
    const lseWanted = Array.from({ length: B * T * heads }, (_, i) => {
      const [row, h] = [Math.floor(i / heads), i % heads];
      return f.lse.data[(Math.floor(row / T) * heads + h) * T + (row % T)];
    });
    await expectFixture('attention', name, dtype, [
      ['o', rowsOf(out), f.o.data],
      ['lse', rowsOf(lse), lseWanted],
      ['dv', dv, f.dv.data],
    ]);
    // dq and dk of huge scores are zero: nothing to be relative to.
    if (name !== 'extreme-huge-scores') {
      await expectFixture('attention', name, dtype, [
        ['dq', rowsOf(dq), f.dq.data],
        ['dk', dk, f.dk.data],
      ]);
    }
  });
});

describeFixtures('cross-entropy', () => {
  const finite = () => cases('cross-entropy').filter(({ name }) => name !== 'extreme');
  test.each(finite())('$name $dtype: the logits as x, beside an identity', async ({ name, dtype }) => {
    const f = fixture(`cross-entropy/${name}.safetensors`);
    const [N, V] = f.logits.shape;
    const w = device.tensor(flat(matrix(V, V, (i, j) => (i === j ? 1 : 0))), [V, V], dtype);
    const [losses, dx, dw] = [
      device.empty([N], dtype),
      device.empty([N, V], dtype),
      device.empty([V, V], dtype),
    ];
    kernels.linearCrossEntropy(losses, put(f.logits, N, dtype), w, ints(f.target.data), { dx, dw });
    const count = f.target.data.filter((target) => target !== IGNORE_TARGET).length;
    await expectFixture('cross-entropy', name, dtype, [
      ['token_loss', losses, f.token_loss.data],
      ['dlogits', dx, Float64Array.from(f.dlogits.data, (value) => value * count)],
    ]);
  });

  test('extreme logits, infinities among them', () => {
    const f = fixture('cross-entropy/extreme.safetensors');
    const [N, V] = f.logits.shape;
    const count = f.target.data.filter((target) => target !== IGNORE_TARGET).length;
    for (let i = 0; i < N; i++) {
      const z = Float64Array.from(f.logits.data.subarray(i * V, (i + 1) * V));
      const loss = crossEntropyRow(z, f.target.data[i]);
      expect(Math.abs(loss - f.token_loss.data[i])).toBeLessThanOrEqual(
        1e-12 * Math.abs(f.token_loss.data[i]),
      );
      z.forEach((value, v) =>
        expect(Math.abs(value - f.dlogits.data[i * V + v] * count)).toBeLessThan(1e-12),
      );
    }
  });
});

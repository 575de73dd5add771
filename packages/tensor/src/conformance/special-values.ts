import type { ComputeDType } from '../dtype.ts';
import { IGNORE_TARGET } from '../kernels.ts';
import type { Tensor } from '../tensor.ts';
import { Bench, numbersOf, type Result } from './bench.ts';
import { ropeTable } from './cases/activation.ts';
import type { Check, Subject } from './checks.ts';

type Outputs = Readonly<Record<string, Tensor>>;

const [ROWS, WIDTH, BAD] = [70, 20, 33];

/** NaN and infinities go where the formula takes them, and nowhere else. */
export function specialValueChecks(subject: Subject): Check[] {
  const { device } = subject;
  return subject.dtypes.flatMap((dtype) => [
    rowCheck(device, dtype, 'linear', (b, bad) => {
      const [x, y] = [b.float(bad(ROWS, WIDTH), [ROWS, WIDTH]), b.output([ROWS, 17])];
      b.kernels.linear(y, x, b.normal([17, WIDTH]));
      return { y };
    }),
    rowCheck(device, dtype, 'linearGradInput', (b, bad) => {
      const [dy, dx] = [b.float(bad(ROWS, WIDTH), [ROWS, WIDTH]), b.output([ROWS, 17])];
      b.kernels.linearGradInput(dx, dy, b.normal([WIDTH, 17]));
      return { dx };
    }),
    rowCheck(device, dtype, 'rmsNorm', (b, bad) => {
      const [x, y, rstd] = [
        b.float(bad(ROWS, WIDTH), [ROWS, WIDTH]),
        b.output([ROWS, WIDTH]),
        b.wideOutput([ROWS]),
      ];
      b.kernels.rmsNorm(y, rstd, x, b.normal([WIDTH]), { eps: 1e-5 });
      return { y, rstd };
    }),
    rowCheck(device, dtype, 'linearCrossEntropy', (b, bad) => {
      const [x, losses, dx] = [
        b.float(bad(ROWS, WIDTH), [ROWS, WIDTH]),
        b.wideOutput([ROWS]),
        b.output([ROWS, WIDTH]),
      ];
      b.kernels.linearCrossEntropy(losses, x, b.normal([65, WIDTH]), b.indices(ROWS, 65), {
        dx,
        dw: undefined,
      });
      return { losses, dx };
    }),
    elementCheck(device, dtype, 'swiglu', (b, bad) => {
      const [gate, y] = [b.float(bad(ROWS), [ROWS]), b.output([ROWS])];
      b.kernels.swiglu(y, gate, b.normal([ROWS]));
      return { y };
    }),
    elementCheck(device, dtype, 'add, cast', (b, bad) => {
      const [x, y, wide] = [b.float(bad(ROWS), [ROWS]), b.output([ROWS]), b.wideOutput([ROWS])];
      b.kernels.add(y, x, b.normal([ROWS]));
      b.kernels.cast(wide, x);
      return { y, wide };
    }),
    elementCheck(device, dtype, 'adamw', (b, bad) => {
      const zeros = () => b.changing(new Float64Array(ROWS), [ROWS], 'wide');
      const [value, m, v] = [b.changing('normal', [ROWS], 'wide'), zeros(), zeros()];
      const settings = {
        learningRate: 0.1,
        beta1: 0.9,
        beta2: 0.9,
        epsilon: 1e-8,
        weightDecay: 0,
        gradientScale: 1,
        step: 1,
      };
      b.kernels.adamw(value, b.wide(bad(ROWS), [ROWS]), m, v, settings);
      return { value, m, v };
    }),
    {
      group: 'special values',
      name: `a NaN key reaches the rows that see it, ${dtype}`,
      run: () => checkAttention(subject, dtype),
    },
    {
      group: 'special values',
      name: `infinities, overflow and sums, ${dtype}`,
      run: () => checkInfinities(subject, dtype),
    },
    {
      group: 'special values',
      name: `rows that count nothing, ${dtype}`,
      run: () => checkIgnored(subject, dtype),
    },
    { group: 'special values', name: `rope turns back, ${dtype}`, run: () => checkInverse(subject, dtype) },
  ]);
}

/** The same of a vocabulary in parts. */
export function partValueChecks(subject: Subject): Check[] {
  const { device, dtypes } = subject;
  return dtypes.flatMap((dtype) => [partCheck(device, dtype), emptyPartCheck(subject, dtype)]);
}

function partCheck(device: Subject['device'], dtype: ComputeDType): Check {
  return rowCheck(device, dtype, 'linearCrossEntropyShare', (b, bad) => {
    const [x, w] = [b.float(bad(ROWS, WIDTH), [ROWS, WIDTH]), b.normal([65, WIDTH])];
    const [losses, dx, shares] = [b.wideOutput([ROWS]), b.output([ROWS, WIDTH]), b.wideOutput([2, ROWS, 3])];
    const [targets, ends] = [b.indices(ROWS, 65), [0, 33, 65]];
    for (const rank of [0, 1]) {
      const [part, share] = [{ first: ends[rank], of: 65 }, shares.slice(rank, rank + 1).reshape(ROWS, 3)];
      b.kernels.linearSoftmaxShare(share, x, w.slice(ends[rank], ends[rank + 1]), targets, part);
    }
    const part = { first: 33, of: 65 };
    const grads = { dx, dw: undefined };
    b.kernels.linearCrossEntropyShare(losses, shares, x, w.slice(33, 65), targets, part, grads);
    return { losses, dx };
  });
}

function emptyPartCheck(subject: Subject, dtype: ComputeDType): Check {
  return {
    group: 'special values',
    name: `a part of the vocabulary whose logits are −∞ takes nothing, ${dtype}`,
    run: () => checkEmptyPart(subject, dtype),
  };
}

/** NaN in row BAD makes all of that row NaN and leaves the others finite. */
function rowCheck(
  device: Subject['device'],
  dtype: ComputeDType,
  name: string,
  run: (b: Bench, bad: (rows: number, columns: number) => Float64Array) => Outputs,
): Check {
  return {
    group: 'special values',
    name: `${name}: NaN stays in its row, ${dtype}`,
    async run() {
      const b = new Bench(device, dtype, name);
      const bad = (rows: number, columns: number) =>
        Float64Array.from({ length: rows * columns }, (_, i) =>
          i === BAD * columns + 2 ? NaN : Math.sin(i),
        );
      const results = await b.finish(run(b, bad));
      for (const [output, result] of Object.entries(results)) {
        const values = numbersOf(result);
        const columns = values.length / ROWS;
        expectWhere(output, values, (i) => Math.floor(i / columns) === BAD);
      }
    },
  };
}

function elementCheck(
  device: Subject['device'],
  dtype: ComputeDType,
  name: string,
  run: (b: Bench, bad: (count: number) => Float64Array) => Outputs,
): Check {
  return {
    group: 'special values',
    name: `${name}: NaN stays in its element, ${dtype}`,
    async run() {
      const b = new Bench(device, dtype, name);
      const bad = (count: number) =>
        Float64Array.from({ length: count }, (_, i) => (i === BAD ? NaN : Math.sin(i)));
      const results = await b.finish(run(b, bad));
      for (const [output, result] of Object.entries(results))
        expectWhere(output, numbersOf(result), (i) => i === BAD);
    },
  };
}

function expectWhere(output: string, values: Float64Array, isNaNHere: (i: number) => boolean): void {
  values.forEach((value, i) => {
    if (isNaNHere(i) ? !Number.isNaN(value) : !Number.isFinite(value))
      throw new Error(`${output}[${i}] is ${value}`);
  });
}

const STARTS = [0, 30, 100, 131];
const SEGMENT = [30, 100] as const;

/**
 * One row of the second segment has a NaN: rows that do not see it and the other segments must not
 * know, although they share tiles with it.
 */
async function checkAttention({ device }: Subject, dtype: ComputeDType): Promise<void> {
  for (const bad of [50, 53, 97]) {
    for (const where of ['key', 'value', 'dout'] as const) {
      const results = await attentionWith(device, dtype, bad, where);
      for (const [output, result] of Object.entries(results)) {
        const values = numbersOf(result);
        const columns = values.length / 131;
        for (let t = 0; t < 131; t++) {
          const some = values.subarray(t * columns, (t + 1) * columns).some(Number.isNaN);
          if (some === reaches(output, where, t, bad)) continue;
          throw new Error(
            `NaN in a ${where} of row ${bad}: row ${t} of ${output} ${some ? 'became' : 'did not become'} NaN`,
          );
        }
      }
    }
  }
}

/** Outputs go to the rows after a key; gradients of keys to the rows before a query. */
function reaches(output: string, where: 'key' | 'value' | 'dout', t: number, bad: number): boolean {
  if (t < SEGMENT[0] || t >= SEGMENT[1]) return false;
  if (where !== 'dout') return t >= bad;
  return output === 'dq' ? t === bad : t <= bad;
}

async function attentionWith(
  device: Subject['device'],
  dtype: ComputeDType,
  bad: number,
  where: 'key' | 'value' | 'dout',
): Promise<Readonly<Record<string, Result>>> {
  const rows = 131;
  const b = new Bench(device, dtype, `attention, NaN ${where}`);
  const wave = (columns: number, spoiled: boolean) =>
    b.float(
      Float64Array.from({ length: rows * columns }, (_, i) =>
        spoiled && i === bad * columns + 3 ? NaN : Math.sin(i),
      ),
      [rows, columns],
    );
  const [q, k, v] = [b.normal([rows, 16]), wave(8, where === 'key'), wave(8, where === 'value')];
  const [out, lse, segments] = [b.output([rows, 16]), b.wideOutput([rows, 2]), b.integers(STARTS)];
  const shape = { heads: 2, kvHeads: 1 };
  b.kernels.attention(out, lse, q, k, v, segments, shape);
  if (where !== 'dout') return b.finish({ out });
  const [dq, dk, dv] = [b.output([rows, 16]), b.output([rows, 8]), b.output([rows, 8])];
  b.kernels.attentionGrad(dq, dk, dv, wave(16, true), q, k, v, out, lse, segments, shape);
  return b.finish({ dq, dk, dv });
}

async function checkInfinities({ device }: Subject, dtype: ComputeDType): Promise<void> {
  const b = new Bench(device, dtype, 'infinities');
  const x = b.float([1, Infinity, -Infinity, 2], [2, 2]);
  const [y, sums, overflow] = [b.output([2, 1]), [0, 1, 2].map(() => b.wideOutput([1])), b.output([2])];
  b.kernels.linear(y, x, b.float([1, 1], [1, 2]));
  [NaN, Infinity, -Infinity].forEach((value, i) => {
    const many = new Float64Array(5000).fill(0.5);
    many[4999] = value;
    b.kernels.sumSquares(sums[i], b.float(many, [5000]));
  });
  b.kernels.cast(overflow, b.wide([3.4e38, -3.4e38], [2]));
  const results = await b.finish({ y, nan: sums[0], inf: sums[1], minus: sums[2], overflow });
  const show = (name: string) => numbersOf(results[name]).join(', ');
  if (show('y') !== 'Infinity, -Infinity') throw new Error(`linear over infinities gives ${show('y')}`);
  for (const name of ['nan', 'inf', 'minus']) {
    if (Number.isFinite(numbersOf(results[name])[0]))
      throw new Error(`sumSquares with ${name} is ${show(name)}`);
  }
  const half = dtype === 'f16' || dtype === 'bf16';
  if (half && show('overflow') !== 'Infinity, -Infinity')
    throw new Error(`casting ±3.4e38 gives ${show('overflow')}`);
}

async function checkIgnored({ device }: Subject, dtype: ComputeDType): Promise<void> {
  const b = new Bench(device, dtype, 'ignored');
  const outputs = () => ({
    losses: b.wideOutput([ROWS]),
    dx: b.output([ROWS, WIDTH]),
    dw: b.changing(new Float64Array(7 * WIDTH).fill(1), [7, WIDTH], 'wide'),
  });
  const [whole, part] = [outputs(), outputs()];
  const targets = b.integers(new Int32Array(ROWS).fill(IGNORE_TARGET));
  const [x, w, shares] = [b.normal([ROWS, WIDTH]), b.normal([7, WIDTH]), b.wideOutput([1, ROWS, 3])];
  b.kernels.linearCrossEntropy(whole.losses, x, w, targets, whole);
  const from = { first: 3, of: 20 };
  b.kernels.linearSoftmaxShare(shares.reshape(ROWS, 3), x, w, targets, from);
  b.kernels.linearCrossEntropyShare(part.losses, shares, x, w, targets, from, part);
  const { losses, dx, dw } = part;
  const results = await b.finish({
    ...whole,
    'losses of a part': losses,
    'dx of a part': dx,
    'dw of a part': dw,
  });
  for (const [name, result] of Object.entries(results)) {
    const expected = name.startsWith('dw') ? 1 : 0;
    const wrong = numbersOf(result).find((value) => value !== expected);
    if (wrong !== undefined) throw new Error(`with every target ignored, ${name} holds ${wrong}`);
  }
}

async function checkEmptyPart({ device }: Subject, dtype: ComputeDType): Promise<void> {
  const b = new Bench(device, dtype, 'empty part');
  const [x, w] = [b.float([1, 2], [2, 1]), b.float([-Infinity, -Infinity, 0, 0], [4, 1])];
  const [shares, losses, targets] = [b.wideOutput([2, 2, 3]), b.wideOutput([2]), b.integers([2, 3])];
  for (const rank of [0, 1]) {
    const [share, part] = [shares.slice(rank, rank + 1).reshape(2, 3), { first: 2 * rank, of: 4 }];
    b.kernels.linearSoftmaxShare(share, x, w.slice(2 * rank, 2 * rank + 2), targets, part);
  }
  const part = { first: 0, of: 4 };
  b.kernels.linearCrossEntropyShare(losses, shares, x, w.slice(0, 2), targets, part);
  const got = numbersOf((await b.finish({ losses })).losses);
  if (got.some((loss) => !(Math.abs(loss - Math.LN2) < 1e-6)))
    throw new Error(`losses beside a part of −∞ are ${got.join(', ')}, not ln 2`);
}

async function checkInverse({ device }: Subject, dtype: ComputeDType): Promise<void> {
  for (const pairing of ['adjacent', 'half'] as const) {
    const b = new Bench(device, dtype, 'inverse');
    const x = b.normal([ROWS, 24]);
    const [positions, table, y] = [b.indices(ROWS, 99), ropeTable(b, 99, 12), b.output([ROWS, 24])];
    b.kernels.rope(y, x, positions, table, { heads: 2, pairing });
    b.kernels.rope(y, y, positions, table, { heads: 2, pairing, inverse: true });
    const { y: turned, x: before } = await b.finish({ y, x });
    const [actual, expected] = [numbersOf(turned), numbersOf(before)];
    const allowed = { f64: 1e-12, f32: 2e-6, f16: 1e-2, bf16: 5e-2 }[dtype];
    const i = expected.findIndex((value, at) => Math.abs(value - actual[at]) > allowed);
    if (i >= 0) throw new Error(`${pairing}: element ${i} is ${actual[i]}, was ${expected[i]}`);
  }
}

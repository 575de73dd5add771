/** The C++ kernels against the oracle, for every instruction set of this machine; and the promise of equal bits. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attention, attentionGrad, writeCache } from '../src/index.ts';
import { bits, random, randomF32, relativeError } from './helpers.ts';
import { availableIsas, buildDriver, decode } from './native.ts';
import type { Driver, Isa } from './native.ts';

const { isas, skipped } = availableIsas();
for (const reason of skipped) console.log(`native attention kernels skipped, ${reason}`);

const drivers = new Map<Isa, Driver>();
beforeAll(async () => {
  for (const [isa, driver] of await Promise.all(
    isas.map(async (isa) => [isa, await buildDriver(isa)] as const),
  ))
    drivers.set(isa, driver);
}, 600_000);
afterAll(() => {
  for (const driver of drivers.values()) driver.remove();
});

const toBf16 = (numbers: Float32Array) =>
  Uint16Array.from(new Uint32Array(numbers.slice().buffer), (bits) => bits >>> 16);
const fromBf16 = (bits: Uint16Array) => new Float32Array(Uint32Array.from(bits, (b) => b << 16).buffer);

const storedBytes = (stored: 'f32' | 'bf16' | 'q8_0', numbers: number) =>
  stored === 'f32' ? 4 * numbers : stored === 'bf16' ? 2 * numbers : (numbers / 32) * 34;

/** Numbers as a cache stores them, and what they are then. Scales of blocks are 2⁻⁶. */
function encodeStored(
  stored: 'f32' | 'bf16' | 'q8_0',
  numbers: Float32Array,
): { bytes: Uint8Array; numbers: Float32Array } {
  if (stored === 'f32') return { bytes: new Uint8Array(numbers.slice().buffer), numbers };
  if (stored === 'bf16') {
    const halves = toBf16(numbers);
    return { bytes: new Uint8Array(halves.buffer), numbers: fromBf16(halves) };
  }
  const levels = Int8Array.from(numbers, (x) => Math.max(-127, Math.min(127, Math.round(64 * x))));
  const bytes = new Uint8Array(storedBytes(stored, numbers.length));
  for (let block = 0; block * 32 < numbers.length; block++) {
    bytes.set([0, 0x24], block * 34);
    bytes.set(new Uint8Array(levels.buffer, block * 32, 32), block * 34 + 2);
  }
  return { bytes, numbers: Float32Array.from(levels, (level) => level / 64) };
}

interface Shape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}
interface Inputs {
  readonly q: Float32Array;
  readonly k: Float32Array;
  readonly v: Float32Array;
  readonly dout: Float32Array;
}

function makeInputs(T: number, { heads, kvHeads, headDim }: Shape, seed: number, size = 2): Inputs {
  const next = random(seed);
  const [wide, narrow] = [T * heads * headDim, T * kvHeads * headDim];
  return {
    q: randomF32(wide, next, size),
    k: randomF32(narrow, next, size),
    v: randomF32(narrow, next),
    dout: randomF32(wide, next),
  };
}

function forward(
  driver: Driver,
  { q, k, v }: Inputs,
  shape: Shape,
  segments: Int32Array,
  reverse = false,
): { out: Float32Array; lse: Float32Array } {
  const T = segments[segments.length - 1];
  const answer = driver.run({
    op: 'forward',
    T,
    S: segments.length - 1,
    ...shape,
    reverse,
    arrays: [q, k, v, segments],
  });
  const [out, lse] = decode(answer, [q.length, T * shape.heads]);
  return { out, lse };
}

function backward(
  driver: Driver,
  inputs: Inputs,
  shape: Shape,
  segments: Int32Array,
  reverse = false,
): Record<'dq' | 'dk' | 'dv', Float32Array> {
  const { q, k, v, dout } = inputs;
  const { out, lse } = forward(driver, inputs, shape, segments);
  const arrays = [dout, q, k, v, out, lse, segments];
  const answer = driver.run({
    op: 'backward',
    T: segments[segments.length - 1],
    S: segments.length - 1,
    ...shape,
    reverse,
    arrays,
  });
  const [dq, dk, dv] = decode(answer, [q.length, k.length, v.length]);
  return { dq, dk, dv };
}

/** Odd widths, every kind of grouping, group sizes that do not divide a tile, segments shorter and longer than tiles and chunks. */
const cases: (Shape & { readonly segments: readonly number[] })[] = [
  { heads: 1, kvHeads: 1, headDim: 1, segments: [0, 1] },
  { heads: 3, kvHeads: 3, headDim: 5, segments: [0, 3, 3, 80] },
  { heads: 6, kvHeads: 6, headDim: 48, segments: [0, 130, 256] },
  { heads: 4, kvHeads: 2, headDim: 64, segments: [0, 257] },
  { heads: 6, kvHeads: 2, headDim: 17, segments: [0, 64, 65, 203] },
  { heads: 8, kvHeads: 1, headDim: 80, segments: [0, 150] },
  { heads: 5, kvHeads: 1, headDim: 31, segments: [0, 1, 2, 100] },
  { heads: 71, kvHeads: 1, headDim: 8, segments: [0, 9, 30] },
  { heads: 2, kvHeads: 2, headDim: 128, segments: [0, 21, 320] },
  { heads: 2, kvHeads: 1, headDim: 256, segments: [0, 140] },
  { heads: 4, kvHeads: 4, headDim: 112, segments: [0, 10, 20, 50, 80, 100, 101, 110] },
];

type Results = Record<'out' | 'lse' | 'dq' | 'dk' | 'dv', Float64Array>;
const computed = new Map<object, { inputs: Inputs; expected: Results }>();

/** Inputs of a case and the oracle's float64 results, made once for all instruction sets. */
function oracle(example: (typeof cases)[number]): { inputs: Inputs; expected: Results } {
  const known = computed.get(example);
  if (known) return known;
  const { segments, ...shape } = example;
  const options = { ...shape, segments: Int32Array.from(segments) };
  const inputs = makeInputs(segments[segments.length - 1], shape, shape.headDim, 1.5);
  const [q, k, v, dout] = [inputs.q, inputs.k, inputs.v, inputs.dout].map((x) => Float64Array.from(x));
  const expected = { ...attention(q, k, v, options), ...attentionGrad(dout, q, k, v, options) };
  computed.set(example, { inputs, expected });
  return { inputs, expected };
}

describe.each(isas)('%s', (isa) => {
  const driver = (): Driver => drivers.get(isa)!;

  it.each(cases)('equals the oracle: %o', (example) => {
    const { segments, ...shape } = example;
    const { inputs, expected } = oracle(example);
    const starts = Int32Array.from(segments);
    const actual = {
      ...forward(driver(), inputs, shape, starts),
      ...backward(driver(), inputs, shape, starts),
    };
    for (const name of ['out', 'lse', 'dq', 'dk', 'dv'] as const) {
      const limit = name === 'out' || name === 'lse' ? 2e-6 : 2e-5;
      expect(relativeError(actual[name], expected[name], 0.1), name).toBeLessThan(limit);
    }
  });

  it('saturated and huge scores stay finite and right', () => {
    const [shape, segments] = [{ heads: 2, kvHeads: 1, headDim: 16 }, Int32Array.of(0, 300)];
    const inputs = makeInputs(300, shape, 3, 200);
    const actual = forward(driver(), inputs, shape, segments);
    const expected = attention(inputs.q, inputs.k, inputs.v, shape);
    expect(relativeError(actual.lse, expected.lse)).toBeLessThan(1e-6);
    expect(actual.out.every((x) => Math.abs(x) <= 1)).toBe(true);
    for (const grad of Object.values(backward(driver(), inputs, shape, segments)))
      expect(grad.every(Number.isFinite)).toBe(true);
  });

  it('a number that is not finite shows in its own row, head and segment, and in none before', () => {
    const [shape, segments] = [{ heads: 2, kvHeads: 1, headDim: 16 }, Int32Array.of(0, 200, 260)];
    const inputs = makeInputs(260, shape, 4);
    const before = forward(driver(), inputs, shape, segments);
    inputs.q[(150 * 2 + 1) * 16] = NaN; // row 150, head 1
    const after = forward(driver(), inputs, shape, segments);
    for (const [name, width] of [
      ['out', 16],
      ['lse', 1],
    ] as const) {
      before[name].set(new Float32Array(width).fill(NaN), 301 * width);
      expect(bits(after[name].map((x) => (Number.isNaN(x) ? NaN : x))).equals(bits(before[name])), name).toBe(
        true,
      );
    }
  });

  it('the order of the units changes no bit', () => {
    for (const [shape, segments] of [
      [{ heads: 4, kvHeads: 2, headDim: 20 }, Int32Array.of(0, 300)],
      [{ heads: 3, kvHeads: 3, headDim: 24 }, Int32Array.of(0, 90, 91, 230)],
    ] as const) {
      const inputs = makeInputs(segments[segments.length - 1], shape, 7);
      const [up, down] = [false, true].map((reverse) => ({
        ...forward(driver(), inputs, shape, segments, reverse),
        ...backward(driver(), inputs, shape, segments, reverse),
      }));
      for (const name of ['out', 'lse', 'dq', 'dk', 'dv'] as const)
        expect(bits(up[name]).equals(bits(down[name])), name).toBe(true);
    }
  });

  it.each([
    { heads: 4, kvHeads: 2, headDim: 20 },
    { heads: 6, kvHeads: 2, headDim: 48 },
    { heads: 3, kvHeads: 3, headDim: 7 },
  ])('packed segments equal the same segments alone, bit for bit: %o', (shape) => {
    // alone, few units: cut by tiles; packed, many: cut by segments. Both must be the same sums.
    const segments = Int32Array.of(0, 200, 201, 330, 394, 458, 500, 501, 560, 689);
    const packed = makeInputs(689, shape, 11, 3);
    const together = {
      ...forward(driver(), packed, shape, segments),
      ...backward(driver(), packed, shape, segments),
    };
    for (let s = 0; s + 1 < segments.length; s++) {
      const rows = (x: Float32Array): Float32Array =>
        x.subarray((segments[s] * x.length) / 689, (segments[s + 1] * x.length) / 689);
      const own: Inputs = {
        q: rows(packed.q),
        k: rows(packed.k),
        v: rows(packed.v),
        dout: rows(packed.dout),
      };
      const starts = Int32Array.of(0, segments[s + 1] - segments[s]);
      const alone = { ...forward(driver(), own, shape, starts), ...backward(driver(), own, shape, starts) };
      for (const name of ['out', 'lse', 'dq', 'dk', 'dv'] as const) {
        expect(bits(rows(together[name])).equals(bits(alone[name])), `${name} of segment ${s}`).toBe(true);
      }
    }
  });

  it.each([
    { heads: 1, kvHeads: 1, headDim: 48, blockSize: 16 },
    { heads: 4, kvHeads: 2, headDim: 33, blockSize: 1 },
    { heads: 8, kvHeads: 1, headDim: 64, blockSize: 128 },
    { heads: 6, kvHeads: 2, headDim: 20, blockSize: 32 },
    { heads: 24, kvHeads: 2, headDim: 40, blockSize: 8 },
  ])(
    'a paged cache, in chunks of any length, equals full attention bit for bit: %o',
    ({ blockSize, ...shape }) => {
      const { heads, kvHeads, headDim } = shape;
      const [wide, narrow, next] = [heads * headDim, kvHeads * headDim, random(blockSize)];
      const lengths = Int32Array.of(1, 290, 128, 37, 129);
      const maxBlocks = Math.ceil(290 / blockSize);
      const blocks = lengths.length * maxBlocks;
      const blockTable = Int32Array.from({ length: blocks }, (_, i) => i).sort(() => next());
      const [keys, values] = [0, 1].map(() => new Float32Array(blocks * blockSize * narrow).fill(NaN));
      const sequences = Array.from(lengths, (n, s) => makeInputs(n, shape, s, 3));
      const full = sequences.map(
        (inputs, s) => forward(driver(), inputs, shape, Int32Array.of(0, lengths[s])).out,
      );
      sequences.forEach(({ k, v }, s) => {
        const slots = Int32Array.from(
          { length: lengths[s] },
          (_, p) => blockTable[s * maxBlocks + Math.floor(p / blockSize)] * blockSize + (p % blockSize),
        );
        writeCache(keys, values, k, v, slots);
      });
      for (const news of [
        [1, 1, 1, 1, 1],
        [0, 3, 65, 37, 2],
        [1, 290, 128, 37, 129],
        [1, 17, 9, 0, 100],
      ]) {
        const starts = Int32Array.from([
          0,
          ...news.map((_, i) => news.slice(0, i + 1).reduce((a, b) => a + b)),
        ]);
        const q = Float32Array.from(
          sequences.flatMap(({ q }, s) => [...q.subarray((lengths[s] - news[s]) * wide)]),
        );
        const arrays = [q, keys, values, blockTable, starts, lengths];
        const answer = driver().run({
          op: 'paged',
          T: starts[5],
          S: 5,
          ...shape,
          blockSize,
          maxBlocks,
          blocks,
          arrays,
        });
        const [out] = decode(answer, [q.length]);
        full.forEach((expected, s) => {
          const own = out.subarray(starts[s] * wide, starts[s + 1] * wide);
          expect(
            bits(own).equals(bits(expected.subarray((lengths[s] - news[s]) * wide))),
            `sequence ${s} of ${news}`,
          ).toBe(true);
        });
      }
    },
  );

  it.each([
    { stored: 'f32', half: false, heads: 3, kvHeads: 1, headDim: 40, blockSize: 16 },
    { stored: 'bf16', half: false, heads: 8, kvHeads: 1, headDim: 64, blockSize: 32 },
    { stored: 'bf16', half: true, heads: 2, kvHeads: 2, headDim: 33, blockSize: 16 },
    { stored: 'bf16', half: true, heads: 12, kvHeads: 1, headDim: 48, blockSize: 128 },
    { stored: 'q8_0', half: false, heads: 4, kvHeads: 2, headDim: 32, blockSize: 64 },
    { stored: 'q8_0', half: true, heads: 20, kvHeads: 1, headDim: 96, blockSize: 16 },
  ] as const)('a cache in any form, in chunks of any length, is one sum: %o', (example) => {
    const { stored, half, blockSize, ...shape } = example;
    const { heads, kvHeads, headDim } = shape;
    const [wide, narrow, next] = [heads * headDim, kvHeads * headDim, random(headDim)];
    const lengths = Int32Array.of(1, 385, 128, 0, 600);
    const maxBlocks = Math.ceil(600 / blockSize);
    const blocks = lengths.length * maxBlocks;
    const blockTable = Int32Array.from({ length: blocks }, (_, i) => i).sort(() => next());
    const sequences = Array.from(lengths, (n, s) => makeInputs(n, shape, s + 1, 1.5));
    const [keys, values] = (['k', 'v'] as const).map((which) => {
      const cache = new Uint8Array(storedBytes(stored, blocks * blockSize * narrow)).fill(0xff); // NaN
      sequences.forEach((inputs, s) => {
        const rows = encodeStored(stored, inputs[which]);
        const bytes = storedBytes(stored, narrow);
        for (let p = 0; p < lengths[s]; p++) {
          const slot = blockTable[s * maxBlocks + Math.floor(p / blockSize)] * blockSize + (p % blockSize);
          cache.set(rows.bytes.subarray(p * bytes, (p + 1) * bytes), slot * bytes);
        }
        inputs[which].set(rows.numbers);
      });
      return cache;
    });
    const run = (news: readonly number[], reverse = false) => {
      const starts = Int32Array.from([
        0,
        ...news.map((_, i) => news.slice(0, i + 1).reduce((a, b) => a + b)),
      ]);
      const q = Float32Array.from(
        sequences.flatMap((each, s) => [...each.q.subarray((lengths[s] - news[s]) * wide)]),
      );
      const arrays = [half ? toBf16(q) : q, keys, values, blockTable, starts, lengths];
      const common = { T: starts[5], S: 5, ...shape, blockSize, maxBlocks, blocks, stored, half, reverse };
      const answer = driver().run({ op: 'paged', ...common, arrays });
      return sequences.map((_, s) => {
        const bytes = wide * (half ? 2 : 4);
        return Buffer.from(answer.subarray(starts[s] * bytes, starts[s + 1] * bytes));
      });
    };
    const whole = run([...lengths]);
    for (const news of [
      [1, 1, 1, 0, 1],
      [0, 4, 4, 0, 2],
      [1, 129, 65, 0, 5],
    ]) {
      for (const reverse of [false, true]) {
        run(news, reverse).forEach((own, s) =>
          expect(
            own.equals(whole[s].subarray(whole[s].length - own.length)),
            `sequence ${s} of ${news}`,
          ).toBe(true),
        );
      }
    }
    sequences.forEach(({ q, k, v }, s) => {
      const rounded = half ? fromBf16(toBf16(q)) : q;
      const [a, b, c] = [rounded, k, v].map((x) => Float64Array.from(x));
      const actual = half
        ? fromBf16(new Uint16Array(whole[s].buffer, whole[s].byteOffset, whole[s].length / 2))
        : new Float32Array(whole[s].buffer, whole[s].byteOffset, whole[s].length / 4);
      const exact = half || (isa === 'avx512bf16' && stored !== 'f32') ? 1e-2 : 2e-6;
      if (lengths[s] > 0)
        expect(relativeError(actual, attention(a, b, c, shape).out, 0.1)).toBeLessThan(exact);
    });
  });

  it('bf16 as it lies equals the oracle', () => {
    for (const [shape, starts] of [
      [{ heads: 4, kvHeads: 2, headDim: 64 }, [0, 257]],
      [{ heads: 6, kvHeads: 6, headDim: 48 }, [0, 1, 130, 256]],
      [{ heads: 3, kvHeads: 1, headDim: 7 }, [0, 90]],
    ] as const) {
      const [segments, T] = [Int32Array.from(starts), starts[starts.length - 1]];
      const inputs = makeInputs(T, shape, 5, 1.5);
      const halves = [inputs.q, inputs.k, inputs.v].map(toBf16);
      const [q, k, v] = halves.map((x) => Float64Array.from(fromBf16(x)));
      const expected = attention(q, k, v, { ...shape, segments });
      const answer = driver().run({
        op: 'forward',
        T,
        S: starts.length - 1,
        ...shape,
        half: true,
        arrays: [...halves, segments],
      });
      const out = fromBf16(
        new Uint16Array(answer.buffer.slice(answer.byteOffset, answer.byteOffset + 2 * q.length)),
      );
      const lse = new Float32Array(
        answer.buffer.slice(answer.byteOffset + 2 * q.length, answer.byteOffset + answer.length),
      );
      expect(relativeError(out, expected.out, 0.1)).toBeLessThan(1e-2);
      expect(relativeError(lse, expected.lse, 0.1)).toBeLessThan(2e-6);
    }
  });

  it('exp is within 2 units in the last place, and right at the ends', () => {
    const next = random(9);
    const x = Float32Array.from({ length: 20_000 }, (_, i) =>
      i % 2 ? 60 * next() : next() * 10 ** (-6 * Math.abs(next())),
    );
    x.set([-Infinity, Infinity, NaN, 0, -0, 88.7, 88.8, -87, -200]);
    const [y] = decode(driver().run({ op: 'exp', T: x.length, arrays: [x] }), [x.length]);
    expect(Array.from(y.subarray(0, 5))).toEqual([0, Infinity, NaN, 1, 1]);
    expect(y[6]).toBe(Infinity);
    x.forEach((value, i) => {
      const exact = Math.exp(value);
      if (i < 9 && (!Number.isFinite(exact) || exact > 3.4e38 || value < -87.3)) return;
      expect(Math.abs(y[i] - exact) / 2 ** (Math.floor(Math.log2(exact)) - 23)).toBeLessThan(2);
    });
  });

  it('leaves no weak symbol outside its own namespace', () => {
    const weak = driver()
      .symbols()
      .split('\n')
      .filter((line) => / [WVu] /.test(line) && /cria::/.test(line) && !line.includes(`cria::${isa}::`));
    expect(weak).toEqual([]);
  });
});

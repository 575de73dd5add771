/**
 * GFLOP/s of every version of attention, hidden scores not counted (forward 2, backward 5 products of the visible half), and GB/s of decode.
 * The peer is the machine: fma in registers for the same instruction set, measured in the same run.
 *
 *     npm run bench -- attention [--json]
 */
import { flashAttention, flashAttentionGrad } from '../src/index.ts';
import { random, randomF32 } from '../test/helpers.ts';
import { availableIsas, buildDriver } from '../test/native.ts';
import type { Driver } from '../test/native.ts';

interface Shape {
  readonly name: string;
  readonly segments: number;
  readonly rows: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

const shapes: readonly Shape[] = [
  { name: '15m', segments: 8, rows: 256, heads: 6, kvHeads: 6, headDim: 48 },
  { name: '110m', segments: 2, rows: 1024, heads: 12, kvHeads: 12, headDim: 64 },
  { name: 'llama-3 8b', segments: 1, rows: 512, heads: 32, kvHeads: 8, headDim: 128 },
];

interface Row {
  readonly name: string;
  readonly threads: number;
  readonly value: number;
  readonly unit: string;
  readonly peer: string;
  readonly peerValue: number;
  readonly ratio: number;
  readonly target: number | null;
}

const json = process.argv.includes('--json');

function report(
  name: string,
  value: number,
  unit: string,
  peer: string,
  peerValue: number,
  target: number | null,
): void {
  const ratio = value / peerValue;
  const row: Row = { name, threads: 1, value, unit, peer, peerValue, ratio, target };
  if (json) return console.log(JSON.stringify(row));
  console.log(
    `${name.padEnd(32)} ${value.toFixed(1).padStart(7)} ${unit}   ${ratio.toFixed(2)} of ${peer} ${peerValue.toFixed(1)}`,
  );
}

/** Floating-point operations of the forward pass. */
function operations({ segments, rows, heads, headDim }: Shape): number {
  return 4 * segments * ((rows * (rows + 1)) / 2) * heads * headDim;
}

function makeArrays(shape: Shape): {
  q: Float32Array;
  k: Float32Array;
  v: Float32Array;
  dout: Float32Array;
  segments: Int32Array;
} {
  const next = random(1);
  const T = shape.segments * shape.rows;
  const [wide, narrow] = [T * shape.heads * shape.headDim, T * shape.kvHeads * shape.headDim];
  const segments = Int32Array.from({ length: shape.segments + 1 }, (_, s) => s * shape.rows);
  return {
    q: randomF32(wide, next),
    k: randomF32(narrow, next),
    v: randomF32(narrow, next),
    dout: randomF32(wide, next),
    segments,
  };
}

function benchNative(isa: string, driver: Driver): void {
  for (const shape of shapes) {
    const peak = driver.run({ op: 'peak', arrays: [] }).readDoubleLE() / 1e9; // anew beside each shape: a shared machine drifts
    const { heads, kvHeads, headDim } = shape;
    const { q, k, v, dout, segments } = makeArrays(shape);
    const { out, lse } = flashAttention(q, k, v, { heads, kvHeads, headDim, segments });
    const common = { T: shape.segments * shape.rows, S: shape.segments, heads, kvHeads, headDim };
    const forward = driver
      .run({ ...common, op: 'bench-forward', arrays: [q, k, v, segments] })
      .readDoubleLE();
    const backward = driver
      .run({ ...common, op: 'bench-backward', arrays: [dout, q, k, v, out, lse, segments] })
      .readDoubleLE();
    report(
      `${shape.name} forward ${isa}`,
      operations(shape) / forward / 1e9,
      'GFLOP/s',
      'fma peak',
      peak,
      0.7,
    );
    report(
      `${shape.name} backward ${isa}`,
      (2.5 * operations(shape)) / backward / 1e9,
      'GFLOP/s',
      'fma peak',
      peak,
      0.7,
    );

    const [blockSize, S] = [16, shape.segments];
    const maxBlocks = shape.rows / blockSize;
    const table = Int32Array.from({ length: S * maxBlocks }, (_, i) => i);
    const starts = Int32Array.from({ length: S + 1 }, (_, s) => s);
    const lengths = new Int32Array(S).fill(shape.rows);
    const arrays = [q.subarray(0, S * heads * headDim), k, v, table, starts, lengths];
    const decode = driver
      .run({ ...common, T: S, blockSize, maxBlocks, blocks: S * maxBlocks, op: 'bench-paged', arrays })
      .readDoubleLE();
    const copy = copyRate(k.byteLength * 2);
    report(
      `${shape.name} decode ${isa}`,
      (2 * k.byteLength) / decode / 1e9,
      'GB/s',
      'copy (reads)',
      copy,
      null,
    );
  }
}

/** Bytes a second, in units of 1e9, that a plain copy of so many bytes reads: the best of ten. */
function copyRate(bytes: number): number {
  const [from, to] = [new Float32Array(bytes / 4).fill(1), new Float32Array(bytes / 4)];
  let best = Infinity;
  for (let i = 0; i < 10; i++) {
    const start = performance.now();
    to.set(from);
    best = Math.min(best, performance.now() - start);
  }
  return bytes / best / 1e6;
}

function benchTypeScript(shape: Shape, peer: string, peak: number): void {
  const { heads, kvHeads, headDim } = shape;
  const { q, k, v, dout, segments } = makeArrays(shape);
  const options = { heads, kvHeads, headDim, segments };
  let [forward, backward] = [Infinity, Infinity];
  for (let i = 0; i < 3; i++) {
    const start = performance.now();
    const { out, lse } = flashAttention(q, k, v, options);
    const middle = performance.now();
    flashAttentionGrad(dout, q, k, v, out, lse, options);
    forward = Math.min(forward, middle - start);
    backward = Math.min(backward, performance.now() - middle);
  }
  report(`${shape.name} forward typescript`, operations(shape) / forward / 1e6, 'GFLOP/s', peer, peak, null);
  report(
    `${shape.name} backward typescript`,
    (2.5 * operations(shape)) / backward / 1e6,
    'GFLOP/s',
    peer,
    peak,
    null,
  );
}

const { isas, skipped } = availableIsas();
if (!json) for (const reason of skipped) console.log(`skipped, ${reason}`);
let [peer, peak] = ['nothing', NaN];
for (const isa of isas) {
  const driver = await buildDriver(isa);
  try {
    if (peer === 'nothing')
      [peer, peak] = [`fma peak ${isa}`, driver.run({ op: 'peak', arrays: [] }).readDoubleLE() / 1e9];
    benchNative(isa, driver);
  } finally {
    driver.remove();
  }
}
benchTypeScript(shapes[0], peer, peak);

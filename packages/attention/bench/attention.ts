/**
 * GFLOP/s of every version of attention, hidden scores not counted (forward 2, backward 5 products
 * of the visible half), and GB/s of cache that decoding reads. The peer is the machine, measured in
 * the same run: f32 fma in registers for the same instruction set (bf16 in pairs can pass it), and
 * main memory read in order. One thread.
 *
 *     npm run bench -- attention [--isa avx512bf16,…] [--json]
 */
import { report } from '../../../scripts/support/report.ts';
import { flashAttention, flashAttentionGrad } from '../src/index.ts';
import { random, randomF32 } from '../test/helpers.ts';
import { availableIsas, buildDriver } from '../test/native.ts';
import type { Driver, Problem } from '../test/native.ts';

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

const json = process.argv.includes('--json');

function show(
  name: string,
  value: number,
  unit: string,
  peer: string,
  peerValue: number,
  target?: number,
): void {
  report({ name, threads: 1, value, unit, peer, peerValue, target }, json);
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
    // anew beside each shape: a shared machine drifts
    const peak = driver.run({ op: 'peak', arrays: [] }).readDoubleLE() / 1e9;
    for (const half of [false, true]) benchPasses(driver, shape, half, isa, peak);
  }
  benchPaged(isa, driver);
}

/** Forward and backward of f32, and of bf16, which is multiplied in pairs where the instruction set can. */
function benchPasses(driver: Driver, shape: Shape, half: boolean, isa: string, peak: number): void {
  const { heads, kvHeads, headDim } = shape;
  const { segments, ...numbers } = makeArrays(shape);
  const [q, k, v, dout] = [numbers.q, numbers.k, numbers.v, numbers.dout].map((x) => (half ? toBf16(x) : x));
  const T = shape.segments * shape.rows;
  const common = { T, S: shape.segments, heads, kvHeads, headDim, half };
  const answer = driver.run({ ...common, op: 'forward', arrays: [q, k, v, segments] });
  const bytes = q.byteLength;
  const out = new Uint8Array(answer.subarray(0, bytes));
  const lse = new Uint8Array(answer.subarray(bytes));
  const seconds = (op: 'bench-forward' | 'bench-backward', arrays: Problem['arrays']) =>
    driver.run({ ...common, op, arrays }).readDoubleLE();
  const forward = seconds('bench-forward', [q, k, v, segments]);
  const backward = seconds('bench-backward', [dout, q, k, v, out, lse, segments]);
  const work = operations(shape) / 1e9;
  const pairs = half && isa === 'avx512bf16';
  const title = (pass: string) => `${shape.name} ${pass} ${half ? 'bf16 ' : ''}${isa}`;
  show(title('forward'), work / forward, 'GFLOP/s', 'fma peak', peak, pairs ? 1 : 0.7);
  show(title('backward'), (2.5 * work) / backward, 'GFLOP/s', 'fma peak', peak, pairs ? 1 : 0.7);
}

/** As many sequences as layers of a model, so that no cache of the processor holds the keys and values of all. */
const paged = [
  { name: '1.1b', S: 22, heads: 32, kvHeads: 4, headDim: 64, depth: 2048 },
  { name: '1.1b', S: 8, heads: 32, kvHeads: 4, headDim: 64, depth: 8192 },
  { name: '110m', S: 12, heads: 12, kvHeads: 12, headDim: 64, depth: 2048 },
];

/** One new row a sequence over so many keys, and 64 rows at a time. */
function benchPaged(isa: string, driver: Driver): void {
  for (const { name, S, heads, kvHeads, headDim, depth } of paged) {
    const read = driver.run({ op: 'read', arrays: [] }).readDoubleLE() / 1e9;
    const peak = driver.run({ op: 'peak', arrays: [] }).readDoubleLE() / 1e9;
    const blockSize = 16;
    const maxBlocks = depth / blockSize;
    const table = Int32Array.from({ length: S * maxBlocks }, (_, i) => i);
    const lengths = new Int32Array(S).fill(depth);
    const numbers = S * depth * kvHeads * headDim;
    for (const stored of ['f32', 'bf16', 'q8_0'] as const) {
      const cache = cacheOf(stored, numbers);
      const time = (rows: number) =>
        driver
          .run({
            op: 'bench-paged',
            T: S * rows,
            S,
            heads,
            kvHeads,
            headDim,
            blockSize,
            maxBlocks,
            blocks: S * maxBlocks,
            stored,
            arrays: [
              randomF32(S * rows * heads * headDim, random(2)),
              cache,
              cache,
              table,
              Int32Array.from({ length: S + 1 }, (_, s) => s * rows),
              lengths,
            ],
          })
          .readDoubleLE();
      const title = `${name} @${depth} ${stored} ${isa}`;
      show(`decode ${title}`, (2 * cache.byteLength) / time(1) / 1e9, 'GB/s', 'read', read, 0.85);
      if (depth > 2048) continue;
      const work = 4 * S * heads * headDim * 64 * (depth - 31.5);
      show(`64 rows ${title}`, work / time(64) / 1e9, 'GFLOP/s', 'fma peak', peak, 0.7);
    }
  }
}

/** Random keys or values as a cache stores them. */
function cacheOf(stored: 'f32' | 'bf16' | 'q8_0', count: number): Float32Array | Uint16Array | Uint8Array {
  const next = random(3);
  if (stored !== 'q8_0') {
    const numbers = randomF32(count, next);
    return stored === 'f32' ? numbers : toBf16(numbers);
  }
  const blocks = Uint8Array.from({ length: (count / 32) * 34 }, () => 128 + 127 * next());
  for (let at = 0; at < blocks.length; at += 34) blocks.set([0, 0x20], at); // 2⁻⁷
  return blocks;
}

/** The high halves of the bits. */
function toBf16(numbers: Float32Array): Uint16Array {
  return Uint16Array.from(
    new Uint32Array(numbers.buffer, numbers.byteOffset, numbers.length),
    (bits) => bits >>> 16,
  );
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
  show(`${shape.name} forward typescript`, operations(shape) / forward / 1e6, 'GFLOP/s', peer, peak);
  show(
    `${shape.name} backward typescript`,
    (2.5 * operations(shape)) / backward / 1e6,
    'GFLOP/s',
    peer,
    peak,
  );
}

const { isas, skipped } = availableIsas();
if (!json) for (const reason of skipped) console.log(`skipped, ${reason}`);
let [peer, peak] = ['nothing', NaN];
const wanted = process.argv[process.argv.indexOf('--isa') + 1];
for (const isa of process.argv.includes('--isa')
  ? isas.filter((name) => wanted?.split(',').includes(name))
  : isas) {
  const driver = buildDriver(isa);
  try {
    if (peer === 'nothing')
      [peer, peak] = [`fma peak ${isa}`, driver.run({ op: 'peak', arrays: [] }).readDoubleLE() / 1e9];
    benchNative(isa, driver);
  } finally {
    driver.remove();
  }
}
benchTypeScript(shapes[0], peer, peak);

/**
 * GFLOP/s of the reference device's matrix products, f32, beside a plain triple loop (the peer) in the same run.
 *
 *     npm run bench -- reference-matmul [--json]
 */
import { report } from '../../../scripts/support/report.ts';
import { reference } from '../src/index.ts';

const [T, C, N] = [256, 288, 768];
const json = process.argv.includes('--json');
const device = reference();
const { kernels } = device;
const numbers = (length: number) => Float32Array.from({ length }, (_, i) => Math.sin(i));
const x = device.tensor(numbers(T * C), [T, C], 'f32');
const w = device.tensor(numbers(N * C), [N, C], 'f32');
const dy = device.tensor(numbers(T * N), [T, N], 'f32');
const [y, dx, dw] = [device.empty([T, N], 'f32'), device.empty([T, C], 'f32'), device.empty([N, C], 'f32')];
const [hostX, hostW, hostY] = [numbers(T * C), numbers(N * C), new Float32Array(T * N)];

/** Best of seven, in GFLOP/s. */
function measure(flops: number, run: () => void): number {
  let best = Infinity;
  for (let round = 0; round < 7; round++) {
    const start = performance.now();
    run();
    best = Math.min(best, performance.now() - start);
  }
  return flops / best / 1e6;
}

function plain(): void {
  for (let t = 0; t < T; t++) {
    for (let n = 0; n < N; n++) {
      let sum = 0;
      for (let c = 0; c < C; c++) sum += hostX[t * C + c] * hostW[n * C + c];
      hostY[t * N + n] = sum;
    }
  }
}

const flops = 2 * T * C * N;
const peerValue = measure(flops, plain);
const one = { x: x.slice(0, 1), y: y.slice(0, 1) };
const rows: [string, number][] = [
  ['linear, 256 rows', measure(flops, () => kernels.linear(y, x, w))],
  ['linear, 1 row', measure(flops / T, () => kernels.linear(one.y, one.x, w))],
  ['linearGradInput, 256 rows', measure(flops, () => kernels.linearGradInput(dx, dy, w))],
  ['linearGradWeight, 256 rows', measure(flops, () => kernels.linearGradWeight(dw, dy, x))],
];
for (const [name, value] of rows) {
  report({ name, threads: 1, value, unit: 'GFLOP/s', peer: 'triple loop', peerValue }, json);
}

// Run as a program: three rounds of two workers, each with a device of its own; the main thread loads the native
// file only after the first workers have ended.
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { cpu } from '@cria/cpu';

async function compute(seed: number): Promise<number[]> {
  using device = cpu({ threads: 2, background: seed % 2 === 0 });
  const x = device.tensor(
    Float32Array.from({ length: 40 * 30 }, (_, i) => ((i * 7 + seed) % 11) - 5),
    [40, 30],
    'f32',
  );
  const w = device.tensor(
    Float32Array.from({ length: 50 * 30 }, (_, i) => ((i * 3) % 7) - 3),
    [50, 30],
    'f32',
  );
  const y = device.empty([40, 50], 'f32');
  const sums: number[] = [];
  for (let round = 0; round < 100; round++) {
    device.kernels.linear(y, x, w);
    device.kernels.swiglu(y, y, y);
    sums.push((await y.toFloat32()).reduce((sum, value) => sum + value, 0));
  }
  return sums;
}

if (isMainThread) {
  const results: number[][] = [];
  for (let round = 0; round < 3; round++) {
    const workers = [1, 2].map((seed) => {
      const worker = new Worker(fileURLToPath(import.meta.url), { workerData: seed });
      const message = new Promise<number[]>((resolve, reject) =>
        worker.once('message', resolve).once('error', reject),
      );
      const ended = new Promise((resolve) => worker.once('exit', resolve));
      return Promise.all([message, ended]);
    });
    results.push(...(await Promise.all(workers)).map(([sums]) => sums));
  }
  const expected = [await compute(1), await compute(2)];
  const wrong = results.filter((sums, i) => sums.join() !== expected[i % 2]!.join());
  console.log(wrong.length === 0 ? 'all equal' : `${wrong.length} of ${results.length} differ`);
} else {
  parentPort!.postMessage(await compute(workerData as number));
}
